// `fathom eval`: which questions are asked, how answers are judged and counted, and how results are shown.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apps/eval_exam.h"
#include "apps/eval_items.h"
#include "apps/eval_report.h"
#include "apps/eval_table.h"
#include "base/json.h"
#include "base/signals.h"
#include "base/strings.h"

namespace fathom {
namespace {

Dialogue Question(std::string language, const std::string& question, std::string answer) {
  Dialogue dialogue;
  dialogue.language = std::move(language);
  dialogue.messages = {UserMessage(question), AssistantMessage(answer)};
  dialogue.expected = std::move(answer);
  return dialogue;
}

Dialogue WriteSum(CorpusRandom& random, Split split) {
  while (true) {
    const int64_t a = random.Between(1, 99);
    const int64_t b = random.Between(1, 99);
    if (!BelongsTo(split, StrCat("sum ", a, " ", b))) continue;
    return Question("-", StrCat(a, " + ", b), std::to_string(a + b));
  }
}

// Only three different questions.
Dialogue WriteCapital(CorpusRandom& random, Split /*split*/) {
  const std::array<Dialogue, 3> all = {Question("de", "Hauptstadt von Frankreich?", "Paris"),
                                       Question("fr", "Capitale de l'Italie ?", "Rome"),
                                       Question("en", "Capital of Spain?", "Madrid")};
  return random.Pick(all);
}

Dialogue WriteRiver(CorpusRandom& random, Split /*split*/) {
  Dialogue dialogue = Question("en", StrCat("River number ", random.Below(1000), "?"), "Rhine");
  dialogue.mode = ThinkingMode::kThinking;
  dialogue.effort = "max";
  return dialogue;
}

Dialogue WriteBroken(CorpusRandom& /*random*/, Split /*split*/) {
  Dialogue dialogue = Question("en", "?", "!");
  dialogue.messages.front().role = "stranger";
  return dialogue;
}

constexpr Subject kSubjects[] = {
    {"arithmetic.sum", 1, WriteSum}, {"facts.capital", 1, WriteCapital}, {"facts.river", 1, WriteRiver}};

std::vector<EvalItem> Select(const EvalSelection& selection) {
  Result<std::vector<EvalItem>> items = SelectEvalItems(kSubjects, selection, Dialect::kV4);
  EXPECT_TRUE(items.ok()) << items.status().message();
  return items.ok() ? std::move(*items) : std::vector<EvalItem>();
}

// What a model that knows everything generates.
Completion RightAnswer(const EvalItem& item) {
  const bool thinks = item.dialogue.mode == ThinkingMode::kThinking;
  return {
      .text = (thinks ? "Let me see.</think>" : "") + item.dialogue.expected, .prompt = {1, 2}, .answer = {3, 4, 5}};
}

// Judged as if `wrong` questions had a wrong answer and all others the right one.
std::vector<EvalResult> Exam(const std::vector<EvalItem>& items, const std::set<size_t>& wrong) {
  const Result<std::vector<EvalResult>> results = Examine(items, [&](const CompletionSink& sink) -> Status {
    for (size_t item = items.size(); item-- > 0;) {
      Completion completion = RightAnswer(items[item]);
      if (wrong.count(item) != 0) completion.text += "?";
      sink(item, std::move(completion));
    }
    return {};
  });
  EXPECT_TRUE(results.ok());
  return *results;
}

int64_t Count(const std::vector<EvalItem>& items, std::string_view subject, ThinkingMode mode) {
  return std::ranges::count_if(
      items, [&](const EvalItem& item) { return item.dialogue.subject == subject && item.dialogue.mode == mode; });
}

TEST(EvalItems, AsWrittenAsksSumsBothWays) {
  const std::vector<EvalItem> items = Select({.items = 5});
  EXPECT_EQ(Count(items, "arithmetic.sum", ThinkingMode::kChat), 5);
  EXPECT_EQ(Count(items, "arithmetic.sum", ThinkingMode::kThinking), 5);
  EXPECT_EQ(Count(items, "facts.river", ThinkingMode::kChat), 0);
  EXPECT_EQ(Count(items, "facts.river", ThinkingMode::kThinking), 5);
}

TEST(EvalItems, ModesAsAskedForAndEffortOnlyWhereItIsWritten) {
  for (const auto& [thinking, chat, think] : {std::tuple(EvalThinking::kOff, 4, 0), std::tuple(EvalThinking::kOn, 0, 4),
                                              std::tuple(EvalThinking::kBoth, 4, 4)}) {
    const std::vector<EvalItem> items = Select({.items = 4, .subject = "facts.river", .thinking = thinking});
    EXPECT_EQ(Count(items, "facts.river", ThinkingMode::kChat), chat);
    EXPECT_EQ(Count(items, "facts.river", ThinkingMode::kThinking), think);
    for (const EvalItem& item : items) {
      EXPECT_EQ(item.dialogue.effort.has_value(), item.dialogue.mode == ThinkingMode::kThinking);
      EXPECT_EQ(item.prompt.answer_mode(), item.dialogue.mode);
    }
  }
}

TEST(EvalItems, QuestionsAreHeldOutAndThePromptHasNoAnswer) {
  for (const EvalItem& item : Select({.items = 20, .subject = "arithmetic"})) {
    const std::string& question = item.dialogue.messages.front().content;
    const size_t plus = question.find(" + ");
    EXPECT_TRUE(BelongsTo(Split::kHeldOut, StrCat("sum ", question.substr(0, plus), " ", question.substr(plus + 3))));
    const bool thinks = item.dialogue.mode == ThinkingMode::kThinking;
    EXPECT_EQ(item.prompt.text(), StrCat("<｜begin▁of▁sentence｜><｜User｜>", question, "<｜Assistant｜>",
                                         thinks ? "<think>" : "</think>"));
  }
}

TEST(EvalItems, NoPromptTwiceAndSubjectsTakeTurns) {
  const std::vector<EvalItem> items = Select({.items = 6, .thinking = EvalThinking::kOff});
  std::set<std::string> prompts;
  for (const EvalItem& item : items) EXPECT_TRUE(prompts.insert(item.prompt.text()).second) << item.prompt.text();
  EXPECT_EQ(Count(items, "facts.capital", ThinkingMode::kChat), 3);  // it has no more
  EXPECT_EQ(items.size(), 15u);
  std::vector<std::string> first;
  for (size_t item = 0; item < 6; ++item) first.push_back(items[item].dialogue.subject);
  const std::vector<std::string> turns = {"arithmetic.sum", "facts.capital", "facts.river",
                                          "arithmetic.sum", "facts.capital", "facts.river"};
  EXPECT_EQ(first, turns);
}

TEST(EvalItems, SameSeedSameQuestions) {
  const auto text = [](uint64_t seed) {
    std::string all;
    for (const EvalItem& item : Select({.items = 8, .seed = seed})) all += item.prompt.text();
    return all;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST(EvalItems, UnknownSubjectAndRefusedDialogueAreOneSentence) {
  const Result<std::vector<EvalItem>> unknown = SelectEvalItems(kSubjects, {.subject = "music"}, Dialect::kV4);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().message(),
            "--subject is 'music' and no subject's name begins so; the groups are arithmetic, facts");
  const Subject broken = {"facts.broken", 1, WriteBroken};
  const Result<std::vector<EvalItem>> refused = SelectEvalItems({&broken, 1}, {}, Dialect::kV4);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message().rfind("question 0 of facts.broken: ", 0), 0u) << refused.status().message();
}

TEST(EvalItems, CtrlCEndsTheChoice) {
  RequestInterrupt();
  const Status status = SelectEvalItems(kSubjects, {.items = 100000}, Dialect::kV4).status();
  ClearInterrupt();
  EXPECT_EQ(status.exit_code(), 130);
  EXPECT_EQ(status.message(), "stopped by Ctrl-C while questions were chosen");
}

TEST(EvalExam, JudgesWhatWasSaidAndHow) {
  const EvalItem chat = Select({.items = 1, .subject = "arithmetic", .thinking = EvalThinking::kOff}).front();
  const EvalItem thinking = Select({.items = 1, .subject = "arithmetic", .thinking = EvalThinking::kOn}).front();
  const std::string sum = chat.dialogue.expected;
  struct Case {
    const EvalItem* item;
    Completion completion;
    bool right;
    std::string fault;
  };
  const std::vector<Case> cases = {
      {&chat, {.text = sum}, true, ""},
      {&chat, {.text = sum + "0"}, false, ""},
      {&chat, {.text = ""}, false, ""},
      {&chat, {.text = sum, .end = Completion::End::kLength}, false, "no end"},
      {&chat, {.text = sum, .end = Completion::End::kNoPlace}, false, "prompt longer than the context"},
      {&chat, {.text = sum + "<｜User｜>"}, false, "markup in the text"},
      {&chat, {.text = "<think>" + sum}, false, "markup in the text"},
      {&thinking, {.text = "carry one</think>" + sum}, true, ""},
      {&thinking, {.text = "carry one" + sum}, false, ""},  // never stopped thinking
      {&thinking, {.text = "<｜Assistant｜></think>" + sum}, false, "markup in the text"},
  };
  for (const Case& one : cases) {
    const EvalResult result = JudgeCompletion(*one.item, one.completion);
    EXPECT_EQ(result.right, one.right) << one.completion.text;
    EXPECT_EQ(result.fault, one.fault) << one.completion.text;
    EXPECT_EQ(result.completion.text, one.completion.text);
  }
}

TEST(EvalExam, ReasoningContentAndToolCallsAreTakenApart) {
  const EvalItem item = Select({.items = 1, .subject = "facts.river"}).front();
  const EvalResult result = JudgeCompletion(item, {.text = R"(I need a map.</think>One moment.

<｜DSML｜tool_calls>
<｜DSML｜invoke name="map">
<｜DSML｜parameter name="river" string="true">Rhine</｜DSML｜parameter>
</｜DSML｜invoke>
</｜DSML｜tool_calls>)"});
  EXPECT_EQ(result.fault, "");
  EXPECT_EQ(result.answer.reasoning_content, "I need a map.");
  EXPECT_EQ(result.answer.content, "One moment.");
  ASSERT_EQ(result.answer.tool_calls.size(), 1u);
  EXPECT_EQ(result.answer.tool_calls[0].name, "map");
  EXPECT_EQ(result.answer.tool_calls[0].arguments, R"({"river": "Rhine"})");
}

TEST(EvalExam, AFailingSourceIsTheResult) {
  const std::vector<EvalItem> items = Select({.items = 1});
  const Result<std::vector<EvalResult>> results =
      Examine(items, [](const CompletionSink& /*sink*/) { return ResourceExhausted("no memory"); });
  ASSERT_FALSE(results.ok());
  EXPECT_EQ(results.status().message(), "no memory");
}

const EvalRow& Row(const std::vector<EvalRow>& rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &EvalRow::name);
  EXPECT_NE(row, rows.end()) << name;
  return *row;
}

std::string Fraction(const Score& score) { return StrCat(score.right, "/", score.total); }

TEST(EvalReport, CountsBySubjectModeAndLanguage) {
  const std::vector<EvalItem> items = Select({.items = 4});
  std::set<size_t> wrong;  // two sums without thinking, the Spanish capital
  int sums = 0;
  for (size_t item = 0; item < items.size(); ++item) {
    const Dialogue& dialogue = items[item].dialogue;
    const bool chat_sum = dialogue.subject == "arithmetic.sum" && dialogue.mode == ThinkingMode::kChat;
    if (dialogue.expected == "Madrid" || (chat_sum && sums++ < 2)) wrong.insert(item);
  }
  ASSERT_EQ(wrong.size(), 3u);
  const std::vector<EvalRow> rows = EvalRows(items, Exam(items, wrong));
  std::string names;
  for (const EvalRow& row : rows) names += StrCat(row.name, row.sum ? "! " : " ");
  EXPECT_EQ(names, "arithmetic.sum facts.capital facts.river facts! total! ");
  EXPECT_EQ(Fraction(Row(rows, "arithmetic.sum").chat), "2/4");
  EXPECT_EQ(Fraction(Row(rows, "arithmetic.sum").thinking), "4/4");
  EXPECT_EQ(Fraction(Row(rows, "arithmetic.sum").all), "6/8");
  EXPECT_EQ(Fraction(Row(rows, "arithmetic.sum").languages[6]), "6/8");
  EXPECT_EQ(Fraction(Row(rows, "facts.capital").all), "2/3");
  EXPECT_EQ(Fraction(Row(rows, "facts.capital").languages[0]), "0/1");
  EXPECT_EQ(Fraction(Row(rows, "facts").all), "6/7");
  EXPECT_EQ(Fraction(Row(rows, "facts").languages[0]), "4/5");
  EXPECT_EQ(Fraction(Row(rows, "facts").languages[2]), "1/1");
  EXPECT_EQ(Fraction(Row(rows, "facts").thinking), "4/4");
  EXPECT_EQ(Fraction(Row(rows, "total").all), "12/15");
  EXPECT_DOUBLE_EQ(Row(rows, "total").all.percent(), 80);
  EXPECT_EQ(Score().percent(), 0);
}

TEST(EvalReport, TablesInColumnsAndAsMarkdown) {
  const Table table = {{"subject", "en", "%"},
                       {{{"facts.capital", "1/2", "50.0"}, false}, {{"total", "", "0.0"}, true}}};
  EXPECT_EQ(TableText(table),
            "subject         en     %\n"
            "facts.capital  1/2  50.0\n"
            "total                0.0\n");
  EXPECT_EQ(TableMarkdown(table),
            "| subject | en | % |\n"
            "|---|---:|---:|\n"
            "| facts.capital | 1/2 | 50.0 |\n"
            "| **total** |  | **0.0** |\n");
}

constexpr char kModel[] = "Test model";

EvalContext Context() { return {kModel, "/models/test", "nano", 2, 7, 0}; }

TEST(EvalReport, TextHasTheTablesAndOnlyTheColumnsThatWereAsked) {
  const std::vector<EvalItem> items = Select({.items = 2, .subject = "arithmetic"});
  EXPECT_EQ(
      EvalText(Context(), items, Exam(items, {1})),
      "Test model  (/models/test)\n"
      "Suite nano: 4 held-out questions (up to 2 of each subject, seed 7), the most probable token each time. Right "
      "answers of all:\n"
      "\n"
      "subject         chat  thinking    -  all     %\n"
      "arithmetic.sum   2/2       1/2  3/4  3/4  75.0\n"
      "total            2/2       1/2  3/4  3/4  75.0\n");
}

TEST(EvalReport, DistancesAndDraftsHaveTablesOfTheirOwn) {
  const std::vector<EvalItem> items = Select({.items = 2, .subject = "facts", .thinking = EvalThinking::kOff});
  ASSERT_EQ(items.size(), 4u);
  std::vector<EvalResult> results = Exam(items, {0});
  for (size_t item = 0; item < 4; ++item) {
    results[item].distance = std::array<int64_t, 4>{511, 0, 512, 9000}[item];
    results[item].drafts = 10;
    results[item].accepted = static_cast<int64_t>(item);
  }
  results[3].completion.end = Completion::End::kNoPlace;
  const std::string markdown = EvalMarkdown(Context(), items, results);
  EXPECT_NE(markdown.find("\nPrompts longer than the model's context, counted as wrong: 1.\n"), std::string::npos);
  EXPECT_NE(markdown.find("| tokens from the fact to the end | right | % |\n"
                          "|---|---:|---:|\n"
                          "| below 512 | 1/2 | 50.0 |\n"
                          "| 512 to 1023 | 1/1 | 100.0 |\n"
                          "| 8192 and more | 1/1 | 100.0 |\n"),
            std::string::npos)
      << markdown;
  EXPECT_NE(markdown.find("| drafts of the MTP block | accepted | % |\n"
                          "|---|---:|---:|\n"
                          "| facts | 6/40 | 15.0 |\n"
                          "| **total** | **6/40** | **15.0** |\n"),
            std::string::npos)
      << markdown;
}

TEST(EvalReport, WrongAnswersShowQuestionExpectedAndAnswer) {
  const std::vector<EvalItem> items = Select({.items = 3, .subject = "facts.river"});
  EXPECT_EQ(EvalErrors(items, Exam(items, {}), 5), "");
  EXPECT_EQ(EvalErrors(items, Exam(items, {1}), 0), "");
  const EvalItem& item = items[1];
  EXPECT_EQ(EvalErrors(items, Exam(items, {1}), 1),
            StrCat("facts.river number ", item.number, ", thinking\n  question  ", item.dialogue.messages[0].content,
                   "\n  expected  Rhine\n  thought   Let me see.\n  answer    Rhine?\n"));
  const std::string two = EvalErrors(items, Exam(items, {0, 1, 2}), 2);
  EXPECT_NE(two.find(items[1].dialogue.messages[0].content), std::string::npos);
  EXPECT_EQ(two.find(items[2].dialogue.messages[0].content), std::string::npos);
}

TEST(EvalReport, JsonHasEveryItem) {
  const std::vector<EvalItem> items = Select({.items = 2});
  std::vector<EvalResult> results = Exam(items, {2});
  results[1].distance = 700;
  results[1].drafts = 3;
  results[1].accepted = 2;
  const Result<Json> json = ParseJson(EvalJson(Context(), items, results).DumpPretty());
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("format")->string(), "fathom-eval-1");
  EXPECT_EQ(json->Find("model")->Find("name")->string(), kModel);
  EXPECT_EQ(json->Find("seed")->AsInt(), 7);
  EXPECT_EQ(json->Find("total")->AsInt(), 8);
  EXPECT_EQ(json->Find("right")->AsInt(), 7);
  EXPECT_EQ(json->Find("rows")->items().back().Find("name")->string(), "total");
  EXPECT_EQ(json->Find("drafts")->items()[0].Find("right")->AsInt(), 2);
  EXPECT_EQ(json->Find("distances")->items()[0].Find("name")->string(), "512 to 1023");
  const std::vector<Json>& all = json->Find("items")->items();
  ASSERT_EQ(all.size(), items.size());
  for (size_t item = 0; item < items.size(); ++item) {
    EXPECT_EQ(all[item].Find("subject")->string(), items[item].dialogue.subject);
    EXPECT_EQ(all[item].Find("prompt")->string(), items[item].prompt.text());
    EXPECT_EQ(all[item].Find("right")->boolean(), item != 2);
    EXPECT_EQ(all[item].Find("expected")->string(), items[item].dialogue.expected);
    EXPECT_EQ(all[item].Find("content")->string(), items[item].dialogue.expected + (item == 2 ? "?" : ""));
    EXPECT_TRUE(all[item].Find("fault")->is_null());
    EXPECT_EQ(all[item].Find("answer_tokens")->AsInt(), 3);
  }
  EXPECT_EQ(all[1].Find("distance")->AsInt(), 700);
  EXPECT_TRUE(all[0].Find("distance")->is_null());
}

}  // namespace
}  // namespace fathom
