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

constexpr std::string_view kHelp = R"(/new                 forget the conversation (not the system prompt)
/system [TEXT|off]   show, set or remove the system prompt
/think [LEVEL]       show or set thinking: on, off, low, high, max
/save FILE           write the messages as JSON
/load FILE           go on with the messages of such a file
/stats               tokens and speed so far
/help                this list
/quit                end (also Ctrl-D)
A line that ends with \ goes on in the next one. // at the start sends a text that begins with a slash. Ctrl-C stops an
answer.
)";

constexpr char kFooter[] =
    R"(In the conversation /help lists the commands. When standard input is no terminal, its lines are the messages (and
commands) and the answers follow on standard output.

Exit code: 0 at the end of the conversation, 2 if a flag is not accepted, 3 if memory or a file fails, 130 after Ctrl-C
outside of an answer when there is no terminal.)";

struct Flags {
  ModelFlags model;
  SamplingFlags sampling;
  ThinkingFlags thinking;
  std::string system;
  std::string load;
  bool unprotected = false;
};

void Print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Complain(const Status& status) { WriteStderr(StrCat("fathom chat: ", status.message(), "\n")); }

class Chat {
 public:
  Chat(const Flags& flags, const LoadedModel& model, Engine& engine, SamplingParams sampling, EffortRequest effort)
      : flags_(flags), model_(model), engine_(engine), sampling_(std::move(sampling)), effort_(std::move(effort)) {}

  Conversation& conversation() { return conversation_; }

  // Reads and answers until the end.
  void Converse(LineEditor& editor) {
    while (!quit_) {
      std::optional<std::string> input = editor.Read();
      if (!input) break;
      Take(std::move(*input));
    }
    if (editor.interactive()) Print("\n");
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
    if (name == "/help") return Print(kHelp);
    if (name == "/quit" || name == "/exit") {
      quit_ = true;
      return;
    }
    if (name == "/new") {
      conversation_.Clear();
      return Print("(new conversation)\n");
    }
    if (name == "/system") return System(argument);
    if (name == "/think") return Think(argument);
    if (name == "/stats") return PrintStats();
    if (name == "/save" || name == "/load") return SaveOrLoad(name == "/save", argument);
    Complain(InvalidArgument(
        StrCat(Printable(name, 40),
               " is no command; /help lists them, and a message that begins with a slash is sent with //")));
  }

  void System(const std::string& argument) {
    if (!argument.empty()) conversation_.SetSystem(argument == "off" ? std::string() : argument);
    const std::string system = conversation_.system();
    Print(system.empty() ? std::string("(no system prompt)\n") : StrCat("(system prompt: ", system, ")\n"));
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
    const Result<EffortChoice> choice = MapEffort(model_.dialect(), request);
    if (!choice.ok()) return Complain(choice.status());
    effort_ = request;
    const bool on = choice->mode == ThinkingMode::kThinking;
    Print(StrCat("(thinking ", on ? "on" : "off", on && request.effort ? ", effort " + *request.effort : "", ")\n"));
  }

  void SaveOrLoad(bool save, const std::string& path) {
    if (path.empty()) return Complain(InvalidArgument(StrCat(save ? "/save" : "/load", " needs a file name")));
    const Status status = save ? conversation_.Save(path) : conversation_.Load(path);
    if (!status.ok()) return Complain(status);
    Print(StrCat("(", save ? "saved" : "loaded", " ", conversation_.turns(), " turns ", save ? "to " : "from ", path,
                 ")\n"));
  }

  void PrintStats() {
    if (answers_ == 0) return Print("(no answer yet)\n");
    const EngineStats stats = engine_.stats();
    Print(StrCat(
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
        RenderChat(messages, {},
                   {.dialect = model_.dialect(), .thinking_mode = choice.mode, .reasoning_effort = choice.effort}));
    GenerateRequest request;
    request.prompt = EncodePrompt(model_.tokenizer(), prompt, flags_.unprotected);
    request.max_tokens = MaxTokensFrom(flags_.sampling, model_);
    request.sampling = sampling_;
    request.stop_tokens = model_.generation().stop_tokens;
    AnswerWriter writer;
    Result<Answer> answer = Generate(engine_, std::move(request), {.mode = choice.mode, .stop = flags_.sampling.stop},
                                     [&](const CompletionEvent& event) { writer(event); });
    writer.Finish();
    return answer;
  }

  void Say(std::string text) {
    conversation_.AddUser(std::move(text));
    const Result<Answer> answer = AnswerNow();
    ClearInterrupt();
    if (!answer.ok()) {
      conversation_.RemoveLast();
      return Complain(answer.status());
    }
    Count(answer->finished);
    const bool stopped = answer->finish_reason == "cancelled";
    if (stopped && answer->content.empty()) {
      conversation_.RemoveLast();
      return Print("(stopped; the message is not part of the conversation)\n");
    }
    conversation_.Add(AssistantMessageJson(*answer));
    if (stopped) Print("(stopped)\n");
    if (answer->finish_reason == "length") Print("(out of tokens)\n");
  }

  void Count(const Finished& finished) {
    last_ = finished;
    ++answers_;
    total_.prompt_tokens += finished.usage.prompt_tokens;
    total_.cached_tokens += finished.usage.cached_tokens;
    total_.completion_tokens += finished.usage.completion_tokens;
  }

  const Flags& flags_;
  const LoadedModel& model_;
  Engine& engine_;
  const SamplingParams sampling_;
  EffortRequest effort_;
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

int Run(const Flags& flags) {
  InstallInterruptHandler();
  const Result<std::unique_ptr<LoadedModel>> model = LoadedModel::Load(flags.model);
  if (!model.ok()) return Fail(model.status());
  const EffortRequest effort = EffortFrom(flags.thinking, **model);
  const Result<EffortChoice> choice = MapEffort((*model)->dialect(), effort);
  if (!choice.ok()) return Fail(choice.status());
  Result<SamplingParams> sampling = SamplingFrom(flags.sampling, **model);
  if (!sampling.ok()) return Fail(sampling.status());
  const Result<std::unique_ptr<Engine>> engine = (*model)->StartEngine({.max_sequences = 1});
  if (!engine.ok()) return Fail(engine.status());

  Chat chat(flags, **model, **engine, std::move(*sampling), effort);
  if (!flags.load.empty()) {
    const Status loaded = chat.conversation().Load(flags.load);
    if (!loaded.ok()) return Fail(loaded);
  }
  if (!flags.system.empty()) chat.conversation().SetSystem(flags.system);
  LineEditor editor(IsTerminal(STDIN_FILENO) ? HistoryFile() : std::string());
  if (editor.interactive()) {
    Print(StrCat((*model)->checkpoint().model_name(), ", context ", (*engine)->limits().context,
                 " tokens; /help lists the commands\n"));
  }
  chat.Converse(editor);
  return InterruptRequested() ? Cancelled("").exit_code() : 0;
}

}  // namespace

int ChatMain(int argc, char** argv) {
  Flags flags;
  CLI::App app("Talks with a model in the terminal.", "fathom chat");
  app.footer(kFooter);
  AddModelFlags(app, &flags.model);
  AddContextFlag(app, &flags.model);
  app.add_option("--system", flags.system, "System prompt")->type_name("TEXT");
  app.add_option("--load", flags.load, "Go on with the messages of a file that /save wrote")->type_name("FILE");
  AddThinkingFlags(app, &flags.thinking);
  app.add_flag("--unprotected", flags.unprotected,
               "Control tokens spelled in messages count, as in the official encoder");
  AddSamplingFlags(app, &flags.sampling);
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(flags);
}

}  // namespace fathom
