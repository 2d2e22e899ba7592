#include "engine/step_runner.h"

#include <algorithm>
#include <utility>

#include "engine/stopwatch.h"

namespace fathom {
namespace {

// Prompt tokens whose logits are computed together, at least: fewer would read the head's weights again and again.
constexpr int64_t kMinLogitsRows = 32;

}  // namespace

StepRunner::StepRunner(const Model& model, const Tokenizer& tokenizer, int64_t step_tokens, int64_t max_sequences,
                       int64_t context)
    : model_(model),
      tokenizer_(tokenizer),
      workspace_(model, step_tokens, context),
      logits_rows_(std::max(max_sequences, std::min(step_tokens, kMinLogitsRows))),
      scratch_(static_cast<size_t>(model.pool().threads())) {
  const ModelConfig& config = model.config();
  rows_.resize(static_cast<size_t>(max_sequences * config.streams * config.hidden_size));
  logits_.resize(static_cast<size_t>(logits_rows_ * config.vocab_size));
  for (SamplerScratch& scratch : scratch_) scratch.Reserve(static_cast<size_t>(config.vocab_size));
}

MatView<const float> StepRunner::Forward(std::span<const Scheduler::Chunk> chunks) {
  tokens_.clear();
  segments_.clear();
  for (const Scheduler::Chunk& chunk : chunks) {
    SequenceCache& cache = chunk.sequence->cache();
    const std::span<const int32_t> next =
        chunk.sequence->tokens().subspan(static_cast<size_t>(cache.position()), static_cast<size_t>(chunk.tokens));
    tokens_.insert(tokens_.end(), next.begin(), next.end());
    segments_.push_back({&cache, chunk.tokens});
  }
  const Stopwatch watch(&model_seconds_);
  return model_.Forward({tokens_, segments_}, workspace_);
}

MatView<const float> StepRunner::Logits(MatView<const float> streams) {
  const MatView<float> logits(logits_.data(), streams.rows, model_.config().vocab_size);
  const Stopwatch watch(&model_seconds_);
  model_.Logits(streams, workspace_, logits);
  return logits;
}

void StepRunner::Run(std::span<const Scheduler::Chunk> chunks) {
  const MatView<const float> streams = Forward(chunks);
  ready_.clear();
  int64_t row = 0;
  for (const Scheduler::Chunk& chunk : chunks) {
    Sequence* sequence = chunk.sequence;
    const int64_t position = sequence->cache().position();
    const int64_t prompt = sequence->usage().prompt_tokens;
    prompt_tokens_read_ += std::min(position, prompt) - std::min(position - chunk.tokens, prompt);
    sequence->DidRead();
    TellPromptLogprobs(sequence, streams.Rows(row, chunk.tokens));
    row += chunk.tokens;
    if (sequence->finished() || sequence->pending() != 0) continue;
    if (sequence->full()) {
      sequence->Finish(FinishReason::kLength);
      continue;
    }
    std::copy_n(streams.row(row - 1), streams.cols, rows_.data() + static_cast<int64_t>(ready_.size()) * streams.cols);
    ready_.push_back(sequence);
  }
  if (!ready_.empty()) SampleAndAppend();
}

void StepRunner::TellPromptLogprobs(Sequence* sequence, MatView<const float> streams) {
  const int64_t before = sequence->cache().position() - streams.rows;
  // A row tells about the token after its own.
  const auto [first, end] = sequence->PromptLogprobsDue();
  for (int64_t at = first; at < end && !sequence->finished(); at += logits_rows_) {
    const int64_t count = std::min(logits_rows_, end - at);
    sequence->TellPromptLogprobs(
        PromptLogprobsOf(sequence->tokens().subspan(static_cast<size_t>(at), static_cast<size_t>(count)),
                         streams.Rows(at - 1 - before, count), *sequence->request().prompt_logprobs));
  }
}

Result<std::vector<GeneratedToken>> StepRunner::PromptLogprobsOf(std::span<const int32_t> ids,
                                                                 MatView<const float> streams, int64_t count) {
  const MatView<const float> logits = Logits(streams);
  std::vector<Result<Sample>> samples(ids.size(), Sample{});
  {
    const Stopwatch watch(&sampling_seconds_);
    model_.pool().ParallelFor(streams.rows, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t row = begin; row < end; ++row) {
        const auto at = static_cast<size_t>(row);
        samples[at] = LogprobsOfToken(ids[at], logits.row_span(row), count, &scratch_[static_cast<size_t>(worker)]);
      }
    });
  }
  std::vector<GeneratedToken> tokens;
  for (Result<Sample>& sample : samples) {
    if (!sample.ok()) return sample.status();
    tokens.push_back(
        {sample->id, std::string(tokenizer_.token_bytes(sample->id)), sample->logprob, std::move(sample->top)});
  }
  return tokens;
}

void StepRunner::SampleAndAppend() {
  const auto count = static_cast<int64_t>(ready_.size());
  const int64_t width = model_.config().streams * model_.config().hidden_size;
  const MatView<const float> logits = Logits({rows_.data(), count, width});
  samples_.assign(ready_.size(), Sample{});
  {
    const Stopwatch watch(&sampling_seconds_);
    model_.pool().ParallelFor(count, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t index = begin; index < end; ++index) {
        const auto at = static_cast<size_t>(index);
        samples_[at] = ready_[at]->sampler().Next(logits.row_span(index), ready_[at]->AllowedTokens(),
                                                  &scratch_[static_cast<size_t>(worker)]);
      }
    });
  }
  generated_tokens_ += std::ranges::count_if(samples_, [](const Result<Sample>& sample) { return sample.ok(); });
  for (size_t index = 0; index < ready_.size(); ++index) ready_[index]->Append(std::move(samples_[index]));
}

}  // namespace fathom
