#include "model/moe.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/strings.h"
#include "numeric/formats.h"
#include "numeric/math.h"

namespace fathom {
namespace {

// Router logits [E] -> scores, in place.
void Score(ScoringFunction scoring, int64_t experts, float* z) {
  switch (scoring) {
    case ScoringFunction::kSqrtSoftplus:
      SqrtSoftplus(z, experts);
      return;
    case ScoringFunction::kSigmoid:
      for (int64_t e = 0; e < experts; ++e) z[e] = Sigmoid(z[e]);
      return;
    case ScoringFunction::kSoftmax: {
      float max = z[0];
      for (int64_t e = 1; e < experts; ++e) max = std::max(max, z[e]);
      float sum = 0;
      for (int64_t e = 0; e < experts; ++e) sum += z[e] = Exp(z[e] - max);
      for (int64_t e = 0; e < experts; ++e) z[e] /= sum;
    }
  }
}

constexpr int64_t kMostChosen = 64;  // Validate() bounds k

// The k experts with the largest score + bias, best first, ties to the lower id. A NaN never wins against a number.
void TopExperts(const float* score, const Vector& bias, int64_t experts, int64_t k, int32_t* ids) {
  const auto better = [](float a, float b) { return a > b || (std::isnan(b) && !std::isnan(a)); };
  FATHOM_CHECK(k >= 1 && k <= kMostChosen);
  float best[kMostChosen];  // of ids
  int64_t count = 0;
  for (int64_t e = 0; e < experts; ++e) {
    const float biased = bias.empty() ? score[e] : score[e] + bias[e];
    if (count == k && (biased <= best[k - 1] || !better(biased, best[k - 1]))) continue;
    int64_t slot = count < k ? count++ : k - 1;
    for (; slot > 0 && better(biased, best[slot - 1]); --slot) {
      best[slot] = best[slot - 1];
      ids[slot] = ids[slot - 1];
    }
    best[slot] = biased;
    ids[slot] = static_cast<int32_t>(e);
  }
}

// Expert ids of one token from the hash table. Entries were checked when the checkpoint was opened; the remainder keeps
// a file that changed since then from reaching outside.
void HashExperts(const uint8_t* tid2eid, int64_t token_id, int64_t experts, int64_t k, int32_t* ids) {
  for (int64_t slot = 0; slot < k; ++slot) {
    const auto id = LoadUnaligned<uint64_t>(tid2eid + 8 * (token_id * k + slot));
    ids[slot] = static_cast<int32_t>(id % static_cast<uint64_t>(experts));
  }
}

// ws.expert_ids [T, k] and ws.expert_weights [T, k]; ws.router holds the logits on entry.
void Route(const Step& step, const LayerWeights& w) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t k = c.experts_per_token;
  step.pool.ParallelFor(step.tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      RouteToken(c, w, step.batch.tokens[static_cast<size_t>(token)], ws.router.data() + token * c.experts,
                 ws.expert_ids.data() + token * k, ws.expert_weights.data() + token * k);
    }
  });
}

// Sorts the T*k (token, slot) pairs by expert, tokens ascending within one: rows of the expert buffers.
void GroupByExpert(const Step& step) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t pairs = step.tokens * c.experts_per_token;
  std::fill_n(ws.expert_first.data(), c.experts + 1, 0);
  for (int64_t pair = 0; pair < pairs; ++pair) ++ws.expert_first[ws.expert_ids[pair] + 1];
  for (int64_t e = 0; e < c.experts; ++e) ws.expert_first[e + 1] += ws.expert_first[e];
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const int32_t row = ws.expert_first[ws.expert_ids[pair]]++;
    ws.expert_rows[row] = static_cast<int32_t>(pair / c.experts_per_token);
    ws.expert_row_of[pair] = row;
    ws.expert_row_weight[row] = ws.expert_weights[pair];
  }
  // The loop above moved every start to its end, which is the next one's start.
  for (int64_t e = c.experts; e > 0; --e) ws.expert_first[e] = ws.expert_first[e - 1];
  ws.expert_first[0] = 0;
}

// Gate and up projections of all experts that got a token, and of the shared one, in one region.
void ProjectUp(const Step& step, const LayerWeights& w, const Activations& x) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t pairs = step.tokens * c.experts_per_token;
  ws.jobs.clear();
  const auto add = [&](const Matrix& matrix, Buffer<float>& out, int64_t row, const int32_t* tokens, int64_t count) {
    MatMulArgs job = MatMulJob(matrix, x, count, out.data() + row * c.expert_dim, c.expert_dim);
    job.x_rows = tokens;
    ws.jobs.push_back(job);
  };
  for (int64_t e = 0; e < c.experts; ++e) {
    const int64_t row = ws.expert_first[e];
    const int64_t count = ws.expert_first[e + 1] - row;
    if (count == 0) continue;
    const ExpertWeights& expert = w.experts[static_cast<size_t>(e)];
    add(expert.w1, ws.gate, row, ws.expert_rows.data() + row, count);
    add(expert.w3, ws.up, row, ws.expert_rows.data() + row, count);
  }
  add(w.shared.w1, ws.gate, pairs, nullptr, step.tokens);
  add(w.shared.w3, ws.up, pairs, nullptr, step.tokens);
  MatMul(step.pool, ws.jobs);
}

// Whether the routed experts take integers (Fp8Chunk); the shared one never does.
bool TakesChunks(const LayerWeights& w) { return w.experts[0].w1.type == WeightType::kFp4; }

// h = SwiGLU of each row, times its routing weight, in the place of the gate's products, and what the down projections
// take: a row is quantised while it is in the cache, in place.
Activations Activate(const Step& step, const LayerWeights& w) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t pairs = step.tokens * c.experts_per_token;
  const int64_t rows = pairs + step.tokens;
  const int64_t row_chunks = Fp8Chunk::Count(c.expert_dim);
  step.pool.ParallelFor(rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      float* h = ws.gate.data() + row * c.expert_dim;
      const float weight = row < pairs ? ws.expert_row_weight[row] : 1.0f;
      Kernels().swiglu(h, ws.up.data() + row * c.expert_dim, c.swiglu_limit, weight, c.expert_dim, h);
      if (!step.quantized()) continue;
      Fp8Chunk* const chunks = row < pairs && TakesChunks(w) ? ws.h_chunks.data() + row * row_chunks : nullptr;
      uint16_t* const bf16 = Kernels().uses_pairs ? ws.h_pairs.data() + row * c.expert_dim : nullptr;
      QuantizeInputRow(step, h, c.expert_dim, chunks, bf16);
    }
  });
  Activations h = PlainInput(ws.gate.data(), rows, c.expert_dim);
  if (!step.quantized()) return h;
  if (Kernels().uses_pairs) h.pairs = ws.h_pairs.data();
  if (!TakesChunks(w)) return h;
  h.chunks = ws.h_chunks.data();
  h.int8 = step.int8_chunks();
  return h;
}

// Down projections, likewise. Row r of h belongs to row r of the output.
void ProjectDown(const Step& step, const LayerWeights& w, const Activations& h) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t pairs = step.tokens * c.experts_per_token;
  ws.jobs.clear();
  const auto add = [&](const Matrix& matrix, int64_t row, int64_t count) {
    Activations x = h;
    x.values += row * c.expert_dim;
    if (x.chunks != nullptr) x.chunks += row * Fp8Chunk::Count(c.expert_dim);
    if (x.pairs != nullptr) x.pairs += row * c.expert_dim;
    ws.jobs.push_back(MatMulJob(matrix, x, count, ws.expert_out.data() + row * c.hidden_size, c.hidden_size));
  };
  for (int64_t e = 0; e < c.experts; ++e) {
    const int64_t row = ws.expert_first[e];
    const int64_t count = ws.expert_first[e + 1] - row;
    if (count > 0) add(w.experts[static_cast<size_t>(e)].w2, row, count);
  }
  add(w.shared.w2, pairs, step.tokens);
  MatMul(step.pool, ws.jobs);
}

// y = the chosen experts' outputs by ascending expert id, then the shared expert's: an order that does not depend on
// the batch.
void SumOutputs(const Step& step, float* y) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t k = c.experts_per_token;
  step.pool.ParallelFor(step.tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      // Rows are sorted by expert, so ascending rows are ascending experts.
      SumExpertOutputs(ws.expert_out.data(), ws.expert_row_of.data() + token * k, k, step.tokens * k + token,
                       c.hidden_size, y + token * c.hidden_size);
    }
  });
}

}  // namespace

void RouteToken(const ModelConfig& config, const LayerWeights& w, int32_t token_id, float* score, int32_t* ids,
                float* weights) {
  const int64_t k = config.experts_per_token;
  Score(config.scoring, config.experts, score);
  if (w.tid2eid != nullptr) {
    HashExperts(w.tid2eid, token_id, config.experts, k, ids);
  } else {
    TopExperts(score, w.gate_bias, config.experts, k, ids);
  }
  float sum = 0;
  for (int64_t slot = 0; slot < k; ++slot) sum += weights[slot] = score[ids[slot]];
  if (config.scoring == ScoringFunction::kSoftmax) sum = 1;
  for (int64_t slot = 0; slot < k; ++slot) weights[slot] = weights[slot] / sum * config.routed_scale;
}

void SumExpertOutputs(const float* outputs, const int32_t* routed_rows, int64_t k, int64_t shared_row, int64_t dim,
                      float* out) {
  int32_t rows[kMostChosen] = {};
  std::copy_n(routed_rows, k, rows);
  std::sort(rows, rows + k);
  std::fill_n(out, dim, 0.0f);
  for (int64_t slot = 0; slot <= k; ++slot) {
    const int64_t row = slot < k ? rows[slot] : shared_row;
    const float* part = outputs + row * dim;
    for (int64_t i = 0; i < dim; ++i) out[i] += part[i];
  }
}

void Moe(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t t = step.tokens;
  const MatMulArgs gate = MatMulJob(w.gate, PlainInput(x, t, c.hidden_size), t, ws.router.data(), c.experts);
  MatMul(step.pool, {&gate, 1});
  Route(step, w);
  GroupByExpert(step);
  step.Mark(StepPart::kRouter);

  ProjectUp(step, w, QuantizeInput(step, x, t, c.hidden_size, ws.x_q, TakesChunks(w)));
  ProjectDown(step, w, Activate(step, w));
  SumOutputs(step, y);
  step.Mark(StepPart::kExperts);

  if (step.taps != nullptr) {
    step.taps->TapIds(layer, "expert_ids", MatView<const int32_t>(ws.expert_ids.data(), t, c.experts_per_token));
    step.Tap(layer, "expert_weights", ws.expert_weights.data(), t, c.experts_per_token);
  }
}

Status CheckHashTables(const ModelConfig& config, const ModelWeights& weights) {
  for (size_t layer = 0; layer < weights.layers.size(); ++layer) {
    const uint8_t* table = weights.layers[layer].tid2eid;
    if (table == nullptr) continue;
    for (int64_t entry = 0; entry < config.vocab_size * config.experts_per_token; ++entry) {
      const auto id = LoadUnaligned<int64_t>(table + 8 * entry);
      if (id >= 0 && id < config.experts) continue;
      return DataLoss(StrCat("tensor layers.", layer, ".ffn.gate.tid2eid sends token ",
                             entry / config.experts_per_token, " to expert ", id, "; the model has experts 0 to ",
                             config.experts - 1));
    }
  }
  return {};
}

}  // namespace fathom
