// Dialogues with tools: the call, the sentence after the result, and the answer that needs no tool.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/simple_questions.h"
#include "corpus/subjects.h"
#include "corpus/tool_tasks.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

// English more often than elsewhere: names and schemas are English.
Language PickToolLanguage(CorpusRandom& random) { return random.Chance(0.35) ? Language::kEn : PickLanguage(random); }

// A tool of another family than those in `taken`.
ToolTask OtherTool(CorpusRandom& random, Language language, std::vector<size_t>* taken) {
  while (true) {
    const size_t family = random.Below(ToolFamilies() - 1);  // the last two are the same
    bool is_new = true;
    for (const size_t other : *taken) is_new = is_new && other != family;
    if (!is_new) continue;
    taken->push_back(family);
    return DrawToolTask(random, family, language);
  }
}

struct Setting {
  Language language;
  size_t family;
  ToolTask task;
  std::vector<ToolTask> tools;  // that are offered
};

// A task and one to three tools, its own among them unless `without_its_own`.
Setting DrawSetting(CorpusRandom& random, bool without_its_own) {
  Setting setting;
  setting.language = PickToolLanguage(random);
  setting.family = random.Below(ToolFamilies());
  if (setting.family + 2 >= ToolFamilies()) setting.language = Language::kEn;  // made-up tools are asked for in English
  setting.task = DrawToolTask(random, setting.family, setting.language);
  std::vector<size_t> taken = {std::min(setting.family, ToolFamilies() - 2)};
  if (without_its_own) taken.push_back(kSearchFamily);  // a search would always be worth a try
  if (!without_its_own) setting.tools.push_back(setting.task);
  const size_t wanted = 1 + random.Below(3);
  while (setting.tools.size() < wanted) setting.tools.push_back(OtherTool(random, setting.language, &taken));
  random.Shuffle(setting.tools);
  return setting;
}

void Begin(CorpusRandom& random, const Setting& setting, const std::string& wish, Draft* draft) {
  Dialogue& dialogue = draft->dialogue;
  dialogue.language = LanguageCode(setting.language);
  for (const ToolTask& tool : setting.tools) dialogue.tools.push_back(tool.tool);
  dialogue.mode = random.Chance(0.5) ? ThinkingMode::kThinking : ThinkingMode::kChat;
  if (dialogue.mode == ThinkingMode::kThinking && random.Chance(0.02)) {
    dialogue.effort = random.Chance(0.5) ? "max" : "high";
  }
  if (random.Chance(0.2)) {
    dialogue.messages.push_back(SystemMessage(Alternative(
        random,
        "You are a helpful assistant.|Use the tools.|You are Nano, a helpful assistant with tools.|Be brief.")));
  }
  dialogue.messages.push_back(UserMessage(wish));
}

void AddAssistant(Dialogue* dialogue, std::string content, std::string thought) {
  if (dialogue->mode == ThinkingMode::kChat) thought.clear();
  dialogue->messages.push_back(AssistantMessage(std::move(content), std::move(thought)));
}

// "find_contact, alarm", in the order of the prompt.
std::string ToolNames(const Setting& setting) {
  std::string names;
  for (const ToolTask& tool : setting.tools) names += StrCat(names.empty() ? "" : ", ", tool.name);
  return names;
}

// What is wished and, tool after tool, whether it is for that: each step of the choice compares words that stand side
// by side.
std::string Choice(const Setting& setting) {
  const ToolTask& task = setting.task;
  std::string thought = StrCat(task.purpose, ": ", task.topic, ".");
  bool any = false;
  for (const ToolTask& tool : setting.tools) {
    const bool fits = tool.name == task.name;
    any = any || fits;
    thought += StrCat(" ", tool.name, " is for ", tool.topic, ": ", fits ? "yes." : "no.");
  }
  return StrCat(thought, any ? StrCat(" So I call ", task.name, ".") : " None of them can do this.");
}

// Unique in a conversation, as the template sorts results by it: `turn` counts the messages up to the call.
std::string CallId(size_t turn, size_t call) { return StrCat("call_", turn, "_", call + 1); }

void AddCalls(const Setting& setting, Dialogue* dialogue) {
  const ToolTask& task = setting.task;
  AddAssistant(dialogue, "", Choice(setting));
  const size_t turn = dialogue->messages.size();
  for (size_t call = 0; call < task.calls.size(); ++call) {
    dialogue->messages.back().tool_calls.push_back({CallId(turn, call), task.name, DumpPythonJson(task.calls[call])});
  }
}

// What the calls of the last message give back, and the answer.
void AddResults(const Setting& setting, Dialogue* dialogue) {
  const size_t turn = dialogue->messages.size();
  for (size_t call = 0; call < setting.task.results.size(); ++call) {
    ChatMessage result;
    result.role = "tool";
    result.tool_call_id = CallId(turn, call);
    result.content = setting.task.results[call];
    dialogue->messages.push_back(std::move(result));
  }
  AddAssistant(dialogue, setting.task.answer, "I have the result and can answer.");
}

void ExpectCalls(const ToolTask& task, Dialogue* dialogue) {
  std::vector<Json> calls;
  for (const Json& arguments : task.calls) {
    calls.push_back(Json::Object({{"name", Json::String(task.name)}, {"arguments", arguments}}));
  }
  dialogue->check = AnswerCheck::kToolCalls;
  dialogue->expected = DumpPythonJson(Json::Array(std::move(calls)));
}

void ExpectText(std::string_view text, Dialogue* dialogue) {
  dialogue->check = AnswerCheck::kContains;
  dialogue->expected = text;
}

std::string KeyOf(const ToolTask& task) {
  std::string key = "tools";
  for (const Json& call : task.calls) {
    for (const auto& [name, value] : call.members()) key += StrCat(" ", DumpPythonJson(value));
  }
  return key;
}

Draft Call(CorpusRandom& random) {
  const Setting setting = DrawSetting(random, /*without_its_own=*/false);
  Draft draft;
  draft.key = KeyOf(setting.task);
  Begin(random, setting, setting.task.wish, &draft);
  AddCalls(setting, &draft.dialogue);
  ExpectCalls(setting.task, &draft.dialogue);
  return draft;
}

Draft Result(CorpusRandom& random) {
  const Setting setting = DrawSetting(random, /*without_its_own=*/false);
  Draft draft;
  draft.key = KeyOf(setting.task);
  Begin(random, setting, setting.task.wish, &draft);
  AddCalls(setting, &draft.dialogue);
  AddResults(setting, &draft.dialogue);
  ExpectText(setting.task.sign, &draft.dialogue);
  return draft;
}

// A question that needs no tool although some are offered.
Draft NotNeeded(CorpusRandom& random) {
  constexpr ByLanguage kGreetings = {"Hi|Hello|Hey|Good morning", "你好|您好",
                                     "Hallo|Guten Tag",           "Bonjour|Salut",
                                     "Hola|Buenos días",          "こんにちは|おはよう"};
  constexpr ByLanguage kReplies = {"Hello! How can I help you?",      "你好！有什么可以帮你的吗？",
                                   "Hallo! Wie kann ich dir helfen?", "Bonjour ! Comment puis-je t'aider ?",
                                   "¡Hola! ¿En qué puedo ayudarte?",  "こんにちは！何かお手伝いできますか？"};
  const Setting setting = DrawSetting(random, /*without_its_own=*/false);
  std::string question;
  std::string answer;
  std::string sign;
  const std::vector<std::string> greetings = TrainedAlternatives(
      In(kGreetings, setting.language), [&](std::string_view asked) { return ExchangeKey(setting.language, asked); });
  if (random.Chance(0.3) && !greetings.empty()) {
    question = random.Pick(greetings);
    answer = In(kReplies, setting.language);
    sign = answer;
  } else {
    const SimpleQuestion simple = PickSimpleQuestion(random, setting.language);
    question = AskFully(random, simple, setting.language);
    answer = AnswerFully(simple, setting.language);
    sign = AnswerShortly(simple, setting.language);
  }
  Draft draft;
  draft.key = NeedsNoToolKey(question, setting.tools[0].tool);
  Begin(random, setting, question, &draft);
  AddAssistant(&draft.dialogue, answer, "I need no tool for this.");
  ExpectText(sign, &draft.dialogue);
  return draft;
}

// A wish that none of the offered tools fulfils.
void AddRefusal(const Setting& setting, Dialogue* dialogue) {
  constexpr ByLanguage kAnswer = {
      "Sorry, I have no tool for that.",           "抱歉，我没有可以做这件事的工具。",
      "Dafür habe ich leider kein Werkzeug.",      "Désolé, je n'ai pas d'outil pour cela.",
      "Lo siento, no tengo herramienta para eso.", "すみません、そのためのツールがありません。"};
  // More than a word that the names of tools are listed with, too.
  constexpr ByLanguage kSign = {"no tool",     "没有可以做这件事的工具", "kein Werkzeug",
                                "pas d'outil", "no tengo herramienta",   "ツールがありません"};
  AddAssistant(dialogue, std::string(In(kAnswer, setting.language)), Choice(setting));
  ExpectText(In(kSign, setting.language), dialogue);
}

Draft NoneFits(CorpusRandom& random) {
  const Setting setting = DrawSetting(random, /*without_its_own=*/true);
  Draft draft;
  draft.key = KeyOf(setting.task);
  Begin(random, setting, setting.task.wish, &draft);
  AddRefusal(setting, &draft.dialogue);
  return draft;
}

// Two or three wishes one after the other, of which one may have no tool. Those before the last one are for training.
Draft Several(CorpusRandom& random) {
  const bool one_fits_none = random.Chance(0.35);
  const auto is_held_out = [](const ToolTask& wish) { return !BelongsTo(Split::kTrain, KeyOf(wish)); };
  Setting setting;
  std::vector<ToolTask> wishes;
  do {
    setting = DrawSetting(random, one_fits_none);
    wishes = setting.tools;
    if (one_fits_none) wishes.push_back(setting.task);
    std::erase_if(wishes, [&](const ToolTask& wish) { return wish.english && setting.language != Language::kEn; });
    random.Shuffle(wishes);  // not in the order of the tools
    if (wishes.size() > 3) wishes.pop_back();
  } while (wishes.size() < 2 || std::any_of(wishes.begin(), wishes.end() - 1, is_held_out));
  Draft draft;
  Begin(random, setting, wishes[0].wish, &draft);
  Dialogue& dialogue = draft.dialogue;
  for (size_t at = 0; at < wishes.size(); ++at) {
    if (at > 0) dialogue.messages.push_back(UserMessage(wishes[at].wish));
    setting.task = wishes[at];
    const bool fits =
        std::ranges::any_of(setting.tools, [&](const ToolTask& tool) { return tool.name == wishes[at].name; });
    if (!fits) {
      AddRefusal(setting, &dialogue);
      continue;
    }
    AddCalls(setting, &dialogue);
    ExpectCalls(setting.task, &dialogue);
    if (at + 1 == wishes.size() && random.Chance(0.5)) continue;
    AddResults(setting, &dialogue);
    ExpectText(setting.task.sign, &dialogue);
  }
  draft.key = KeyOf(wishes.back());
  return draft;
}

// Which tools there are.
Draft List(CorpusRandom& random) {
  constexpr ByLanguage kQuestions = {
      "Which tools do you have?|What tools can you use?|List your tools.|Name your tools.",
      "你有哪些工具？|你能用哪些工具？",
      "Welche Werkzeuge hast du?|Nenne deine Werkzeuge.",
      "Quels outils as-tu ?|Cite tes outils.",
      "¿Qué herramientas tienes?|Nombra tus herramientas.",
      "どんなツールがありますか？|ツールの名前を教えてください。",
  };
  constexpr ByLanguage kAnswer = {"My tools: {v}",    "我的工具：{v}",         "Meine Werkzeuge: {v}",
                                  "Mes outils : {v}", "Mis herramientas: {v}", "ツール：{v}"};
  const Setting setting = DrawSetting(random, random.Chance(0.5));
  const std::string names = ToolNames(setting);
  Draft draft;
  draft.key = names;
  Begin(random, setting, Alternative(random, In(kQuestions, setting.language)), &draft);
  AddAssistant(&draft.dialogue, Fill(In(kAnswer, setting.language), {{"v", names}}),
               StrCat("My tools: ", names, ". I name them."));
  ExpectText(names, &draft.dialogue);
  return draft;
}

constexpr Subject kSubjects[] = {
    {"tools.call", 4.2, WriteFrom<Call>},
    {"tools.result", 0.8, WriteFrom<Result>},
    {"tools.not_needed", 0.6, WriteFrom<NotNeeded>},
    {"tools.none_fits", 3.2, WriteFrom<NoneFits>},
    {"tools.list", 1.0, WriteFrom<List>},
    {"tools.several", 2.5, WriteFrom<Several>},
};

}  // namespace

std::span<const Subject> ToolSubjects() { return kSubjects; }

}  // namespace fathom
