// training_sequence.h - a dialogue as the trainer sees it: token ids in the real chat encoding, and how much each one
// counts in the loss.
#ifndef FATHOM_CORPUS_TRAINING_SEQUENCE_H_
#define FATHOM_CORPUS_TRAINING_SEQUENCE_H_

#include <cstdint>
#include <span>
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
  // after the prompt's last <think> or </think> up to and including EOS), `prompt_weight` for the rest, 0 for token 0.
  std::vector<float> weights;
};

// The whole dialogue, and only turns weighted 1 whose rendering here is what the model would have seen when it wrote
// them: in thinking mode without tools the reasoning of earlier turns is gone, so those turns get `prompt_weight`.
// Errors are RenderChat's.
Result<TrainingSequence> MakeTrainingSequence(const Dialogue& dialogue, const Tokenizer& tokenizer,
                                              float prompt_weight);

// The prompt for the dialogue's last answer, as ids: what an examination gives the model.
Result<std::vector<int32_t>> MakePrompt(const Dialogue& dialogue, const Tokenizer& tokenizer);

// A user's own dialogues: one JSON object a line, {"messages": [...], "tools": [...], "thinking": true,
// "reasoning_effort": "max"}; only `messages` is required, and the last message must be the assistant's. Thinking is on
// if any assistant message has reasoning_content. Every error names file, line and field; blank lines are skipped.
Result<std::vector<Dialogue>> ReadDialogues(const std::string& jsonl_path);

}  // namespace fathom

#endif  // FATHOM_CORPUS_TRAINING_SEQUENCE_H_
