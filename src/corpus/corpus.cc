#include "corpus/corpus.h"

#include <algorithm>
#include <array>

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
        JsonSubjects(), ToolSubjects()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
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

Dialogue CorpusDialogue(uint64_t seed, uint64_t index) {
  double total = 0;
  for (const Subject& subject : Subjects()) total += subject.share;
  CorpusRandom random(Mix("subject", seed, index, Split::kTrain));
  double at = random.Unit() * total;
  for (const Subject& subject : Subjects()) {
    at -= subject.share;
    if (at < 0) return WriteDialogue(subject, Split::kTrain, seed, index);
  }
  return WriteDialogue(Subjects().back(), Split::kTrain, seed, index);
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
