// `fathom eval` with a model: answers by the engine, drafts, and the command.
#include "apps/eval_engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/signals.h"
#include "base/strings.h"
#include "model/workspace.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::unique_ptr<LoadedModel> SyntheticModel(int64_t context = 0) {
  ModelFlags flags;
  flags.model = SyntheticModelDirectory();
  flags.threads = 2;
  flags.context = context;
  Result<std::unique_ptr<LoadedModel>> model = LoadedModel::Load(flags);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? std::move(*model) : nullptr;
}

// "lookup.long": a code, then so many words.
Dialogue WriteLookup(CorpusRandom& random, Split /*split*/) {
  Dialogue dialogue;
  dialogue.language = "en";
  dialogue.expected = std::to_string(random.Between(1000, 9999));
  std::string text = StrCat("The code is ", dialogue.expected, ".");
  for (uint64_t words = random.Below(30); words > 0; --words) text += " word";
  dialogue.messages = {UserMessage(text + " Which code?"), AssistantMessage(dialogue.expected)};
  return dialogue;
}
constexpr Subject kLookup = {"lookup.long", 1, WriteLookup};

std::vector<EvalItem> Lookups(int64_t count) {
  Result<std::vector<EvalItem>> items = SelectEvalItems({&kLookup, 1}, {.items = count}, Dialect::kV4);
  EXPECT_TRUE(items.ok());
  return std::move(*items);
}

std::vector<EvalResult> AskItems(const LoadedModel& model, const std::vector<EvalItem>& items, int64_t batch) {
  const Result<std::vector<EvalResult>> results = Examine(
      items, [&](const CompletionSink& sink) { return AnswerWithEngine(model, items, {.batch = batch}, sink); });
  EXPECT_TRUE(results.ok()) << results.status().message();
  return results.ok() ? *results : std::vector<EvalResult>(items.size());
}

TEST(EvalEngine, AnswersDoNotDependOnTheBatchAndAreBounded) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  const std::vector<EvalItem> items = Lookups(5);
  const std::vector<EvalResult> one = AskItems(*model, items, 1);
  const std::vector<EvalResult> many = AskItems(*model, items, 4);
  for (size_t item = 0; item < items.size(); ++item) {
    const Completion& completion = one[item].completion;
    EXPECT_EQ(completion.text, many[item].completion.text);
    EXPECT_EQ(completion.answer, many[item].completion.answer);
    EXPECT_EQ(model->tokenizer().Decode(completion.prompt, /*skip_special=*/false), items[item].prompt.text());
    const bool ended = completion.end == Completion::End::kEos;
    EXPECT_EQ(ended, completion.answer.back() == model->model().config().eos_token);
    // A random model that stops early or never: 4 x the four digits (at most a token each) and 200.
    EXPECT_LE(completion.answer.size(), 216u);
    if (!ended) {
      EXPECT_GE(completion.answer.size(), 204u);
    }
  }
}

TEST(EvalEngine, APromptThatDoesNotFitIsWrongAndNotAnError) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel(8);
  for (const EvalResult& result : AskItems(*model, Lookups(3), 2)) {
    EXPECT_EQ(result.fault, "prompt longer than the context");
    EXPECT_FALSE(result.right);
    EXPECT_TRUE(result.completion.answer.empty());
  }
}

TEST(EvalEngine, CtrlCEndsTheExamination) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  const std::vector<EvalItem> items = Lookups(3);
  RequestInterrupt();
  const Status status = AnswerWithEngine(*model, items, {}, [](size_t /*item*/, const Completion& /*completion*/) {});
  std::vector<EvalResult> results(1);
  const Status drafts = MeasureDrafts(model->model(), &results);
  ClearInterrupt();
  EXPECT_EQ(status.exit_code(), 130);
  EXPECT_EQ(status.message(), "stopped by Ctrl-C after 0 of 3 answers");
  EXPECT_EQ(drafts.exit_code(), 130);
}

TEST(EvalEngine, DistanceIsCountedFromTheLastPlace) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  EvalItem item = Lookups(1).front();
  const std::string text = item.prompt.text();
  const std::string after = text.substr(text.find(item.dialogue.expected) + 4);
  EXPECT_EQ(LookupDistance(item, model->tokenizer()),
            static_cast<int64_t>(model->tokenizer().Encode(after, AddedTokens::kMatch).size()));
  item.dialogue.expected = "?";  // right before the assistant's turn: its two control tokens follow
  EXPECT_EQ(LookupDistance(item, model->tokenizer()), 2);
  item.dialogue.messages.back().content = "The code";  // the whole sentence counts, not another place with "code"
  item.dialogue.expected = "code";
  const std::string after_sentence = text.substr(text.find("The code") + 8);
  EXPECT_EQ(LookupDistance(item, model->tokenizer()),
            static_cast<int64_t>(model->tokenizer().Encode(after_sentence, AddedTokens::kMatch).size()));
  item.dialogue.expected = "nowhere";
  EXPECT_EQ(LookupDistance(item, model->tokenizer()), std::nullopt);
  item.dialogue.expected = "?";
  item.dialogue.subject = "facts.capital";
  EXPECT_EQ(LookupDistance(item, model->tokenizer()), std::nullopt);
}

// Three questions that differ by how many words follow the code: none, 20 and 40.
Dialogue WriteFewLookups(CorpusRandom& random, Split /*split*/) {
  Dialogue dialogue;
  dialogue.language = "en";
  dialogue.expected = "4711";
  std::string text = "The code is 4711.";
  for (uint64_t words = 20 * random.Below(3); words > 0; --words) text += " word";
  dialogue.messages = {UserMessage(text + " Which code?"), AssistantMessage(dialogue.expected)};
  return dialogue;
}

TEST(EvalItems, AtALeastDistanceAreTheSameQuestionsWithoutTheNearerOnes) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  const Tokenizer& tokenizer = model->tokenizer();
  std::vector<EvalItem> far = Lookups(100);
  const int64_t least = *LookupDistance(far.front(), tokenizer);
  std::erase_if(far, [&](const EvalItem& item) { return *LookupDistance(item, tokenizer) < least; });
  ASSERT_LT(far.size(), 100u);
  const auto count = static_cast<int64_t>(far.size());
  const std::array<Subject, 2> subjects = {kLookup, {"facts.code", 1, WriteLookup}};  // one without distances
  const auto items = SelectEvalItems(subjects, {.items = count, .min_distance = least}, Dialect::kV4, &tokenizer);
  ASSERT_TRUE(items.ok()) << items.status().message();
  ASSERT_EQ(items->size(), far.size());
  for (size_t item = 0; item < far.size(); ++item) EXPECT_EQ((*items)[item].prompt.text(), far[item].prompt.text());
}

TEST(EvalItems, FewerAtTheDistanceThanAskedForAreSaidAndNoneIsAnError) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  const Subject few = {"lookup.long", 1, WriteFewLookups};
  const auto select = [&](int64_t items, int64_t min_distance, const std::string& subject = "") {
    return SelectEvalItems({&few, 1}, {.items = items, .subject = subject, .min_distance = min_distance}, Dialect::kV4,
                           &model->tokenizer());
  };
  const Result<std::vector<EvalItem>> all = select(3, 1);
  ASSERT_TRUE(all.ok()) << all.status().message();
  int64_t furthest = 0;
  for (const EvalItem& item : *all) furthest = std::max(furthest, *LookupDistance(item, model->tokenizer()));
  const auto said = [&](int64_t min_distance, const std::string& found) {
    return StrCat("--min-distance is ", min_distance, "; it is reached by ", found, " questions drawn of lookup.long, ",
                  "the furthest at ", furthest, " tokens");
  };
  testing::internal::CaptureStderr();
  const Result<std::vector<EvalItem>> fewer = select(2, furthest);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), StrCat("fathom eval: ", said(furthest, "1 of 800"), "\n"));
  ASSERT_TRUE(fewer.ok()) << fewer.status().message();
  EXPECT_EQ(fewer->size(), 1u);
  EXPECT_EQ(select(1, furthest + 1).status().message(), said(furthest + 1, "0 of 400"));
  EXPECT_EQ(select(1, 1, "lookup.short").status().message(),
            "--subject is 'lookup.short' and no subject's name begins so; the groups are lookup");
}

// A prompt and an answer made to follow the drafts, but for every third token; read one token at a time.
struct DraftedAnswer {
  Completion completion;
  int64_t accepted = 0;
};
DraftedAnswer FollowDrafts(const Model& model, int64_t prompt_tokens, int64_t answer_tokens) {
  const int64_t vocab = model.config().vocab_size;
  Workspace workspace(model, 1, prompt_tokens + answer_tokens);
  SequenceCache cache(model.cache_layout());
  SequenceCache mtp_cache(model.mtp_cache_layout());
  std::vector<int32_t> tokens;
  for (int64_t token = 0; token <= prompt_tokens; ++token) tokens.push_back(static_cast<int32_t>(token * 7 % 300));
  DraftedAnswer drafted;
  std::vector<float> logits(static_cast<size_t>(vocab));
  for (size_t at = 0; tokens.size() < static_cast<size_t>(prompt_tokens + answer_tokens); ++at) {
    const Segment segment = {&cache, 1};
    const Segment mtp_segment = {&mtp_cache, 1};
    const std::span<const int32_t> all(tokens);
    const MatView<const float> streams = model.Forward({all.subspan(at, 1), {&segment, 1}}, workspace);
    model.MtpForward(0, streams, {all.subspan(at + 1, 1), {&mtp_segment, 1}}, workspace,
                     MatView<float>(logits.data(), 1, vocab));
    if (at + 2 < tokens.size()) continue;
    const auto draft = static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
    const bool follow = tokens.size() % 3 != 0;
    drafted.accepted += static_cast<int64_t>(follow);
    tokens.push_back(follow ? draft : (draft + 1) % static_cast<int32_t>(vocab));
  }
  drafted.completion.prompt.assign(tokens.begin(), tokens.begin() + prompt_tokens);
  drafted.completion.answer.assign(tokens.begin() + prompt_tokens, tokens.end());
  return drafted;
}

TEST(EvalEngine, DraftsAreCountedFromTheSecondTokenOn) {
  const std::unique_ptr<LoadedModel> model = SyntheticModel();
  ASSERT_EQ(model->model().config().mtp_layers, 1);
  // Beginning in the first chunk, at its end, and across two of 512.
  for (const auto& [prompt, answer] : {std::pair(5, 20), std::pair(511, 8), std::pair(505, 20), std::pair(1, 2)}) {
    const DraftedAnswer drafted = FollowDrafts(model->model(), prompt, answer);
    std::vector<EvalResult> results(2);
    results[0].completion = drafted.completion;
    results[1].completion.prompt = {1, 2, 3};
    results[1].completion.answer = {4};
    ASSERT_TRUE(MeasureDrafts(model->model(), &results).ok());
    EXPECT_EQ(results[0].drafts, answer - 1);
    EXPECT_EQ(results[0].accepted, drafted.accepted) << prompt;
    EXPECT_EQ(results[1].drafts, 0);
  }
}

RunResult Eval(std::vector<std::string> more, const RunOptions& options = {}) {
  more.insert(more.begin(), {"eval", "--model", SyntheticModelDirectory()});
  return RunFathom(more, options);
}

TEST(EvalCommand, PrintsTheTableAndWritesTheFiles) {
  const TemporaryDirectory directory;
  const RunResult result = Eval({"--subject", "small_talk", "--items", "2", "--json", directory / "e.json",
                                 "--markdown", directory / "e.md", "--show-errors", "1"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("\ntotal "), std::string::npos) << result;
  EXPECT_NE(result.out.find("drafts of the MTP block"), std::string::npos) << result;
  EXPECT_NE(result.out.find("\nWrong answers:\n"), std::string::npos) << result;
  EXPECT_NE(ReadTestFile(directory / "e.md").find("| **total** |"), std::string::npos);
  const Result<Json> json = ParseJson(ReadTestFile(directory / "e.json"));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("right")->AsInt(), 0);  // random weights
  EXPECT_GT(json->Find("total")->AsInt(), 3);
  EXPECT_EQ(static_cast<size_t>(*json->Find("total")->AsInt()), json->Find("items")->items().size());
}

TEST(EvalCommand, MinDistanceAsksOnlyWhatIsThatFarBack) {
  const TemporaryDirectory directory;
  const RunResult result = Eval(
      {"--subject", "lookup", "--items", "1", "--min-distance", "600", "--no-drafts", "--json", directory / "e.json"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(
      result.out.find("Suite nano: 1 held-out questions with the fact at least 600 tokens before the end (up to 1 "
                      "of each subject, seed 1)"),
      std::string::npos)
      << result;
  EXPECT_NE(result.out.find("\ntokens from the fact to the end "), std::string::npos) << result;
  EXPECT_EQ(result.out.find("below 512"), std::string::npos) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "e.json"));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("min_distance")->AsInt(), 600);
  for (const Json& item : json->Find("items")->items()) {
    EXPECT_EQ(item.Find("subject")->string(), "lookup.long");
    EXPECT_GE(item.Find("distance")->AsInt(), 600);
  }
  const RunResult none = Eval({"--items", "1", "--min-distance", "500000"});
  EXPECT_EQ(none.exit_code, 2) << none;
  EXPECT_NE(
      none.err.find("fathom: --min-distance is 500000; it is reached by 0 of 400 questions drawn of lookup.long, "),
      std::string::npos)
      << none;
}

TEST(EvalCommand, MinAccuracyDecidesTheExitCode) {
  const std::vector<std::string> base = {"--subject", "small_talk", "--items", "1", "--thinking", "off", "--no-drafts"};
  std::vector<std::string> strict = base;
  strict.insert(strict.end(), {"--min-accuracy", "50"});
  const RunResult result = Eval(strict);
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.err.find("fathom eval: 0.0 % of the answers are right; --min-accuracy is 50\n"), std::string::npos)
      << result;
  EXPECT_EQ(result.out.find("drafts of the MTP block"), std::string::npos) << result;
  EXPECT_EQ(Eval(base).exit_code, 0);
}

TEST(EvalCommand, CtrlCWritesNothingAndExitsWith130) {
  const TemporaryDirectory directory;
  RunOptions options;
  options.interrupt_after = "answering: ";
  const RunResult result =
      Eval({"--subject", "small_talk", "--items", "400", "--batch", "2", "--json", directory / "e.json"}, options);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_NE(result.err.find("fathom: stopped by Ctrl-C after "), std::string::npos) << result;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(RunProgram({"ls", "-A", directory.path()}).out, "");
}

// One shell command, since standard output of other runs is a pipe.
RunResult RunToFullDevice(const std::string& arguments) {
  return RunProgram(
      {"bash", "-c", StrCat("exec ", FATHOM_EMULATOR, " ", FATHOM_BINARY, " ", arguments, " > /dev/full")});
}

TEST(EvalCommand, ResultsThatCannotBePrintedAreAnErrorAndTheFilesAreWritten) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  const TemporaryDirectory directory;
  const RunResult result =
      RunToFullDevice(StrCat("eval --model ", SyntheticModelDirectory(),
                             " --subject small_talk --items 1 --no-drafts --json ", directory / "e.json"));
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_NE(result.err.find("fathom: cannot write standard output"), std::string::npos) << result;
  EXPECT_TRUE(ParseJson(ReadTestFile(directory / "e.json")).ok());
}

TEST(EvalCommand, MistakesAreOneSentence) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--suite", "university"}, "--suite"},
      {{"--items", "0"}, "--items"},
      {{"--thinking", "maybe"}, "--thinking"},
      {{"--temperature", "-1"}, "--temperature"},
      {{"--batch", "0"}, "--batch"},
      {{"--min-accuracy", "101"}, "--min-accuracy"},
      {{"--show-errors", "-1"}, "--show-errors"},
      {{"--subject", "music"}, "--subject is 'music' and no subject's name begins so; the groups are "},
      {{"--json", "/nonexistent/e.json"}, "cannot write /nonexistent/e.json: there is no directory /nonexistent"},
      {{"--markdown", "/nonexistent/e.md"}, "cannot write /nonexistent/e.md: there is no directory /nonexistent"},
      {{"--json", "/"}, "cannot write /: it is a directory; the path of a file is accepted"},
      {{"--isa", "z80"}, "--isa is 'z80'"},
      {{"--min-distance", "-5"}, "--min-distance is '-5'; accepted is a whole number, 1 to 1048576"},
      {{"--min-distance", "many"}, "--min-distance is 'many'"},
      {{"--min-distance", "9999999"}, "--min-distance is '9999999'"},
      {{"--min-distance", "9", "--subject", "facts"},
       "--min-distance is for questions about one place in a long text (lookup.long), and --subject is 'facts'"},
      {{"extra"}, "extra"},
  };
  for (const auto& [arguments, message] : cases) {
    const RunResult result = Eval(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
    EXPECT_EQ(result.out, "");
  }
  const RunResult result = RunFathom({"eval", "--model", "/nonexistent"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.err.find("/nonexistent"), std::string::npos) << result;
}

}  // namespace
}  // namespace fathom
