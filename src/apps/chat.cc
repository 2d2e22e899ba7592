#include "apps/chat.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "apps/answer.h"
#include "apps/chat_tools.h"
#include "apps/conversation.h"
#include "apps/flags.h"
#include "apps/line_editor.h"
#include "apps/model_options.h"
#include "apps/sampling_options.h"
#include "apps/user_directories.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "base/utf8.h"
#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

constexpr std::string_view kHelp =
    R"(/new                 forget the conversation (not the system prompt, not the tools)
/system [TEXT|off]   show, set or remove the system prompt
/think [LEVEL]       show or set thinking: on, off, low, high, max, or another level of --effort
/tools [WHAT]        show or set the model's tools: builtin, off, or a FILE with a list of them
/save FILE           write the messages as JSON
/load FILE           go on with the messages of such a file
/stats               tokens and speed so far
/help                this list
/quit                end (also Ctrl-D)
A line that ends with \ goes on in the next one. // at the start sends a text that begins with a slash. Ctrl-C stops an
answer.
)";

constexpr char kChatFooter[] =
    R"(In the conversation /help lists the commands. When standard input is no terminal, its lines are the messages (and
commands) and the answers follow on standard output.

With --tools, or /tools in the conversation, the model can call tools. Those of "builtin" are executed, offline:
  calculator(expression)   numbers, + - * / and parentheses
  get_time(timezone)       the time in a city or time zone (Europe/Berlin, UTC, +05:30, local)
For a call of a FILE's tools you are asked for the result (Ctrl-C takes the message back); when standard input is no
terminal, its next line is the result. The model goes on with the results; after 8 rounds of calls the turn ends.

Exit code: 0 at the end of the conversation, 2 if a flag is not accepted, 3 if memory or a file fails, 130 after Ctrl-C
outside of an answer when there is no terminal.)";

struct ChatFlags {
  ModelFlags model;
  SamplingFlags sampling;
  ThinkingFlags thinking;
  std::string system;
  std::string load;
  std::string tools;
  bool unprotected = false;
};

void PrintNow(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Complain(const Status& status) { WriteStderr(StrCat("fathom chat: ", status.message(), "\n")); }

class Chat {
 public:
  Chat(const ChatFlags& flags, const LoadedModel& model, Engine& engine, SamplingParams sampling, EffortRequest effort,
       LineEditor& editor)
      : flags_(flags),
        model_(model),
        engine_(engine),
        sampling_(std::move(sampling)),
        effort_(std::move(effort)),
        editor_(editor) {}

  Conversation& conversation() { return conversation_; }
  ChatTools& tools() { return tools_; }

  // Reads and answers until the end, or until nobody gets the answers.
  void Converse() {
    while (!quit_ && !InterruptRequested() && std::ferror(stdout) == 0) {
      std::optional<std::string> input = editor_.Read();
      if (!input) break;
      Take(std::move(*input));
    }
    if (editor_.interactive()) PrintNow("\n");
  }

 private:
  void Take(std::string input) {
    if (!IsValidUtf8(input)) return Complain(InvalidArgument("the message is not valid UTF-8"));
    if (input.find_first_not_of(" \t\n") == std::string::npos) return;
    if (!input.starts_with('/')) return Say(std::move(input));
    if (input.starts_with("//")) return Say(input.substr(1));
    const size_t space = input.find_first_of(" \t\n");
    const std::string name = input.substr(0, space);
    const size_t begin = input.find_first_not_of(" \t\n", name.size());
    std::string argument = begin == std::string::npos ? std::string() : input.substr(begin);
    argument.erase(argument.find_last_not_of(" \t\n") + 1);
    Command(name, argument);
  }

  void Command(const std::string& name, const std::string& argument) {
    if (name == "/help") return PrintNow(kHelp);
    if (name == "/quit" || name == "/exit") {
      quit_ = true;
      return;
    }
    if (name == "/new") {
      conversation_.Clear();
      return PrintNow("(new conversation)\n");
    }
    if (name == "/system") return System(argument);
    if (name == "/think") return Think(argument);
    if (name == "/tools") return Tools(argument);
    if (name == "/stats") return PrintStats();
    if (name == "/save" || name == "/load") return SaveOrLoad(name == "/save", argument);
    Complain(InvalidArgument(
        StrCat(Printable(name, 40),
               " is no command; /help lists them, and a message that begins with a slash is sent with //")));
  }

  void System(const std::string& argument) {
    if (!argument.empty()) conversation_.SetSystem(argument == "off" ? std::string() : argument);
    const std::string system = conversation_.system();
    PrintNow(system.empty() ? std::string("(no system prompt)\n") : StrCat("(system prompt: ", system, ")\n"));
  }

  void Think(const std::string& argument) {
    EffortRequest request = effort_;
    if (argument == "off") {
      request = {.thinking = false};
    } else if (argument == "on") {
      request = {.thinking = true};
    } else if (!argument.empty()) {
      request = {.thinking = true, .effort = argument};
    }
    const Result<EffortChoice> choice = ChooseEffort(model_.dialect(), request, "the level of /think");
    if (!choice.ok()) return Complain(choice.status());
    effort_ = request;
    const bool on = choice->mode == ThinkingMode::kThinking;
    PrintNow(StrCat("(thinking ", on ? "on" : "off", on && request.effort ? ", effort " + *request.effort : "", ")\n"));
  }

  void Tools(const std::string& argument) {
    const Status status = argument.empty() ? Status() : tools_.Set(argument);
    if (!status.ok()) return Complain(status);
    const std::string names = tools_.Names();
    if (names.empty()) return PrintNow("(no tools)\n");
    PrintNow(StrCat("(tools: ", names, tools_.builtin() ? ")\n" : "; you are asked for their results)\n"));
  }

  void SaveOrLoad(bool save, const std::string& path) {
    if (path.empty()) return Complain(InvalidArgument(StrCat(save ? "/save" : "/load", " needs a file name")));
    const Status status = save ? conversation_.Save(path) : conversation_.Load(path);
    if (!status.ok()) return Complain(status);
    PrintNow(StrCat("(", save ? "saved" : "loaded", " ", conversation_.turns(), " turns ", save ? "to " : "from ", path,
                    ")\n"));
  }

  void PrintStats() {
    if (answers_ == 0) return PrintNow("(no answer yet)\n");
    const EngineStats stats = engine_.stats();
    PrintNow(StrCat(
        "last answer: ", DescribeUsage(last_), "\nthis session: ", answers_, " answers, prompt ", total_.prompt_tokens,
        " tokens (", total_.cached_tokens, " cached), answers ", total_.completion_tokens,
        " tokens\ncontext: ", last_.usage.prompt_tokens + last_.usage.completion_tokens, " of ",
        engine_.limits().context, " tokens; caches ", HumanBytes(static_cast<uint64_t>(stats.cache_bytes)), "\n"));
  }

  Result<Answer> AnswerNow() {
    FATHOM_ASSIGN_OR_RETURN(const EffortChoice choice, MapEffort(model_.dialect(), effort_));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<ChatMessage> messages, conversation_.Messages());
    FATHOM_ASSIGN_OR_RETURN(
        const RenderedPrompt prompt,
        RenderChat(messages, tools_.schemas(),
                   {.dialect = model_.dialect(), .thinking_mode = choice.mode, .reasoning_effort = choice.effort}));
    GenerateRequest request;
    request.prompt = EncodePrompt(model_.tokenizer(), prompt, flags_.unprotected);
    request.max_tokens = MaxTokensFrom(flags_.sampling, model_);
    request.sampling = sampling_;
    request.stop_tokens = model_.generation().stop_tokens;
    AnswerWriter writer;
    Result<Answer> answer =
        Generate(engine_, std::move(request), {.mode = choice.mode, .stop = StopsFrom(flags_.sampling)},
                 [&](const CompletionEvent& event) { writer(event); });
    writer.Finish();
    return answer;
  }

  std::optional<std::string> AskForResult(const ToolCall& call) {
    std::optional<std::string> result = AskToolResult(call, editor_);
    if (editor_.interactive()) {
      if (!result) PrintNow("\n");  // the cursor stands behind the question
    } else if (result) {
      WriteToolResult(call.name, *result);
    } else {
      quit_ = true;
    }
    return result;
  }

  void Say(std::string text) {
    const TurnActions actions = {
        .answer =
            [this] {
              Result<Answer> answer = AnswerNow();
              if (answer.ok()) Count(answer->finished);
              return answer;
            },
        .ask = [this](const ToolCall& call) { return AskForResult(call); },
        .show = [](const ToolCall& call, std::string_view result) { WriteToolResult(call.name, result); }};
    const Result<TurnEnd> end = RunTurn(std::move(text), tools_, actions, &conversation_);
    if (!quit_) ClearInterrupt();
    if (!end.ok()) return Complain(end.status());
    switch (*end) {
      case TurnEnd::kAnswered:
        return;
      case TurnEnd::kOutOfTokens:
        return PrintNow("(out of tokens)\n");
      case TurnEnd::kStopped:
        return PrintNow("(stopped)\n");
      case TurnEnd::kForgotten:
        return PrintNow("(stopped; the message is not part of the conversation)\n");
      case TurnEnd::kTooManyRounds:
        return PrintNow(StrCat("(stopped after ", kMaxToolRounds, " rounds of tool calls)\n"));
    }
  }

  void Count(const Finished& finished) {
    last_ = finished;
    ++answers_;
    total_.prompt_tokens += finished.usage.prompt_tokens;
    total_.cached_tokens += finished.usage.cached_tokens;
    total_.completion_tokens += finished.usage.completion_tokens;
  }

  const ChatFlags& flags_;
  const LoadedModel& model_;
  Engine& engine_;
  const SamplingParams sampling_;
  EffortRequest effort_;
  LineEditor& editor_;
  ChatTools tools_;
  Conversation conversation_;
  bool quit_ = false;
  int64_t answers_ = 0;
  Finished last_;
  Usage total_;
};

// Without a place for it there is no history, and that is no reason not to talk.
std::string HistoryFile() {
  const Result<std::string> directory = UserDirectory(UserDirectoryKind::kState);
  return directory.ok() ? *directory + "/chat_history" : std::string();
}

int Run(const ChatFlags& flags) {
  if (!IsValidUtf8(flags.system)) return Fail(InvalidArgument("the text of --system is not valid UTF-8"));
  InstallInterruptHandler();
  const Result<std::unique_ptr<LoadedModel>> model = LoadedModel::Load(flags.model);
  if (!model.ok()) return Fail(model.status());
  if (InterruptRequested()) return Cancelled("").exit_code();
  const EffortRequest effort = EffortFrom(flags.thinking, **model);
  const Result<EffortChoice> choice = ChooseEffort((*model)->dialect(), effort);
  if (!choice.ok()) return Fail(choice.status());
  Result<SamplingParams> sampling = SamplingFrom(flags.sampling, **model);
  if (!sampling.ok()) return Fail(sampling.status());
  const Result<std::unique_ptr<Engine>> engine = (*model)->StartEngine({.max_sequences = 1});
  if (!engine.ok()) return Fail(engine.status());

  LineEditor editor(isatty(STDIN_FILENO) != 0 ? HistoryFile() : std::string());
  Chat chat(flags, **model, **engine, std::move(*sampling), effort, editor);
  if (!flags.tools.empty()) {
    const Status set = chat.tools().Set(flags.tools);
    if (!set.ok()) return Fail(set);
  }
  if (!flags.load.empty()) {
    const Status loaded = chat.conversation().Load(flags.load);
    if (!loaded.ok()) return Fail(loaded);
  }
  if (!flags.system.empty()) chat.conversation().SetSystem(flags.system);
  if (editor.interactive()) {
    PrintNow(StrCat((*model)->checkpoint().model_name(), ", context ", (*engine)->limits().context,
                    " tokens; /help lists the commands\n"));
  }
  chat.Converse();
  return InterruptRequested() ? Cancelled("").exit_code() : 0;
}

}  // namespace

int ChatMain(int argc, char** argv) {
  ChatFlags flags;
  CLI::App app("Talks with a model in the terminal.", "fathom chat");
  app.footer(kChatFooter);
  AddModelFlags(app, &flags.model);
  AddContextFlag(app, &flags.model);
  app.add_option("--system", flags.system, "System prompt")->type_name("TEXT");
  app.add_option("--load", flags.load, "Go on with the messages of a file that /save wrote")->type_name("FILE");
  app.add_option("--tools", flags.tools, "JSON list of tools as in the chat API, or \"builtin\" (see below)")
      ->type_name("FILE");
  AddThinkingFlags(app, &flags.thinking);
  app.add_flag("--unprotected", flags.unprotected,
               "Control tokens spelled in messages count, as in the official encoder");
  AddSamplingFlags(app, &flags.sampling);
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(flags);
}

}  // namespace fathom
