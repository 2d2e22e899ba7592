#include "apps/run.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/answer.h"
#include "apps/answer_rules.h"
#include "apps/chat_tools.h"
#include "apps/flags.h"
#include "apps/model_options.h"
#include "apps/sampling_options.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "base/utf8.h"
#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

constexpr size_t kMaxPromptBytes = size_t{1} << 30;

constexpr char kRunFooter[] =
    R"(The answer goes to standard output, everything else to standard error. Thinking is shown (dim) on a terminal only; --json
has it too:
  text, reasoning, tool_calls [{name, arguments}], finish_reason (stop, length, tool_calls, cancelled), stop_string,
  usage {prompt_tokens, cached_tokens, completion_tokens}, timings {queue_ms, prefill_ms, decode_ms}, seed, model

Examples:
  fathom run -p "Why is the sky blue?"
  git diff | fathom run --system "Review this change." --effort max
  fathom run --schema person.json -p "Who wrote Faust?"
  fathom run --raw --temperature 0 --max-tokens 20 -p "Once upon a time"

Exit code: 0 with an answer, 2 if the prompt or a flag is not accepted, 3 if memory or a file fails, 130 after Ctrl-C (what
was generated is printed).)";

struct RunFlags {
  ModelFlags model;
  SamplingFlags sampling;
  ThinkingFlags thinking;
  std::string prompt;
  std::string system;
  std::string tools;
  AnswerRuleFlags answer_rules;
  bool has_prompt = false;
  bool has_system = false;
  bool raw = false;
  bool json = false;
  bool stream = true;
  bool quiet = false;
  bool unprotected = false;
};

Result<std::string> ReadPrompt(const RunFlags& flags) {
  std::string prompt = flags.prompt;
  if (!flags.has_prompt) {
    if (isatty(STDIN_FILENO) != 0)
      WriteStderr("fathom run: reading the prompt from the terminal; end it with Ctrl-D\n");
    FATHOM_ASSIGN_OR_RETURN(prompt, ReadStdin(kMaxPromptBytes));
    // The newline that echo and editors add is not part of a message.
    if (!flags.raw && prompt.ends_with('\n')) prompt.pop_back();
  }
  if (prompt.empty()) return InvalidArgument("the prompt is empty; give one with -p or on standard input");
  if (!IsValidUtf8(prompt)) return InvalidArgument("the prompt is not valid UTF-8");
  if (!IsValidUtf8(flags.system)) return InvalidArgument("the text of --system is not valid UTF-8");
  return prompt;
}

struct Task {
  GenerateRequest request;
  AnswerFormat format;
};

Result<Task> MakeTask(const RunFlags& flags, const LoadedModel& model, const std::string& prompt) {
  Task task;
  task.format.raw = flags.raw;
  task.format.stop = StopsFrom(flags.sampling);
  FATHOM_ASSIGN_OR_RETURN(task.request.sampling, SamplingFrom(flags.sampling, model));
  task.request.max_tokens = MaxTokensFrom(flags.sampling, model);
  task.request.stop_tokens = model.generation().stop_tokens;
  if (flags.raw) {
    task.request.prompt = model.tokenizer().Encode(prompt, AddedTokens::kMatch);
    return task;
  }
  std::vector<Json> tools;
  if (!flags.tools.empty()) {
    FATHOM_ASSIGN_OR_RETURN(tools, ReadTools(flags.tools));
  }
  FATHOM_ASSIGN_OR_RETURN(const AnswerRules rules, ReadAnswerRules(flags.answer_rules, tools, model));
  FATHOM_ASSIGN_OR_RETURN(const EffortChoice choice, ChooseEffort(model.dialect(), EffortFrom(flags.thinking, model)));
  task.format.mode = choice.mode;
  std::vector<ChatMessage> messages;
  const auto add = [&](const char* role, const std::string& content) {
    messages.emplace_back().role = role;
    messages.back().content = content;
  };
  if (flags.has_system || !rules.response_format.is_null()) {
    add("system", flags.system);
    messages.back().response_format = rules.response_format;
  }
  add("user", prompt);
  FATHOM_ASSIGN_OR_RETURN(
      const RenderedPrompt rendered,
      RenderChat(messages, tools,
                 {.dialect = model.dialect(), .thinking_mode = choice.mode, .reasoning_effort = choice.effort}));
  task.request.prompt = EncodePrompt(model.tokenizer(), rendered, flags.unprotected);
  FATHOM_ASSIGN_OR_RETURN(task.request.constraint, ConstraintFor(rules, rendered.answer_mode(), model.tokenizer()));
  return task;
}

Json AnswerJson(const Answer& answer, const LoadedModel& model) {
  std::vector<Json> calls;
  for (const ToolCall& call : answer.tool_calls) {
    calls.push_back(Json::Object({{"name", Json::String(call.name)}, {"arguments", Json::String(call.arguments)}}));
  }
  const Usage& usage = answer.finished.usage;
  const Timings& timings = answer.finished.timings;
  const std::string& stop = answer.finished.stop_string;
  return Json::Object({{"text", Json::String(answer.content)},
                       {"reasoning", Json::String(answer.reasoning)},
                       {"tool_calls", Json::Array(std::move(calls))},
                       {"finish_reason", Json::String(answer.finish_reason)},
                       {"stop_string", stop.empty() ? Json() : Json::String(stop)},
                       {"usage", Json::Object({{"prompt_tokens", Json::Int(usage.prompt_tokens)},
                                               {"cached_tokens", Json::Int(usage.cached_tokens)},
                                               {"completion_tokens", Json::Int(usage.completion_tokens)}})},
                       {"timings", Json::Object({{"queue_ms", Json::Double(timings.queue_ms)},
                                                 {"prefill_ms", Json::Double(timings.prefill_ms)},
                                                 {"decode_ms", Json::Double(timings.decode_ms)}})},
                       {"seed", Json::Number(std::to_string(answer.finished.seed))},
                       {"model", Json::String(model.directory())}});
}

void PrintAnswer(const RunFlags& flags, const Answer& answer, const LoadedModel& model, AnswerWriter* writer) {
  if (flags.json) {
    const std::string text = AnswerJson(answer, model).Dump() + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  if (!flags.stream) {
    if (!answer.reasoning.empty()) (*writer)({CompletionEventType::kReasoning, 0, answer.reasoning});
    (*writer)({CompletionEventType::kContent, 0, answer.content});
    for (const ToolCall& call : answer.tool_calls) {
      (*writer)({CompletionEventType::kToolCallStart, 0, call.name});
      (*writer)({CompletionEventType::kToolCallArguments, 0, call.arguments});
    }
  }
  writer->Finish();
  if (flags.quiet) return;
  const char* remark = "";
  if (answer.finish_reason == "length") {
    remark = answer.content.empty() && !answer.reasoning.empty() ? "; out of tokens while still thinking"
                                                                 : "; out of tokens";
    if (flags.answer_rules.constrains()) remark = "; out of tokens, so the answer is not complete";
  } else if (answer.finish_reason == "cancelled") {
    remark = "; stopped by Ctrl-C";
  }
  WriteStderr(StrCat("fathom run: ", DescribeUsage(answer.finished), remark, "\n"));
}

int Run(const RunFlags& flags) {
  const Result<std::string> prompt = ReadPrompt(flags);
  if (!prompt.ok()) return Fail(prompt.status());
  InstallInterruptHandler();
  const Result<std::unique_ptr<LoadedModel>> model = LoadedModel::Load(flags.model);
  if (!model.ok()) return Fail(model.status());
  Result<Task> task = MakeTask(flags, **model, *prompt);
  if (!task.ok()) return Fail(task.status());
  const Result<std::unique_ptr<Engine>> engine = (*model)->StartEngine({.max_sequences = 1});
  if (!engine.ok()) return Fail(engine.status());

  AnswerWriter writer;
  const bool live = flags.stream && !flags.json;
  const Result<Answer> answer =
      Generate(**engine, std::move(task->request), task->format, [&](const CompletionEvent& event) {
        if (live) writer(event);
      });
  if (!answer.ok()) {
    writer.Finish();
    return Fail(answer.status());
  }
  PrintAnswer(flags, *answer, **model, &writer);
  return answer->finish_reason == "cancelled" ? Cancelled("").exit_code() : 0;
}

}  // namespace

int RunMain(int argc, char** argv) {
  RunFlags flags;
  CLI::App app("Answers one prompt.", "fathom run");
  app.footer(kRunFooter);
  AddModelFlags(app, &flags.model);
  AddContextFlag(app, &flags.model);
  CLI::Option* prompt = app.add_option("-p,--prompt", flags.prompt, "The prompt; without it standard input is read");
  prompt->type_name("TEXT");
  CLI::Option* system = app.add_option("--system", flags.system, "System prompt")->type_name("TEXT");
  AddThinkingFlags(app, &flags.thinking);
  CLI::Option* tools =
      app.add_option("--tools", flags.tools, "JSON list of tools as in the chat API")->type_name("FILE");
  AddAnswerRuleFlags(app, tools, &flags.answer_rules);
  CLI::Option* raw =
      app.add_flag("--raw", flags.raw, "The prompt as it is: no roles, nothing added, control tokens count");
  CLI::Option* unprotected = app.add_flag("--unprotected", flags.unprotected,
                                          "Control tokens spelled in the prompt count, as in the official encoder");
  for (CLI::Option* option : {system, tools, unprotected}) raw->excludes(option);
  for (const char* name : {"--think", "--no-think", "--effort", "--schema", "--json-object"})
    raw->excludes(app.get_option(name));
  AddSamplingFlags(app, &flags.sampling);
  app.add_flag("--json", flags.json, "One JSON object instead of text (see below)");
  app.add_flag("--stream,!--no-stream", flags.stream,
               "Print the answer while it is generated (default), or at its end");
  app.add_flag("-q,--quiet", flags.quiet, "No line of statistics at the end");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  flags.has_prompt = prompt->count() > 0;
  flags.has_system = system->count() > 0;
  return Run(flags);
}

}  // namespace fathom
