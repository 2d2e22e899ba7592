#include "apps/eval.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/eval_engine.h"
#include "apps/eval_exam.h"
#include "apps/eval_items.h"
#include "apps/eval_report.h"
#include "apps/flags.h"
#include "apps/model_options.h"
#include "base/file.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr char kEvalFooter[] =
    R"(The questions are held out: their kind is in the training text, they themselves are not. Each answer is generated to
its end and compared by rule; one that does not end, shows control tokens or calls a tool where none is to be called is
wrong. The table has right answers of all, by subject, by mode (chat: without thinking) and by language (-: none); then
for lookups in long texts by distance, and for a model with an MTP block how often its draft was the token that was then
generated.
docs/evaluation.md says more.

--json FILE writes {format: "fathom-eval-1", model {name, directory}, suite, items_per_subject, seed, temperature,
min_distance (where one is asked for), right, total, rows [{name, sum, right, total, chat, thinking, languages: scores
{right, total}}], distances and drafts [{name, right, total}], items [{subject, number, language, mode, prompt, check,
expected, right, fault, reasoning, content, tool_calls, prompt_tokens, answer_tokens, distance, drafts, accepted}]}.

Examples:
  fathom eval
  fathom eval --subject arithmetic --items 100 --show-errors 3
  fathom eval --min-distance 2048 --items 20
  fathom eval --markdown results.md --json results.json --min-accuracy 80

Exit code: 0 whatever the score, 1 if it is below --min-accuracy, 2 if a flag or the model is not accepted, 3 if
memory or a file fails, 130 after Ctrl-C.)";

constexpr uint64_t kMaxDistance = 1048576;  // the longest context of V4

struct EvalFlags {
  ModelFlags model;
  std::string suite = "nano";
  EvalSelection selection;
  std::string thinking = "as-written";
  EvalEngineOptions engine;
  std::string json;
  std::string markdown;
  int64_t show_errors = 0;
  bool drafts = true;
  double min_accuracy = 0;
};

const std::map<std::string, EvalThinking>& ThinkingNames() {
  static const std::map<std::string, EvalThinking> kNames = {{"as-written", EvalThinking::kAsWritten},
                                                             {"on", EvalThinking::kOn},
                                                             {"off", EvalThinking::kOff},
                                                             {"both", EvalThinking::kBoth}};
  return kNames;
}

Result<std::vector<EvalResult>> AnswerItems(const EvalFlags& flags, const LoadedModel& model,
                                            std::span<const EvalItem> items) {
  FATHOM_ASSIGN_OR_RETURN(std::vector<EvalResult> results, Examine(items, [&](const CompletionSink& sink) {
                            return AnswerWithEngine(model, items, flags.engine, sink);
                          }));
  for (size_t item = 0; item < items.size(); ++item)
    results[item].distance = LookupDistance(items[item], model.tokenizer());
  // The engine is gone, the model's threads are free.
  if (flags.drafts) FATHOM_RETURN_IF_ERROR(MeasureDrafts(model.model(), &results));
  return results;
}

Result<int> Evaluate(const EvalFlags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckOutputFiles({{"--json", flags.json}, {"--markdown", flags.markdown}}));
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<LoadedModel> model, LoadedModel::Load(flags.model));
  FATHOM_ASSIGN_OR_RETURN(
      const std::vector<EvalItem> items,
      SelectEvalItems(FindEvalSuite(flags.suite)->subjects(), flags.selection, model->dialect(), &model->tokenizer()));
  FATHOM_ASSIGN_OR_RETURN(const std::vector<EvalResult> results, AnswerItems(flags, *model, items));

  const EvalContext context = {.model = model->checkpoint().model_name(),
                               .directory = model->directory(),
                               .suite = flags.suite,
                               .items = flags.selection.items,
                               .seed = flags.selection.seed,
                               .temperature = flags.engine.temperature,
                               .min_distance = flags.selection.min_distance};
  std::string text = EvalText(context, items, results);
  const std::string errors = EvalErrors(items, results, flags.show_errors);
  if (!errors.empty()) text += "\nWrong answers:\n\n" + errors;
  std::fwrite(text.data(), 1, text.size(), stdout);
  Status markdown;
  Status json;
  if (!flags.markdown.empty()) markdown = WriteFileAtomically(flags.markdown, EvalMarkdown(context, items, results));
  if (!flags.json.empty()) {
    json = WriteFileAtomically(flags.json, EvalJson(context, items, results).DumpPretty() + "\n");
  }
  for (const Status& status : {FlushStdout(), markdown, json}) FATHOM_RETURN_IF_ERROR(status);
  const double percent = EvalRows(items, results).back().all.percent();
  if (percent >= flags.min_accuracy) return 0;
  WriteStderr(
      StrFormat("fathom eval: %.1f %% of the answers are right; --min-accuracy is %g\n", percent, flags.min_accuracy));
  return 1;
}

void AddFlags(CLI::App& app, EvalFlags* flags) {
  AddModelFlags(app, &flags->model);
  std::vector<std::string> suites;
  for (const EvalSuite& suite : EvalSuites()) suites.emplace_back(suite.name);
  app.add_option("--suite", flags->suite, "Questions to ask (default nano)")->check(CLI::IsMember(suites));
  app.add_option("--items", flags->selection.items, "Questions of each subject (default 40)")
      ->check(CLI::Range(int64_t{1}, int64_t{100000}))
      ->type_name("N");
  app.add_option("--subject", flags->selection.subject, "Only subjects whose names begin so, such as arithmetic")
      ->type_name("PREFIX");
  AcceptWhole(app.add_option("--seed", flags->selection.seed, "Chooses the questions (default 1)"), 0,
              std::numeric_limits<uint64_t>::max());
  AcceptWhole(app.add_option("--min-distance", flags->selection.min_distance,
                             "Only lookups in long texts whose fact stands at least N tokens before the prompt's end")
                  ->type_name("N"),
              1, kMaxDistance);
  app.add_option("--thinking", flags->thinking,
                 "Modes to ask in: as-written (default; arithmetic and word problems in both), on, off, both")
      ->check(CLI::IsMember(ThinkingNames()))
      ->type_name("MODE");
  AcceptNumber(
      app.add_option("--temperature", flags->engine.temperature, "Sampling temperature (default 0: no sampling)"), 0,
      100);
  app.add_option("--batch", flags->engine.batch, "Questions answered at once (default 16)")
      ->check(CLI::Range(int64_t{1}, int64_t{256}))
      ->type_name("N");
  app.add_flag("--drafts,!--no-drafts", flags->drafts,
               "Compare the MTP block's drafts with the answers (default, if the model has one)");
  app.add_option("--show-errors", flags->show_errors, "Show up to N wrong answers of each subject")
      ->check(CLI::Range(int64_t{0}, int64_t{100000}))
      ->type_name("N");
  app.add_option("--json", flags->json, "Also write everything, each answer included, to this file")->type_name("FILE");
  app.add_option("--markdown", flags->markdown, "Also write the tables to this file")->type_name("FILE");
  AcceptNumber(
      app.add_option("--min-accuracy", flags->min_accuracy, "Exit with 1 if fewer percent of the answers are right")
          ->type_name("PERCENT"),
      0, 100);
}

}  // namespace

int EvalMain(int argc, char** argv) {
  EvalFlags flags;
  CLI::App app("Examines a model with held-out questions: right answers by subject and language.", "fathom eval");
  app.footer(kEvalFooter);
  AddFlags(app, &flags);
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  flags.selection.thinking = ThinkingNames().at(flags.thinking);
  flags.engine.seed = flags.selection.seed;
  InstallInterruptHandler();
  const Result<int> exit_code = Evaluate(flags);
  return exit_code.ok() ? *exit_code : Fail(exit_code.status());
}

}  // namespace fathom
