#include "apps/eval_items.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr EvalSuite kSuites[] = {{"nano", Subjects}};

// Subjects with few questions repeat them; after this many draws for every question wanted they have no more.
constexpr uint64_t kDrawsPerItem = 8;
// With a least distance: of Nano's lookups in long texts one in about 110 has its fact 4,096 tokens before the end.
constexpr uint64_t kDrawsPerDistantItem = 400;

// Groups that kAsWritten asks both ways.
constexpr std::string_view kThoughtGroups[] = {"arithmetic", "word_problem"};

constexpr std::string_view kLongLookup = "lookup.long";

bool HasLookupDistances(std::string_view subject) { return subject.starts_with(kLongLookup); }

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

// What was drawn of one subject.
struct Drawn {
  std::string_view subject;
  std::vector<EvalItem> items = {};
  int64_t questions = 0;  // `items`, each once for all of its modes
  uint64_t draws = 0;
  int64_t furthest = 0;  // distance that was met, where one is asked for
};

// Of `progress` these are the questions after the first `before`.
Result<Drawn> Draw(const Subject& subject, const EvalSelection& selection, Dialect dialect, const Tokenizer* tokenizer,
                   int64_t before, Progress* progress) {
  Drawn drawn = {subject.name};
  std::set<std::string> prompts;
  const uint64_t draws =
      (selection.min_distance > 0 ? kDrawsPerDistantItem : kDrawsPerItem) * static_cast<uint64_t>(selection.items);
  for (; drawn.draws < draws && drawn.questions < selection.items; ++drawn.draws) {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C while questions were chosen");
    progress->Update(static_cast<uint64_t>(before + drawn.questions));
    const Dialogue dialogue = WriteDialogue(subject, Split::kHeldOut, selection.seed, drawn.draws);
    bool fresh = false;
    for (const ThinkingMode mode : ModesOf(dialogue, selection.thinking)) {
      FATHOM_ASSIGN_OR_RETURN(EvalItem item, ItemIn(mode, dialogue, drawn.draws, dialect));
      if (selection.min_distance > 0) {
        const int64_t distance = LookupDistance(item, *tokenizer).value_or(0);
        drawn.furthest = std::max(drawn.furthest, distance);
        if (distance < selection.min_distance) continue;
      }
      if (!prompts.insert(item.prompt.text()).second) continue;
      drawn.items.push_back(std::move(item));
      fresh = true;
    }
    drawn.questions += static_cast<int64_t>(fresh);
  }
  return drawn;
}

// Says where there are fewer questions at that distance than were asked for; an error if there are none at all.
Status CheckDistant(const std::vector<Drawn>& by_subject, const EvalSelection& selection) {
  bool any = false;
  std::string fewer;
  for (const Drawn& drawn : by_subject) {
    any = any || drawn.questions > 0;
    if (drawn.questions == selection.items) continue;
    fewer += StrCat("; it is reached by ", drawn.questions, " of ", drawn.draws, " questions drawn of ", drawn.subject,
                    ", the furthest at ", drawn.furthest, " tokens");
  }
  if (fewer.empty()) return {};
  const std::string found = StrCat("--min-distance is ", selection.min_distance, fewer);
  if (!any) return InvalidArgument(found);
  WriteStderr(StrCat("fathom eval: ", found, "\n"));
  return {};
}

Status NoSubject(std::span<const Subject> subjects, const EvalSelection& selection) {
  std::set<std::string_view> groups;
  std::string distant;
  bool exists = false;
  for (const Subject& subject : subjects) {
    groups.insert(EvalGroup(subject.name));
    exists = exists || subject.name.starts_with(selection.subject);
    if (HasLookupDistances(subject.name)) distant += StrCat(distant.empty() ? "" : ", ", subject.name);
  }
  const std::string prefix = Printable(selection.subject, 40);
  if (exists) {
    return InvalidArgument(StrCat("--min-distance is for questions about one place in a long text (", distant,
                                  "), and --subject is '", prefix, "'"));
  }
  std::string names;
  for (const std::string_view group : groups) names += StrCat(names.empty() ? "" : ", ", group);
  return InvalidArgument(StrCat("--subject is '", prefix, "' and no subject's name begins so; the groups are ", names));
}

}  // namespace

std::span<const EvalSuite> EvalSuites() { return kSuites; }

const EvalSuite* FindEvalSuite(std::string_view name) {
  const auto* const suite = std::ranges::find(kSuites, name, &EvalSuite::name);
  return suite == std::end(kSuites) ? nullptr : suite;
}

Result<std::vector<EvalItem>> SelectEvalItems(std::span<const Subject> subjects, const EvalSelection& selection,
                                              Dialect dialect, const Tokenizer* tokenizer) {
  FATHOM_CHECK(selection.min_distance == 0 || tokenizer != nullptr);
  const auto chosen = [&](const Subject& subject) {
    return subject.name.starts_with(selection.subject) &&
           (selection.min_distance == 0 || HasLookupDistances(subject.name));
  };
  const int64_t most = selection.items * std::ranges::count_if(subjects, chosen);
  Progress progress("choosing questions", static_cast<uint64_t>(most), Progress::Unit::kItems);
  std::vector<Drawn> by_subject;
  for (const Subject& subject : subjects) {
    if (!chosen(subject)) continue;
    const int64_t before = selection.items * static_cast<int64_t>(by_subject.size());
    FATHOM_ASSIGN_OR_RETURN(by_subject.emplace_back(), Draw(subject, selection, dialect, tokenizer, before, &progress));
  }
  progress.Finish();
  if (by_subject.empty()) return NoSubject(subjects, selection);
  if (selection.min_distance > 0) FATHOM_RETURN_IF_ERROR(CheckDistant(by_subject, selection));
  std::vector<EvalItem> items;
  for (size_t turn = 0, before = 1; before != 0; ++turn) {
    before = 0;
    for (Drawn& drawn : by_subject) {
      if (turn >= drawn.items.size()) continue;
      items.push_back(std::move(drawn.items[turn]));
      ++before;
    }
  }
  return items;
}

std::string_view EvalGroup(std::string_view subject) { return subject.substr(0, subject.find('.')); }

std::optional<int64_t> LookupDistance(const EvalItem& item, const Tokenizer& tokenizer) {
  if (!HasLookupDistances(item.dialogue.subject) || item.dialogue.expected.empty()) return std::nullopt;
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
