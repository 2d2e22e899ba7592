#include "apps/eval_items.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr EvalSuite kSuites[] = {{"nano", Subjects}};

// Subjects with few questions repeat them; after this many draws for every question wanted they have no more.
constexpr uint64_t kDrawsPerItem = 8;

// Groups that kAsWritten asks both ways.
constexpr std::string_view kThoughtGroups[] = {"arithmetic", "word_problem"};

constexpr std::string_view kLongLookup = "lookup.long";

std::vector<ThinkingMode> ModesOf(const Dialogue& dialogue, EvalThinking thinking) {
  const std::string_view group = EvalGroup(dialogue.subject);
  const bool calculates = std::ranges::find(kThoughtGroups, group) != std::end(kThoughtGroups);
  if (thinking == EvalThinking::kAsWritten && !calculates) return {dialogue.mode};
  std::vector<ThinkingMode> modes;
  if (thinking != EvalThinking::kOn) modes.push_back(ThinkingMode::kChat);
  if (thinking != EvalThinking::kOff) modes.push_back(ThinkingMode::kThinking);
  return modes;
}

Result<EvalItem> ItemIn(ThinkingMode mode, Dialogue dialogue, uint64_t number, Dialect dialect) {
  if (dialogue.mode != mode) dialogue.effort.reset();
  dialogue.mode = mode;
  const std::span<const ChatMessage> messages = dialogue.messages;
  Result<RenderedPrompt> prompt =
      RenderChat(messages.first(messages.size() - 1), dialogue.tools,
                 {.dialect = dialect, .thinking_mode = mode, .reasoning_effort = dialogue.effort});
  if (!prompt.ok()) {
    return InvalidArgument(StrCat("question ", number, " of ", dialogue.subject, ": ", prompt.status().message()));
  }
  return EvalItem{std::move(dialogue), number, std::move(*prompt)};
}

// Those of one subject, of which `progress` hears as the questions after the first `before`.
Result<std::vector<EvalItem>> ItemsOf(const Subject& subject, const EvalSelection& selection, Dialect dialect,
                                      int64_t before, Progress* progress) {
  std::vector<EvalItem> items;
  std::set<std::string> prompts;
  int64_t questions = 0;
  const uint64_t draws = kDrawsPerItem * static_cast<uint64_t>(selection.items);
  for (uint64_t number = 0; number < draws && questions < selection.items; ++number) {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C while questions were chosen");
    progress->Update(static_cast<uint64_t>(before + questions));
    const Dialogue dialogue = WriteDialogue(subject, Split::kHeldOut, selection.seed, number);
    bool fresh = false;
    for (const ThinkingMode mode : ModesOf(dialogue, selection.thinking)) {
      FATHOM_ASSIGN_OR_RETURN(EvalItem item, ItemIn(mode, dialogue, number, dialect));
      if (!prompts.insert(item.prompt.text()).second) continue;
      items.push_back(std::move(item));
      fresh = true;
    }
    questions += static_cast<int64_t>(fresh);
  }
  return items;
}

}  // namespace

std::span<const EvalSuite> EvalSuites() { return kSuites; }

const EvalSuite* FindEvalSuite(std::string_view name) {
  const auto* const suite = std::ranges::find(kSuites, name, &EvalSuite::name);
  return suite == std::end(kSuites) ? nullptr : suite;
}

Result<std::vector<EvalItem>> SelectEvalItems(std::span<const Subject> subjects, const EvalSelection& selection,
                                              Dialect dialect) {
  const auto chosen = [&](const Subject& subject) { return subject.name.starts_with(selection.subject); };
  const int64_t most = selection.items * std::ranges::count_if(subjects, chosen);
  Progress progress("choosing questions", static_cast<uint64_t>(most), Progress::Unit::kItems);
  std::vector<std::vector<EvalItem>> by_subject;
  for (const Subject& subject : subjects) {
    if (!chosen(subject)) continue;
    const int64_t before = selection.items * static_cast<int64_t>(by_subject.size());
    FATHOM_ASSIGN_OR_RETURN(by_subject.emplace_back(), ItemsOf(subject, selection, dialect, before, &progress));
  }
  progress.Finish();
  if (by_subject.empty()) {
    std::set<std::string_view> groups;
    for (const Subject& subject : subjects) groups.insert(EvalGroup(subject.name));
    std::string names;
    for (const std::string_view group : groups) names += StrCat(names.empty() ? "" : ", ", group);
    return InvalidArgument(StrCat("--subject is '", Printable(selection.subject, 40),
                                  "' and no subject's name begins so; the groups are ", names));
  }
  std::vector<EvalItem> items;
  for (size_t turn = 0, before = 1; before != 0; ++turn) {
    before = 0;
    for (std::vector<EvalItem>& own : by_subject) {
      if (turn >= own.size()) continue;
      items.push_back(std::move(own[turn]));
      ++before;
    }
  }
  return items;
}

std::string_view EvalGroup(std::string_view subject) { return subject.substr(0, subject.find('.')); }

std::optional<int64_t> LookupDistance(const EvalItem& item, const Tokenizer& tokenizer) {
  if (!item.dialogue.subject.starts_with(kLongLookup) || item.dialogue.expected.empty()) return std::nullopt;
  const std::string text = item.prompt.text();
  // A value alone ("7", "Rome") also stands in other sentences: the fact is where its whole sentence is.
  const std::string& sentence = item.dialogue.messages.back().content;
  const bool states_it = sentence.find(item.dialogue.expected) != std::string::npos;
  const bool repeats = states_it && text.find(sentence) != std::string::npos;
  const std::string& fact = repeats ? sentence : item.dialogue.expected;
  const size_t at = text.rfind(fact);
  if (at == std::string::npos) return std::nullopt;
  const std::string after = text.substr(at + fact.size());
  return static_cast<int64_t>(tokenizer.Encode(after, AddedTokens::kMatch).size());
}

}  // namespace fathom
