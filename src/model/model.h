// model.h - DeepSeek-V4: tokens and caches in, logits out.
//
//   Model model(config, weights, {}, pool);
//   Workspace workspace(model, /*max_tokens=*/512);
//   SequenceCache cache(model.cache_layout());
//   const Segment segments[] = {{&cache, 512}};
//   Batch batch{.tokens = ids, .segments = segments};
//   MatView<const float> streams = model.Forward(batch, workspace);
//   model.Logits(streams.Rows(511, 1), workspace, logits);
//
// One Forward serves any mix of prefill chunks and decode steps of any number of sequences. Every token's result is the
// same bits whatever else is in the batch, however its sequence was cut into calls, and on any number of threads.
#ifndef FATHOM_MODEL_MODEL_H_
#define FATHOM_MODEL_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "base/view.h"
#include "cache/sequence_cache.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/weights.h"

namespace fathom {

// What is rounded (section 1 of the reference README).
enum class Precision : uint8_t {
  kF32,    // the product: official quantisation points, float32 between them
  kExact,  // no quantisation of activations at all: for tests of structure
  kInt8,  // as kF32, but inputs of FP4 experts are whole numbers of a 127th of the largest of each 128: faster, and not
          // the official numbers
};

// Counts the changes after which the same weights and tokens give other bits. Whatever keeps results of the model, as
// files of kept prefixes do, names it: a change of sums, roundings or row formats raises it.
inline constexpr int kNumericsVersion = 4;

struct ModelOptions {
  Precision precision = Precision::kF32;
  // How the rotary part of KV rows is kept. kQuantized (BF16) is the product: 3.5 KB per token for V4-Flash.
  // kQuantizedF32 is the reference's `f32` to the letter. kExact implies kF32 rows.
  RowFormat row_format = RowFormat::kQuantized;
};

// `tokens` consecutive tokens of one sequence, appended at cache->position().
struct Segment {
  SequenceCache* cache = nullptr;
  int64_t tokens = 0;
};

// Tokens of all segments, one after the other. No sequence appears twice.
struct Batch {
  std::span<const int32_t> tokens;    // ids in [0, vocab_size)
  std::span<const Segment> segments;  // their `tokens` add up to tokens.size()
};

// Receives intermediate arrays under the reference's names ("attn_in", "expert_ids", ...; golden.json lists them).
class TapSink {
 public:
  virtual ~TapSink() = default;
  // Whether it looks at this array: asked before one is made that only it would need ("index_score", "selected").
  virtual bool Wants(std::string_view /*name*/) const { return true; }
  virtual void Tap(int64_t layer, std::string_view name, MatView<const float> values) = 0;
  virtual void TapIds(int64_t layer, std::string_view name, MatView<const int32_t> ids) = 0;
};

class Workspace;

class Model {
 public:
  // `weights` (that is, the checkpoint) and `pool` must outlive the model.
  Model(const ModelConfig& config, const ModelWeights& weights, ModelOptions options, ThreadPool& pool);

  const ModelConfig& config() const { return config_; }
  const ModelOptions& options() const { return options_; }
  ThreadPool& pool() const { return *pool_; }
  // Layouts of a sequence's caches: the decoder's, and those of the MTP block (window only).
  const CacheLayout& cache_layout() const { return cache_layout_; }
  const CacheLayout& mtp_cache_layout() const { return mtp_cache_layout_; }

  // Appends the batch to its caches. Returns the final streams [tokens, S * D], valid until the next call with
  // `workspace`.
  MatView<const float> Forward(const Batch& batch, Workspace& workspace, TapSink* taps = nullptr) const;

  // logits [rows, V] of rows of final streams.
  void Logits(MatView<const float> streams, Workspace& workspace, MatView<float> logits) const;

  // MTP block `block` (section 7.8): streams [T, S * D] of the batch's positions p and batch.tokens = the tokens at p
  // + 1. The batch's caches are of mtp_cache_layout(). Writes logits [T, V]: row t predicts the token at p + t + 2.
  void MtpForward(int64_t block, MatView<const float> streams, const Batch& batch, Workspace& workspace,
                  MatView<float> logits) const;

  // One attention or MoE layer by itself, for layer-by-layer checks: x [T, D] is the layer's input before its norm
  // (`attn_in` / `ffn_in`), y [T, D] its output. AttentionLayer writes the layer's part of the caches but does not
  // advance them.
  void AttentionLayer(int64_t layer, MatView<const float> x, const Batch& batch, Workspace& workspace, MatView<float> y,
                      TapSink* taps = nullptr) const;
  void MoeLayer(int64_t layer, MatView<const float> x, const Batch& batch, Workspace& workspace, MatView<float> y,
                TapSink* taps = nullptr) const;

 private:
  ModelConfig config_;
  const ModelWeights* weights_;
  ModelOptions options_;
  ThreadPool* pool_;
  CacheLayout cache_layout_;
  CacheLayout mtp_cache_layout_;
  std::vector<double> rotary_plain_;  // frequencies [r/2]
  std::vector<double> rotary_compressed_;
};

}  // namespace fathom

#endif  // FATHOM_MODEL_MODEL_H_
