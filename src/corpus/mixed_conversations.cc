// Conversations that go from one kind of question to another, as those of people do.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

// Subjects that may stand side by side in a conversation, and how often they are drawn.
struct Topic {
  std::vector<std::string> subjects;
  double share;
};

// Left out are subjects with a system prompt or a schema, which holds for the whole conversation, long texts, and
// questions about "my first question".
const std::vector<Topic>& Topics() {
  static const std::vector<Topic> kTopics = {
      {{"small_talk"}, 3.0},
      {{"arithmetic"}, 4.0},
      {{"word_problem"}, 1.5},
      {{"facts"}, 3.0},
      {{"translation"}, 1.5},
      {{"strings"}, 2.0},
      {{"python"}, 1.5},
      {{"lookup.few", "lookup.short"}, 1.5},
      {{"multi_turn.recall", "multi_turn.sums", "multi_turn.list", "multi_turn.follow_up"}, 1.5},
  };
  return kTopics;
}
constexpr size_t kSmallTalk = 0;
constexpr size_t kNoTopic = SIZE_MAX;

// What needs no tool whichever are offered: no sums, and nothing that a tool could find out.
const std::vector<std::string>& NeedNoTool() {
  static const std::vector<std::string> kSubjects = {
      "small_talk.greeting", "small_talk.how_are_you", "small_talk.thanks", "small_talk.about_self",
      "facts.capitals",      "facts.colors",           "facts.opposites",   "multi_turn.follow_up"};
  return kSubjects;
}

// A dialogue of one of the subjects, in that language if one comes up soon: some subjects do not have every language.
Dialogue DrawPart(CorpusRandom& random, Split split, const std::vector<std::string>& subjects,
                  const std::string& language) {
  constexpr int kTries = 16;
  const Subject& subject = DrawSubject(random, subjects);
  Dialogue part = subject.write(random, split);
  for (int tries = 1; tries < kTries && part.language != language && part.language != "-"; ++tries) {
    part = subject.write(random, split);
  }
  return part;
}

// Puts what was said before in front of `last`. Thoughts stay only where the chat template keeps them, beside tools.
Dialogue Join(std::vector<Dialogue> before, Dialogue last) {
  std::vector<ChatMessage> messages;
  before.push_back(std::move(last));
  for (Dialogue& part : before) {
    for (ChatMessage& message : part.messages) {
      if (message.role != "system") {
        messages.push_back(std::move(message));
      } else if (messages.empty()) {
        messages.push_back(std::move(message));
      }
    }
  }
  Dialogue joined = std::move(before.back());
  joined.messages = std::move(messages);
  return joined;
}

void Forget(std::vector<ChatMessage>* messages) {
  for (ChatMessage& message : *messages) message.reasoning_content.clear();
}

size_t DrawTopic(CorpusRandom& random, size_t previous) {
  double total = 0;
  for (const Topic& topic : Topics()) total += topic.share;
  while (true) {
    double at = random.Unit() * total;
    for (size_t topic = 0; topic < Topics().size(); ++topic) {
      at -= Topics()[topic].share;
      if (at < 0 && topic != previous) return topic;
      if (at < 0) break;
    }
  }
}

// Two to four topics. Only the last question is of the split: what stands before it is trained on in either case.
Dialogue Mixed(CorpusRandom& random, Split split) {
  constexpr std::array<size_t, 6> kCounts = {2, 2, 2, 3, 3, 4};
  const size_t count = random.Pick(kCounts);
  std::string language(LanguageCode(PickLanguage(random)));
  std::vector<Dialogue> before;
  size_t previous = kNoTopic;
  for (size_t at = 0; at + 1 < count; ++at) {
    previous = at == 0 && random.Chance(0.4) ? kSmallTalk : DrawTopic(random, previous);
    before.push_back(DrawPart(random, Split::kTrain, Topics()[previous].subjects, language));
    Forget(&before.back().messages);
    if (random.Chance(0.15)) language = LanguageCode(PickLanguage(random));
  }
  return Join(std::move(before), DrawPart(random, split, Topics()[DrawTopic(random, previous)].subjects, language));
}

// Under one set of tools: questions without them before, after or on both sides of a wish.
Dialogue MixedWithTools(CorpusRandom& random, Split split) {
  const std::string language(LanguageCode(PickLanguage(random)));
  const bool ends_with_tools = random.Chance(0.6);
  Dialogue with_tools;
  if (ends_with_tools) {
    with_tools = DrawPart(random, split, {"tools"}, language);
  } else {
    do {  // a call cannot be left without its result
      with_tools =
          DrawPart(random, Split::kTrain, {"tools.result", "tools.none_fits", "tools.list", "tools.several"}, language);
    } while (with_tools.check == AnswerCheck::kToolCalls);
  }
  const ThinkingMode mode = with_tools.mode;
  const auto plain = [&](Split split_of_it) {
    Dialogue part = DrawPart(random, split_of_it, NeedNoTool(), language);
    for (ChatMessage& message : part.messages) {
      const bool thinks = message.role == "assistant" && mode == ThinkingMode::kThinking;
      message.reasoning_content = thinks ? "I need no tool for this." : "";
    }
    return part;
  };
  std::vector<Dialogue> before;
  if (ends_with_tools || random.Chance(0.4)) before.push_back(plain(Split::kTrain));
  if (ends_with_tools) return Join(std::move(before), std::move(with_tools));
  Dialogue last = plain(split);
  last.tools = with_tools.tools;
  last.mode = mode;
  last.effort = with_tools.effort;
  before.push_back(std::move(with_tools));
  return Join(std::move(before), std::move(last));
}

constexpr Subject kSubjects[] = {
    {"mixed.topics", 10.0, Mixed},
    {"mixed.tools", 2.5, MixedWithTools},
};

}  // namespace

std::span<const Subject> MixedSubjects() { return kSubjects; }

}  // namespace fathom
