#include "apps/eval_report.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "apps/eval_table.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr size_t kShownBytes = 300;  // of a question or answer among the errors

struct DistanceRange {
  int64_t begin;
  const char* name;
};
constexpr DistanceRange kDistances[] = {{0, "below 512"},       {512, "512 to 1023"},   {1024, "1024 to 2047"},
                                        {2048, "2048 to 4095"}, {4096, "4096 to 8191"}, {8192, "8192 and more"}};

size_t LanguageIndex(std::string_view language) {
  const auto* const found = std::ranges::find(kEvalLanguages, language);
  return found == kEvalLanguages.end() ? kEvalLanguages.size() - 1
                                       : static_cast<size_t>(found - kEvalLanguages.begin());
}

void AddRow(const EvalRow& from, EvalRow* to) {
  to->all.Add(from.all);
  to->chat.Add(from.chat);
  to->thinking.Add(from.thinking);
  for (size_t language = 0; language < kEvalLanguages.size(); ++language) {
    to->languages[language].Add(from.languages[language]);
  }
}

std::string Fraction(const Score& score) {
  return score.total == 0 ? std::string() : StrCat(score.right, "/", score.total);
}

std::string Percent(const Score& score) { return StrFormat("%.1f", score.percent()); }

// Columns of modes and languages that nothing was asked in are left out.
Table ScoreTable(const std::vector<EvalRow>& rows) {
  struct Column {
    std::string name;
    std::function<Score(const EvalRow&)> score;
  };
  std::vector<Column> columns = {{"chat", [](const EvalRow& row) { return row.chat; }},
                                 {"thinking", [](const EvalRow& row) { return row.thinking; }}};
  for (size_t language = 0; language < kEvalLanguages.size(); ++language) {
    columns.push_back(
        {std::string(kEvalLanguages[language]), [language](const EvalRow& row) { return row.languages[language]; }});
  }
  std::erase_if(columns, [&](const Column& column) { return column.score(rows.back()).total == 0; });
  Table table;
  table.head = {"subject"};
  for (const Column& column : columns) table.head.push_back(column.name);
  table.head.insert(table.head.end(), {"all", "%"});
  for (const EvalRow& row : rows) {
    std::vector<std::string> cells = {row.name};
    for (const Column& column : columns) cells.push_back(Fraction(column.score(row)));
    cells.insert(cells.end(), {Fraction(row.all), Percent(row.all)});
    table.rows.push_back({std::move(cells), row.sum});
  }
  return table;
}

Table DistanceTable(const std::vector<DistanceRow>& rows) {
  Table table{{"tokens from the fact to the end", "right", "%"}, {}};
  for (const DistanceRow& row : rows) {
    table.rows.push_back({{row.name, Fraction(row.score), Percent(row.score)}, false});
  }
  return table;
}

Table DraftTable(const std::vector<DraftRow>& rows) {
  Table table{{"drafts of the MTP block", "accepted", "%"}, {}};
  for (const DraftRow& row : rows) {
    table.rows.push_back({{row.name, Fraction(row.score), Percent(row.score)}, &row == &rows.back()});
  }
  return table;
}

std::string Report(const EvalContext& context, std::span<const EvalItem> items, std::span<const EvalResult> results,
                   std::string (*print)(const Table&)) {
  const std::string sampling = context.temperature == 0 ? std::string("the most probable token each time")
                                                        : StrFormat("temperature %g", context.temperature);
  const std::string distance = context.min_distance == 0
                                   ? std::string()
                                   : StrCat(" with the fact at least ", context.min_distance, " tokens before the end");
  std::string text =
      StrCat("Suite ", context.suite, ": ", items.size(), " held-out questions", distance, " (up to ", context.items,
             " of each subject, seed ", context.seed, "), ", sampling, ". Right answers of all:\n\n");
  text += print(ScoreTable(EvalRows(items, results)));
  const auto too_long = std::ranges::count(results, Completion::End::kNoPlace,
                                           [](const EvalResult& result) { return result.completion.end; });
  if (too_long > 0) {
    text += StrCat("\nPrompts longer than the model's context, counted as wrong: ", too_long, ".\n");
  }
  if (const std::vector<DistanceRow> rows = DistanceRows(results); !rows.empty()) {
    text += "\n" + print(DistanceTable(rows));
  }
  if (const std::vector<DraftRow> rows = DraftRows(items, results); !rows.empty()) {
    text += "\n" + print(DraftTable(rows));
  }
  return text;
}

const char* ModeName(ThinkingMode mode) { return mode == ThinkingMode::kThinking ? "thinking" : "chat"; }

const char* CheckName(AnswerCheck check) {
  switch (check) {
    case AnswerCheck::kExact:
      return "exact";
    case AnswerCheck::kContains:
      return "contains";
    case AnswerCheck::kNumber:
      return "number";
    case AnswerCheck::kJson:
      return "json";
    case AnswerCheck::kToolCalls:
      return "tool_calls";
  }
  return "";
}

Json ScoreJson(const Score& score) {
  return Json::Object({{"right", Json::Int(score.right)}, {"total", Json::Int(score.total)}});
}

Json RowJson(const EvalRow& row) {
  Json languages = Json::Object();
  for (size_t language = 0; language < kEvalLanguages.size(); ++language) {
    if (row.languages[language].total == 0) continue;
    languages.Set(std::string(kEvalLanguages[language]), ScoreJson(row.languages[language]));
  }
  return Json::Object({{"name", Json::String(row.name)},
                       {"sum", Json::Bool(row.sum)},
                       {"right", Json::Int(row.all.right)},
                       {"total", Json::Int(row.all.total)},
                       {"chat", ScoreJson(row.chat)},
                       {"thinking", ScoreJson(row.thinking)},
                       {"languages", std::move(languages)}});
}

template <typename Row>
Json NamedScores(const std::vector<Row>& rows) {
  std::vector<Json> list;
  for (const Row& row : rows) {
    Json json = ScoreJson(row.score);
    json.Set("name", Json::String(row.name));
    list.push_back(std::move(json));
  }
  return Json::Array(std::move(list));
}

Json ItemJson(const EvalItem& item, const EvalResult& result) {
  const Dialogue& dialogue = item.dialogue;
  std::vector<Json> calls;
  for (const ToolCall& call : result.answer.tool_calls) {
    calls.push_back(Json::Object({{"name", Json::String(call.name)}, {"arguments", Json::String(call.arguments)}}));
  }
  return Json::Object({{"subject", Json::String(dialogue.subject)},
                       {"number", Json::Int(static_cast<int64_t>(item.number))},
                       {"language", Json::String(dialogue.language)},
                       {"mode", Json::String(ModeName(dialogue.mode))},
                       {"prompt", Json::String(item.prompt.text())},
                       {"check", Json::String(CheckName(dialogue.check))},
                       {"expected", Json::String(dialogue.expected)},
                       {"right", Json::Bool(result.right)},
                       {"fault", result.fault.empty() ? Json() : Json::String(std::string(result.fault))},
                       {"reasoning", Json::String(result.answer.reasoning_content)},
                       {"content", Json::String(result.answer.content)},
                       {"tool_calls", Json::Array(std::move(calls))},
                       {"prompt_tokens", Json::Int(static_cast<int64_t>(result.completion.prompt.size()))},
                       {"answer_tokens", Json::Int(static_cast<int64_t>(result.completion.answer.size()))},
                       {"distance", result.distance ? Json::Int(*result.distance) : Json()},
                       {"drafts", Json::Int(result.drafts)},
                       {"accepted", Json::Int(result.accepted)}});
}

// The end of a long text: questions stand there, behind what they are about.
std::string Ending(std::string_view text) {
  if (text.size() <= kShownBytes) return Printable(text, kShownBytes);
  size_t begin = text.size() - kShownBytes;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  return "..." + Printable(text.substr(begin), kShownBytes);
}

std::string Shown(const EvalResult& result) {
  std::string text;
  if (!result.answer.reasoning_content.empty()) {
    text += StrCat("  thought   ", Ending(result.answer.reasoning_content), "\n");
  }
  text += StrCat("  answer    ", Printable(result.answer.content, kShownBytes), "\n");
  for (const ToolCall& call : result.answer.tool_calls) {
    text += StrCat("  call      ", Printable(call.name), " ", Printable(call.arguments, kShownBytes), "\n");
  }
  if (!result.fault.empty()) text += StrCat("  fault     ", result.fault, "\n");
  return text;
}

}  // namespace

void Score::Add(const Score& other) {
  right += other.right;
  total += other.total;
}

double Score::percent() const { return total == 0 ? 0 : 100 * static_cast<double>(right) / static_cast<double>(total); }

std::vector<EvalRow> EvalRows(std::span<const EvalItem> items, std::span<const EvalResult> results) {
  std::vector<EvalRow> subjects;
  for (size_t number = 0; number < items.size(); ++number) {
    const Dialogue& dialogue = items[number].dialogue;
    auto row = std::ranges::find(subjects, dialogue.subject, &EvalRow::name);
    if (row == subjects.end()) row = subjects.insert(row, EvalRow{.name = dialogue.subject});
    const Score score = {static_cast<int64_t>(results[number].right), 1};
    row->all.Add(score);
    (dialogue.mode == ThinkingMode::kThinking ? row->thinking : row->chat).Add(score);
    row->languages[LanguageIndex(dialogue.language)].Add(score);
  }
  std::vector<EvalRow> rows;
  EvalRow total{.name = "total", .sum = true};
  EvalRow group{.sum = true};
  int64_t in_group = 0;
  for (size_t subject = 0; subject < subjects.size(); ++subject) {
    AddRow(subjects[subject], &group);
    AddRow(subjects[subject], &total);
    ++in_group;
    rows.push_back(subjects[subject]);
    const std::string_view name = EvalGroup(subjects[subject].name);
    if (subject + 1 < subjects.size() && EvalGroup(subjects[subject + 1].name) == name) continue;
    group.name = name;
    if (in_group > 1) rows.push_back(std::move(group));
    group = {.sum = true};
    in_group = 0;
  }
  rows.push_back(std::move(total));
  return rows;
}

std::vector<DistanceRow> DistanceRows(std::span<const EvalResult> results) {
  std::vector<DistanceRow> rows;
  for (size_t range = 0; range < std::size(kDistances); ++range) {
    const int64_t end =
        range + 1 < std::size(kDistances) ? kDistances[range + 1].begin : std::numeric_limits<int64_t>::max();
    DistanceRow row = {kDistances[range].name, {}};
    for (const EvalResult& result : results) {
      if (!result.distance || *result.distance < kDistances[range].begin || *result.distance >= end) continue;
      row.score.Add({static_cast<int64_t>(result.right), 1});
    }
    if (row.score.total > 0) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<DraftRow> DraftRows(std::span<const EvalItem> items, std::span<const EvalResult> results) {
  std::vector<DraftRow> rows;
  DraftRow total = {"total", {}};
  for (size_t number = 0; number < items.size(); ++number) {
    if (results[number].drafts == 0) continue;
    const Score score = {results[number].accepted, results[number].drafts};
    const std::string_view group = EvalGroup(items[number].dialogue.subject);
    auto row = std::ranges::find(rows, group, &DraftRow::name);
    if (row == rows.end()) row = rows.insert(row, {std::string(group), {}});
    row->score.Add(score);
    total.score.Add(score);
  }
  if (!rows.empty()) rows.push_back(std::move(total));
  return rows;
}

std::string EvalText(const EvalContext& context, std::span<const EvalItem> items, std::span<const EvalResult> results) {
  return StrCat(context.model, "  (", context.directory, ")\n", Report(context, items, results, TableText));
}

std::string EvalMarkdown(const EvalContext& context, std::span<const EvalItem> items,
                         std::span<const EvalResult> results) {
  return Report(context, items, results, TableMarkdown);
}

std::string EvalErrors(std::span<const EvalItem> items, std::span<const EvalResult> results, int64_t per_subject) {
  std::map<std::string_view, int64_t> shown;
  std::string text;
  for (size_t number = 0; number < items.size(); ++number) {
    const Dialogue& dialogue = items[number].dialogue;
    if (results[number].right || shown[dialogue.subject]++ >= per_subject) continue;
    const size_t before = dialogue.messages.size() - 1;
    const std::string_view question = before == 0 ? std::string_view() : dialogue.messages[before - 1].content;
    text += StrCat(text.empty() ? "" : "\n", dialogue.subject, " number ", items[number].number, ", ",
                   ModeName(dialogue.mode), "\n  question  ", Ending(question), "\n  expected  ",
                   Printable(dialogue.expected, kShownBytes), "\n", Shown(results[number]));
  }
  return text;
}

Json EvalJson(const EvalContext& context, std::span<const EvalItem> items, std::span<const EvalResult> results) {
  const std::vector<EvalRow> rows = EvalRows(items, results);
  std::vector<Json> rows_json;
  rows_json.reserve(rows.size());
  for (const EvalRow& row : rows) rows_json.push_back(RowJson(row));
  std::vector<Json> items_json;
  items_json.reserve(items.size());
  for (size_t number = 0; number < items.size(); ++number) {
    items_json.push_back(ItemJson(items[number], results[number]));
  }
  Json json = Json::Object(
      {{"format", Json::String("fathom-eval-1")},
       {"model", Json::Object({{"name", Json::String(context.model)}, {"directory", Json::String(context.directory)}})},
       {"suite", Json::String(context.suite)},
       {"items_per_subject", Json::Int(context.items)},
       {"seed", Json::Number(std::to_string(context.seed))},
       {"temperature", Json::Double(context.temperature)}});
  if (context.min_distance > 0) json.Set("min_distance", Json::Int(context.min_distance));
  json.Set("right", Json::Int(rows.back().all.right));
  json.Set("total", Json::Int(rows.back().all.total));
  json.Set("rows", Json::Array(std::move(rows_json)));
  json.Set("distances", NamedScores(DistanceRows(results)));
  json.Set("drafts", NamedScores(DraftRows(items, results)));
  json.Set("items", Json::Array(std::move(items_json)));
  return json;
}

}  // namespace fathom
