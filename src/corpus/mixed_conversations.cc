// Conversations that go from one kind of question to another, as those of people do.
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

// Subjects that may stand side by side in a conversation, and how often they are drawn.
struct Topic {
  std::vector<std::string> subjects;
  double share;
};

// Left out are subjects with a system prompt or a schema, which holds for the whole conversation, long texts, questions
// about "my first question", and small talk with questions in it, which is a mixture of its own.
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
constexpr size_t kMultiTurn = 8;

// Small talk behind what the user has told: "who am I?" is no longer a question that cannot be answered.
const std::vector<std::string>& NoRefusals() {
  static const std::vector<std::string> kSubjects = {"small_talk.greeting", "small_talk.how_are_you",
                                                     "small_talk.thanks", "small_talk.bye", "small_talk.about_self"};
  return kSubjects;
}

// What is answered without a tool whichever are offered, as in tools.not_needed.
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

// Puts what was said before in front of `last`. Of system prompts only one at the very beginning stays: none of these
// subjects needs its own.
Dialogue Join(std::vector<Dialogue> before, Dialogue last) {
  std::vector<ChatMessage> messages;
  before.push_back(std::move(last));
  for (Dialogue& part : before) {
    for (ChatMessage& message : part.messages) {
      if (message.role != "system" || messages.empty()) messages.push_back(std::move(message));
    }
  }
  Dialogue joined = std::move(before.back());
  joined.messages = std::move(messages);
  return joined;
}

// The chat template drops the thoughts of earlier answers, unless there are tools.
void DropThoughts(std::vector<ChatMessage>* messages) {
  for (ChatMessage& message : *messages) message.reasoning_content.clear();
}

// One that was not there yet; small talk may come again after something else.
size_t DrawTopic(CorpusRandom& random, const std::vector<size_t>& so_far) {
  std::vector<double> shares;
  double total = 0;
  for (const Topic& topic : Topics()) total += shares.emplace_back(topic.share);
  for (const size_t topic : so_far) {
    if (topic == kSmallTalk && so_far.back() != kSmallTalk) continue;
    total -= std::exchange(shares[topic], 0);
  }
  double at = random.Unit() * total;
  size_t last = kSmallTalk;  // of those drawn from, for what rounding leaves of `at`
  for (size_t topic = 0; topic < shares.size(); ++topic) {
    if (shares[topic] == 0) continue;
    last = topic;
    at -= shares[topic];
    if (at < 0) break;
  }
  return last;
}

// Whether the conversation, its last question excepted where that is held out itself, could be small talk that
// multi_turn.chat holds out.
bool MeetsHeldOutChat(const Dialogue& dialogue, Split split) {
  std::vector<std::string> asked;
  for (const ChatMessage& message : dialogue.messages) {
    if (message.role == "user") asked.push_back(message.content);
  }
  const size_t trained = split == Split::kTrain ? asked.size() : asked.size() - 1;
  for (size_t count = 2; count <= trained; ++count) {
    if (!BelongsTo(Split::kTrain, ChatKey({asked.data(), count}))) return true;
  }
  return false;
}

Dialogue DrawTopics(CorpusRandom& random, Split split) {
  constexpr std::array<size_t, 6> kCounts = {2, 2, 2, 3, 3, 4};
  const size_t count = random.Pick(kCounts);
  std::string language(LanguageCode(PickLanguage(random)));
  std::vector<size_t> topics;
  std::vector<Dialogue> parts;
  bool has_told = false;
  while (parts.size() < count) {
    const bool is_last = parts.size() + 1 == count;
    topics.push_back(topics.empty() && random.Chance(0.4) ? kSmallTalk : DrawTopic(random, topics));
    const size_t topic = topics.back();
    const std::vector<std::string>& subjects =
        topic == kSmallTalk && has_told ? NoRefusals() : Topics()[topic].subjects;
    has_told = has_told || topic == kMultiTurn;
    parts.push_back(DrawPart(random, is_last ? split : Split::kTrain, subjects, language));
    if (!is_last) DropThoughts(&parts.back().messages);
    if (random.Chance(0.15)) language = LanguageCode(PickLanguage(random));
  }
  Dialogue last = std::move(parts.back());
  parts.pop_back();
  return Join(std::move(parts), std::move(last));
}

// Two to four topics. Only the last question is of the split: what stands before it is trained on in either case.
Dialogue Mixed(CorpusRandom& random, Split split) {
  while (true) {
    Dialogue dialogue = DrawTopics(random, split);
    if (!MeetsHeldOutChat(dialogue, split)) return dialogue;
  }
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
  const auto first_question = [](const Dialogue& part) {
    return part.messages[part.messages[0].role == "system" ? 1 : 0].content;
  };
  std::vector<Dialogue> before;
  if (ends_with_tools || random.Chance(0.4)) {
    do {  // it stands there as in tools.not_needed
      before.assign(1, plain(Split::kTrain));
    } while (!BelongsTo(Split::kTrain, NeedsNoToolKey(first_question(before[0]), with_tools.tools[0])));
  }
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
