// corpus.h - the text that Nano learns from: dialogues written by rules from a seed, with no outside text.
//
//   Dialogue dialogue = CorpusDialogue(/*seed=*/1, /*index=*/42);            // for training
//   Dialogue item = WriteDialogue(Subjects()[3], Split::kHeldOut, 1, 7);     // for an examination
//
// The same arguments give the same dialogue on every machine. What a subject asks (the two summands, the planted fact,
// the pair of country and template) is its key; a hash of the key says whether it belongs to training or to the
// held-out items, so that no held-out question is ever trained on.
#ifndef FATHOM_CORPUS_CORPUS_H_
#define FATHOM_CORPUS_CORPUS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "corpus/random.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_message.h"

namespace fathom {

enum class Split : uint8_t { kTrain, kHeldOut };

// How an answer is judged against `Dialogue::expected`. Where none is expected, a tool call is wrong whatever is said.
enum class AnswerCheck : uint8_t {
  kExact,      // the content without surrounding white space equals it
  kContains,   // the content contains it, and neither word nor number goes on at either end
  kNumber,     // the last number in the content equals it
  kJson,       // the content is JSON equal to it (order of members does not matter)
  kToolCalls,  // the tool calls are [{"name": ..., "arguments": {...}}, ...], equal to it as JSON
};

struct Dialogue {
  std::string subject;                // its Subject's name
  std::string language;               // "en", "zh", "de", "fr", "es", "ja"; "-" where none matters
  std::vector<ChatMessage> messages;  // the last one is the assistant's answer that is judged
  std::vector<Json> tools;            // `function` objects for RenderChat
  ThinkingMode mode = ThinkingMode::kChat;
  std::optional<std::string> effort;  // only with kThinking
  AnswerCheck check = AnswerCheck::kExact;
  std::string expected;
};

// One kind of question. `write` draws from `random` until the key belongs to `split`.
struct Subject {
  std::string_view name;  // "arithmetic.add3": group and kind
  double share;           // of the training dialogues, relative to the other subjects
  Dialogue (*write)(CorpusRandom& random, Split split);
};

// All subjects, in a fixed order.
std::span<const Subject> Subjects();

// The dialogue number `index` of a subject.
Dialogue WriteDialogue(const Subject& subject, Split split, uint64_t seed, uint64_t index);

// Whether `name` is a subject or a group of subjects ("lookup").
bool IsSubjectOrGroup(std::string_view name);

// A subject by share. With names of subjects and groups in `among`, only those are drawn from.
const Subject& DrawSubject(CorpusRandom& random, std::span<const std::string> among = {});

// The training dialogue number `index`: a subject drawn by share, then one of its dialogues. With names of subjects and
// groups in `among`, only those are drawn from.
Dialogue CorpusDialogue(uint64_t seed, uint64_t index, std::span<const std::string> among = {});

// Whether a question with this key belongs to `split`: a tenth of all keys is held out.
bool BelongsTo(Split split, std::string_view key);

// Messages with only role and content (and the thinking before an answer).
ChatMessage SystemMessage(std::string content);
ChatMessage UserMessage(std::string content);
ChatMessage AssistantMessage(std::string content, std::string reasoning = "");

// The judgement of an answer.
bool AnswerIsRight(const Dialogue& dialogue, const ChatMessage& answer);

}  // namespace fathom

#endif  // FATHOM_CORPUS_CORPUS_H_
