#include "corpus/corpus.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "corpus/subjects.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fathom {
namespace {

// Mixes what a dialogue is named by into one seed.
uint64_t Mix(std::string_view name, uint64_t seed, uint64_t index, Split split) {
  const std::array<uint64_t, 3> words = {seed, index, static_cast<uint64_t>(split)};
  return XXH3_64bits_withSeed(words.data(), sizeof(words), XXH3_64bits(name.data(), name.size()));
}

std::vector<Subject> AllSubjects() {
  std::vector<Subject> all;
  for (const std::span<const Subject> part :
       {ArithmeticSubjects(), WordProblemSubjects(), FactSubjects(), TranslationSubjects(), StringSubjects(),
        SmallTalkSubjects(), SystemPromptSubjects(), MultiTurnSubjects(), PythonSubjects(), LookupSubjects(),
        JsonSubjects(), ToolSubjects(), MixedSubjects()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// "lookup" names "lookup.short", "lookup.long" and so on.
bool IsNamedBy(const Subject& subject, std::string_view name) {
  return subject.name == name || (subject.name.starts_with(name) && subject.name.substr(name.size()).starts_with('.'));
}

}  // namespace

std::span<const Subject> Subjects() {
  static const std::vector<Subject> kSubjects = AllSubjects();
  return kSubjects;
}

Dialogue WriteDialogue(const Subject& subject, Split split, uint64_t seed, uint64_t index) {
  CorpusRandom random(Mix(subject.name, seed, index, split));
  Dialogue dialogue = subject.write(random, split);
  dialogue.subject = subject.name;
  return dialogue;
}

bool IsSubjectOrGroup(std::string_view name) {
  return std::ranges::any_of(Subjects(), [&](const Subject& subject) { return IsNamedBy(subject, name); });
}

const Subject& DrawSubject(CorpusRandom& random, std::span<const std::string> among) {
  const auto share_of = [&](const Subject& subject) {
    const bool drawn =
        among.empty() || std::ranges::any_of(among, [&](const std::string& name) { return IsNamedBy(subject, name); });
    return drawn ? subject.share : 0;
  };
  double total = 0;
  for (const Subject& subject : Subjects()) total += share_of(subject);
  double at = random.Unit() * total;
  const Subject* last = nullptr;  // of those drawn from, for what rounding leaves of `at`
  for (const Subject& subject : Subjects()) {
    const double share = share_of(subject);
    if (share == 0) continue;
    last = &subject;
    at -= share;
    if (at < 0) break;
  }
  FATHOM_CHECK(last != nullptr);
  return *last;
}

Dialogue CorpusDialogue(uint64_t seed, uint64_t index, std::span<const std::string> among) {
  CorpusRandom random(Mix("subject", seed, index, Split::kTrain));
  return WriteDialogue(DrawSubject(random, among), Split::kTrain, seed, index);
}

bool BelongsTo(Split split, std::string_view key) {
  constexpr uint64_t kHeldOutOneIn = 10;
  const bool held_out = XXH3_64bits(key.data(), key.size()) % kHeldOutOneIn == 0;
  return held_out == (split == Split::kHeldOut);
}

ChatMessage SystemMessage(std::string content) {
  ChatMessage message;
  message.role = "system";
  message.content = std::move(content);
  return message;
}

ChatMessage UserMessage(std::string content) {
  ChatMessage message;
  message.role = "user";
  message.content = std::move(content);
  return message;
}

ChatMessage AssistantMessage(std::string content, std::string reasoning) {
  ChatMessage message;
  message.role = "assistant";
  message.content = std::move(content);
  message.reasoning_content = std::move(reasoning);
  return message;
}

}  // namespace fathom
