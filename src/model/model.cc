#include "model/model.h"

#include <algorithm>

#include "model/attention.h"
#include "model/hyper_connection.h"
#include "model/moe.h"
#include "model/rotary.h"
#include "model/step.h"
#include "model/workspace.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

CacheLayout MakeLayout(const ModelConfig& config, const ModelOptions& options, int64_t first_layer, int64_t layers) {
  const RowFormat format = options.precision == Precision::kExact ? RowFormat::kF32 : options.row_format;
  const auto begin = config.ratios.begin() + first_layer;
  return {KvRowLayout{format, config.head_dim, config.rope_dim}, IndexRowLayout{format, config.index_dim},
          config.window, std::vector<int64_t>(begin, begin + layers)};
}

// Fills the step's positions, segments and rotary tables.
Step BeginStep(const Model& model, const std::vector<double>& plain, const std::vector<double>& compressed,
               const Batch& batch, Workspace& ws, TapSink* taps) {
  const ModelConfig& c = model.config();
  const auto tokens = static_cast<int64_t>(batch.tokens.size());
  FATHOM_CHECK(tokens > 0 && tokens <= ws.max_tokens());
  if (ws.clock != nullptr) ws.clock->Start();
  int64_t token = 0;
  ws.first.clear();
  for (size_t s = 0; s < batch.segments.size(); ++s) {
    const Segment& segment = batch.segments[s];
    FATHOM_CHECK(segment.tokens > 0 && token + segment.tokens <= tokens);
    FATHOM_CHECK(segment.cache->position() + segment.tokens <= ws.max_context());
    ws.first.push_back(token);
    segment.cache->PrepareAppend(segment.tokens);
    for (int64_t i = 0; i < segment.tokens; ++i, ++token) {
      ws.position[token] = segment.cache->position() + i;
      ws.segment[token] = static_cast<int32_t>(s);
    }
  }
  FATHOM_CHECK(token == tokens);
  for (const int32_t id : batch.tokens) FATHOM_CHECK(id >= 0 && id < c.vocab_size);
  const int64_t half = c.rope_dim / 2;
  for (token = 0; token < tokens; ++token) {
    RotaryTable(plain, ws.position[token], ws.cos_plain.data() + token * half, ws.sin_plain.data() + token * half);
    RotaryTable(compressed, ws.position[token], ws.cos_compressed.data() + token * half,
                ws.sin_compressed.data() + token * half);
  }
  return {c, model.options(), model.pool(), batch, ws, taps, tokens, compressed};
}

// out [D] = embed[id]
void Embed(const Matrix& embed, int32_t id, float* out) {
  const uint8_t* row = embed.data + id * embed.row_bytes();
  for (int64_t i = 0; i < embed.cols; ++i) out[i] = Bf16ToFloat(LoadUnaligned<uint16_t>(row + 2 * i));
}

// One layer (section 7.1): streams [T, S*D] in place.
void Block(const Step& step, const LayerWeights& w, int64_t layer, float* streams) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t t = step.tokens;
  const int64_t dim = c.hidden_size;
  float* x = ws.x.data();
  float* y = ws.y.data();

  HcPre(c, w.attn_mix, step.pool, streams, t, ws.mix.data(), x, ws.post.data(), ws.comb.data());
  RmsNormRows(step.pool, x, w.attn_norm, t, dim, c.rms_eps, ws.x_norm.data());
  step.Mark(StepPart::kStreams);
  Attention(step, w, layer, ws.x_norm.data(), y);
  HcPost(c, step.pool, y, ws.post.data(), ws.comb.data(), t, streams);
  step.Tap(layer, "attn_in", x, t, dim);
  step.Tap(layer, "attn_out", y, t, dim);
  step.Tap(layer, "after_attn", streams, t, c.streams * dim);

  HcPre(c, w.ffn_mix, step.pool, streams, t, ws.mix.data(), x, ws.post.data(), ws.comb.data());
  RmsNormRows(step.pool, x, w.ffn_norm, t, dim, c.rms_eps, ws.x_norm.data());
  step.Mark(StepPart::kStreams);
  Moe(step, w, layer, ws.x_norm.data(), y);
  HcPost(c, step.pool, y, ws.post.data(), ws.comb.data(), t, streams);
  step.Mark(StepPart::kStreams);
  step.Tap(layer, "ffn_in", x, t, dim);
  step.Tap(layer, "ffn_out", y, t, dim);
  step.Tap(layer, "after_ffn", streams, t, c.streams * dim);
}

// logits [rows, V] = RMS(hc_head(streams), norm) head^T
void Head(const ModelConfig& c, ThreadPool& pool, const HyperConnectionWeights& mix, const Vector& norm,
          const Matrix& head, MatView<const float> streams, Workspace& ws, MatView<float> logits) {
  FATHOM_CHECK(streams.rows == logits.rows && streams.rows <= ws.max_tokens());
  FATHOM_CHECK(streams.stride == c.streams * c.hidden_size && logits.cols == c.vocab_size);
  if (ws.clock != nullptr) ws.clock->Start();
  HcHead(c, mix, pool, streams.data, streams.rows, ws.mix.data(), ws.x.data());
  RmsNormRows(pool, ws.x.data(), norm, streams.rows, c.hidden_size, c.rms_eps, ws.x_norm.data());
  const MatMulArgs job = MatMulJob(head, PlainInput(ws.x_norm.data(), streams.rows, c.hidden_size), streams.rows,
                                   logits.data, logits.stride);
  MatMul(pool, {&job, 1});
  if (ws.clock != nullptr) ws.clock->Mark(StepPart::kHead);
}

}  // namespace

Model::Model(const ModelConfig& config, const ModelWeights& weights, ModelOptions options, ThreadPool& pool)
    : config_(config),
      weights_(&weights),
      options_(options),
      pool_(&pool),
      cache_layout_(MakeLayout(config, options, 0, config.layers)),
      mtp_cache_layout_(MakeLayout(config, options, config.layers, config.mtp_layers)),
      rotary_plain_(RotaryFrequencies(config, false)),
      rotary_compressed_(RotaryFrequencies(config, true)) {}

MatView<const float> Model::Forward(const Batch& batch, Workspace& ws, TapSink* taps) const {
  const Step step = BeginStep(*this, rotary_plain_, rotary_compressed_, batch, ws, taps);
  const int64_t dim = config_.hidden_size;
  const int64_t width = config_.streams * dim;
  float* streams = ws.streams.data();
  pool_->ParallelFor(step.tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      float* x = streams + token * width;
      Embed(weights_->embed, batch.tokens[static_cast<size_t>(token)], x);
      for (int64_t i = 1; i < config_.streams; ++i) std::copy_n(x, dim, x + i * dim);
    }
  });
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    Block(step, weights_->layers[static_cast<size_t>(layer)], layer, streams);
  }
  for (const Segment& segment : batch.segments) segment.cache->Advance(segment.tokens);
  return {streams, step.tokens, width};
}

void Model::Logits(MatView<const float> streams, Workspace& ws, MatView<float> logits) const {
  Head(config_, *pool_, weights_->head_mix, weights_->norm, weights_->head, streams, ws, logits);
}

void Model::MtpForward(int64_t block, MatView<const float> streams, const Batch& batch, Workspace& ws,
                       MatView<float> logits) const {
  FATHOM_CHECK(block >= 0 && block < config_.mtp_layers && streams.rows == static_cast<int64_t>(batch.tokens.size()));
  const MtpWeights& w = weights_->mtp[static_cast<size_t>(block)];
  const Step step = BeginStep(*this, rotary_plain_, rotary_compressed_, batch, ws, nullptr);
  const int64_t t = step.tokens;
  const int64_t s = config_.streams;
  const int64_t dim = config_.hidden_size;
  // h_i = RMS(X_i, hnorm) for all streams; e = RMS(embed, enorm).
  RmsNormRows(*pool_, streams.data, w.hnorm, t * s, dim, config_.rms_eps, ws.mtp_h.values.data());
  pool_->ParallelFor(t, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      float* e = ws.x.data() + token * dim;
      Embed(weights_->embed, batch.tokens[static_cast<size_t>(token)], e);
      RmsNormRow(e, w.enorm, dim, config_.rms_eps, e);
    }
  });
  ws.jobs.clear();
  ws.jobs.push_back(MatMulJob(w.e_proj, QuantizeInput(step, ws.x.data(), t, dim, ws.x_q), t, ws.y.data(), dim));
  ws.jobs.push_back(MatMulJob(w.h_proj, QuantizeInput(step, ws.mtp_h.values.data(), t * s, dim, ws.mtp_h), t * s,
                              ws.mtp_out.data(), dim));
  MatMul(*pool_, ws.jobs);
  float* x = ws.streams.data();
  pool_->ParallelFor(t * s, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t i = 0; i < dim; ++i) x[row * dim + i] = ws.y[row / s * dim + i] + ws.mtp_out[row * dim + i];
    }
  });
  // The block's caches hold the MTP blocks' layers only.
  Block(step, w.layer, block, x);
  for (const Segment& segment : batch.segments) segment.cache->Advance(segment.tokens);
  Head(config_, *pool_, w.head_mix, w.norm, weights_->head, MatView<const float>(x, t, s * dim), ws, logits);
}

void Model::AttentionLayer(int64_t layer, MatView<const float> x, const Batch& batch, Workspace& ws, MatView<float> y,
                           TapSink* taps) const {
  const Step step = BeginStep(*this, rotary_plain_, rotary_compressed_, batch, ws, taps);
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  RmsNormRows(*pool_, x.data, w.attn_norm, step.tokens, config_.hidden_size, config_.rms_eps, ws.x_norm.data());
  Attention(step, w, layer, ws.x_norm.data(), y.data);
}

void Model::MoeLayer(int64_t layer, MatView<const float> x, const Batch& batch, Workspace& ws, MatView<float> y,
                     TapSink* taps) const {
  const Step step = BeginStep(*this, rotary_plain_, rotary_compressed_, batch, ws, taps);
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  RmsNormRows(*pool_, x.data, w.ffn_norm, step.tokens, config_.hidden_size, config_.rms_eps, ws.x_norm.data());
  Moe(step, w, layer, ws.x_norm.data(), y.data);
}

}  // namespace fathom
