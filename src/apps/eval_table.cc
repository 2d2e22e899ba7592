#include "apps/eval_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace fathom {
namespace {

std::string TextLine(const std::vector<std::string>& cells, const std::vector<size_t>& widths) {
  std::string line;
  for (size_t column = 0; column < cells.size(); ++column) {
    const std::string padding(widths[column] - cells[column].size(), ' ');
    line += column == 0 ? cells[column] + padding : StrCat("  ", padding, cells[column]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string MarkdownLine(const std::vector<std::string>& cells, bool bold) {
  std::string line = "|";
  for (const std::string& cell : cells) {
    line += bold && !cell.empty() ? StrCat(" **", cell, "** |") : StrCat(" ", cell, " |");
  }
  return line + "\n";
}

}  // namespace

std::string TableText(const Table& table) {
  std::vector<size_t> widths;
  for (const std::string& cell : table.head) widths.push_back(cell.size());
  for (const TableRow& row : table.rows) {
    FATHOM_CHECK(row.cells.size() == widths.size());
    for (size_t column = 0; column < widths.size(); ++column) {
      widths[column] = std::max(widths[column], row.cells[column].size());
    }
  }
  std::string text = TextLine(table.head, widths);
  for (const TableRow& row : table.rows) text += TextLine(row.cells, widths);
  return text;
}

std::string TableMarkdown(const Table& table) {
  std::string text = MarkdownLine(table.head, false) + "|---|";
  for (size_t column = 1; column < table.head.size(); ++column) text += "---:|";
  text += "\n";
  for (const TableRow& row : table.rows) text += MarkdownLine(row.cells, row.sum);
  return text;
}

}  // namespace fathom
