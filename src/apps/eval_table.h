// eval_table.h - a table of short cells, printed in columns or as Markdown.
#ifndef FATHOM_APPS_EVAL_TABLE_H_
#define FATHOM_APPS_EVAL_TABLE_H_

#include <string>
#include <vector>

namespace fathom {

struct TableRow {
  std::vector<std::string> cells;  // as many as the head has
  bool sum = false;                // bold in Markdown
};

// Cells are ASCII. The first column is flush left, the others flush right.
struct Table {
  std::vector<std::string> head;
  std::vector<TableRow> rows;
};

std::string TableText(const Table& table);
std::string TableMarkdown(const Table& table);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_TABLE_H_
