// step_runner.h - one step: the model reads the planned chunks, and what it says goes to their sequences.
//
// Belongs to the engine's thread.
#ifndef FATHOM_ENGINE_STEP_RUNNER_H_
#define FATHOM_ENGINE_STEP_RUNNER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "model/model.h"
#include "model/workspace.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

class StepRunner {
 public:
  // `model` and `tokenizer` must outlive the runner. A step has at most `step_tokens` tokens of `max_sequences`
  // sequences of at most `context` tokens.
  StepRunner(const Model& model, const Tokenizer& tokenizer, int64_t step_tokens, int64_t max_sequences,
             int64_t context);

  // Reads every chunk into its sequence's cache, tells the logprobs of prompt tokens that were asked for, and samples
  // for every sequence that has nothing left to read.
  void Run(std::span<const Scheduler::Chunk> chunks);

  // Since the start: time within the model, and from logits to tokens; tokens read of prompts, and sampled.
  double model_seconds() const { return model_seconds_; }
  double sampling_seconds() const { return sampling_seconds_; }
  int64_t prompt_tokens_read() const { return prompt_tokens_read_; }
  int64_t generated_tokens() const { return generated_tokens_; }

 private:
  MatView<const float> Forward(std::span<const Scheduler::Chunk> chunks);
  // logits_ [rows, V] of `streams`.
  MatView<const float> Logits(MatView<const float> streams);
  // `streams` are the rows of the chunk that `sequence` has just read.
  void TellPromptLogprobs(Sequence* sequence, MatView<const float> streams);
  Result<std::vector<GeneratedToken>> PromptLogprobsOf(std::span<const int32_t> ids, MatView<const float> streams,
                                                       int64_t count);
  // A token for each of ready_.
  void SampleAndAppend();

  const Model& model_;
  const Tokenizer& tokenizer_;
  Workspace workspace_;
  const int64_t logits_rows_;
  std::vector<int32_t> tokens_;
  std::vector<Segment> segments_;
  std::vector<Sequence*> ready_;         // those with nothing left to read after the step
  std::vector<Result<Sample>> samples_;  // of ready_
  std::vector<float> rows_;              // [max_sequences, S * D]
  std::vector<float> logits_;            // [logits_rows_, V]
  std::vector<SamplerScratch> scratch_;  // one per thread of the pool
  double model_seconds_ = 0;
  double sampling_seconds_ = 0;
  int64_t prompt_tokens_read_ = 0;
  int64_t generated_tokens_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_STEP_RUNNER_H_
