// training_sequence.h - a dialogue as the trainer sees it: token ids in the real chat encoding, and how much each one
// counts in the loss.
#ifndef FATHOM_CORPUS_TRAINING_SEQUENCE_H_
#define FATHOM_CORPUS_TRAINING_SEQUENCE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "corpus/corpus.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// The whole dialogue as its prompt format writes it. Errors are RenderChat's.
Result<RenderedPrompt> RenderDialogue(const Dialogue& dialogue);

struct TrainingSequence {
  std::vector<int32_t> tokens;
  // weights[t] is for predicting tokens[t] from the tokens before it: 1 for what the assistant would generate (from
  // after the <think> or </think> that ends its prompt, up to and including EOS), `prompt_weight` for the rest, 0 for
  // token 0.
  std::vector<float> weights;
};

// The whole dialogue, and only turns weighted 1 whose rendering here is what the model would have seen when it wrote
// them: in thinking mode without tools the reasoning of earlier turns is gone, so those turns get `prompt_weight`.
// The tokens are those that chat and engine feed for the same messages. Errors are RenderChat's.
Result<TrainingSequence> MakeTrainingSequence(const Dialogue& dialogue, const Tokenizer& tokenizer,
                                              float prompt_weight);

// The prompt for the dialogue's last answer, as ids: what an examination gives the model.
Result<std::vector<int32_t>> MakePrompt(const Dialogue& dialogue, const Tokenizer& tokenizer);

// A user's own dialogues, one JSON object a line:
//
//   messages          required: a list as ParseChatMessages takes it, the last one the assistant's
//   tools             as in a request: [{"type": "function", "function": {...}}, ...]
//   thinking          true or false; without it, true if any assistant message has reasoning_content
//   reasoning_effort  as EffortPrefix takes it; only with thinking
//
// Other keys are ignored, blank lines are skipped. Every error names file, line and field. With progress on stderr;
// kCancelled after Ctrl-C.
Result<std::vector<Dialogue>> ReadDialogues(const std::string& jsonl_path);

inline constexpr uint64_t kMaxDialogueFileBytes = uint64_t{1} << 30;
inline constexpr size_t kMaxDialogueLineBytes = size_t{16} << 20;

}  // namespace fathom

#endif  // FATHOM_CORPUS_TRAINING_SEQUENCE_H_
