// keys.h - the keys of questions that other subjects ask, too: in a conversation, or under a system prompt. There they
// are for training whatever the split of the dialogue, so they may not be what the subject itself holds out.
#ifndef FATHOM_CORPUS_KEYS_H_
#define FATHOM_CORPUS_KEYS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "corpus/phrases.h"

namespace fathom {

// Of facts.cc: the phrasing.
std::string FactKey(std::string_view question);

// Of small_talk.cc and what the model says about itself: language and phrasing.
std::string ExchangeKey(Language language, std::string_view asked);

// Of multi_turn.cc's small talk around questions: what the user says, message after message. A conversation that goes
// on is trained on up to there as well.
std::string ChatKey(std::span<const std::string> asked);

// Of tools.cc's questions that need no tool: with the first of the tools on offer.
std::string NeedsNoToolKey(std::string_view question, const Json& first_tool);

// Of arithmetic.cc, with `name` "add", "sub" and so on. Small tables cannot be worked out, only known: there a pair is
// held out in one wording, larger ones in every wording.
std::string ArithmeticKey(std::string_view name, int64_t a, int64_t b, bool is_table, std::string_view question);
std::string AdditionKey(int64_t a, int64_t b, std::string_view question);
std::string SubtractionKey(int64_t a, int64_t b, std::string_view question);
// Whether arithmetic.cc holds out a + b, a - b or a * b in every wording: then nobody else may ask for it or write it
// as an equation, not on the way to something longer either (the columns of long sums and products excepted). The signs
// are "+", "-" and "*" or "×"; others are not looked at, and what is in a table is not held out so.
bool IsHeldOutPair(std::string_view sign, int64_t a, int64_t b);

// The pieces of "one|two|three" whose `key_of(piece)` is for training.
template <typename KeyOf>
std::vector<std::string> TrainedAlternatives(std::string_view joined, const KeyOf& key_of) {
  std::vector<std::string> trained;
  for (const std::string_view piece : Alternatives(joined)) {
    if (BelongsTo(Split::kTrain, key_of(piece))) trained.emplace_back(piece);
  }
  return trained;
}

}  // namespace fathom

#endif  // FATHOM_CORPUS_KEYS_H_
