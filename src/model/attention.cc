#include "model/attention.h"

#include <algorithm>
#include <limits>

#include "model/compressor.h"
#include "model/indexer.h"
#include "model/rotary.h"

namespace fathom {
namespace {

int64_t Parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

// Rotary tables of the step's tokens for this kind of layer.
struct Rotation {
  const float* cosine;
  const float* sine;
  int64_t rope_dim;

  void Apply(float* row_end, int64_t token, bool inverse = false) const {
    Rotate(row_end - rope_dim, rope_dim, cosine + token * rope_dim / 2, sine + token * rope_dim / 2, inverse);
  }
};

Rotation RotationOf(const Step& step, const LayerWeights& w) {
  const Workspace& ws = step.ws;
  if (w.ratio == 0) return {ws.cos_plain.data(), ws.sin_plain.data(), step.config.rope_dim};
  return {ws.cos_compressed.data(), ws.sin_compressed.data(), step.config.rope_dim};
}

// Everything that is a product with x: qr, kv, and the compressors' and the indexer's inputs.
void Project(const Step& step, const LayerWeights& w, const float* x) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t t = step.tokens;
  const Activations plain = PlainInput(x, t, c.hidden_size);
  const Activations quantized = QuantizeInput(step, x, t, c.hidden_size, ws.x_q);
  ws.jobs.clear();
  ws.jobs.push_back(MatMulJob(w.wq_a, quantized, t, ws.qr.data(), c.q_rank));
  ws.jobs.push_back(MatMulJob(w.wkv, quantized, t, ws.kv.data(), c.head_dim));
  if (w.ratio != 0) {
    const int64_t width = ModelConfig::Overlap(w.ratio) * c.head_dim;
    ws.jobs.push_back(MatMulJob(w.compressor.wkv, plain, t, ws.comp_kv.data(), width));
    ws.jobs.push_back(MatMulJob(w.compressor.wgate, plain, t, ws.comp_score.data(), width));
  }
  if (w.ratio == 4) {
    ws.jobs.push_back(MatMulJob(w.indexer.compressor.wkv, plain, t, ws.index_kv.data(), 2 * c.index_dim));
    ws.jobs.push_back(MatMulJob(w.indexer.compressor.wgate, plain, t, ws.index_score_in.data(), 2 * c.index_dim));
    ws.jobs.push_back(MatMulJob(w.indexer.weights_proj, plain, t, ws.index_w.data(), c.index_heads));
  }
  MatMul(step.pool, ws.jobs);
}

// Queries from qr: q [T, H*d] and, in ratio-4 layers, the indexer's.
void ProjectQueries(const Step& step, const LayerWeights& w) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t t = step.tokens;
  RmsNormRows(step.pool, ws.qr.data(), w.q_norm, t, c.q_rank, c.rms_eps, ws.qr.data());
  const Activations qr = QuantizeInput(step, ws.qr.data(), t, c.q_rank, ws.qr_q);
  ws.jobs.clear();
  ws.jobs.push_back(MatMulJob(w.wq_b, qr, t, ws.q.data(), c.heads * c.head_dim));
  if (w.ratio == 4) ws.jobs.push_back(MatMulJob(w.indexer.wq_b, qr, t, ws.index_q.data(), c.index_heads * c.index_dim));
  MatMul(step.pool, ws.jobs);
}

// Each head of each query: unit mean square, then rotation. Window rows: norm, rotation, storage format.
void FinishQueriesAndRows(const Step& step, const LayerWeights& w, const KvRowLayout& layout) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const Rotation rotation = RotationOf(step, w);
  step.pool.ParallelFor(step.tokens * c.heads, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* q = ws.q.data() + i * c.head_dim;
      RmsNormRow(q, Vector(), c.head_dim, c.rms_eps, q);
      rotation.Apply(q + c.head_dim, i / c.heads);
    }
  });
  step.pool.ParallelFor(step.tokens, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      float* kv = ws.kv.data() + token * c.head_dim;
      RmsNormRow(kv, w.kv_norm, c.head_dim, c.rms_eps, kv);
      rotation.Apply(kv + c.head_dim, token);
      EncodeKvRow(layout, kv, ws.kv_rows.data() + token * layout.bytes());
    }
  });
}

// The stored rows a token attends to, in the order of the sum: window rows by ascending position, then compressed rows
// by ascending number.
void GatherRows(const Step& step, const LayerWeights& w, int64_t layer, int64_t token,
                std::vector<const uint8_t*>* rows) {
  Workspace& ws = step.ws;
  SequenceCache& cache = *step.segment_of(token).cache;
  const int64_t row_bytes = cache.layout().kv().bytes();
  const int64_t position = ws.position[token];
  const int64_t step_begin = cache.position();  // earlier rows are in the ring, later ones in this step's buffer
  const int64_t first_token = ws.first[static_cast<size_t>(ws.segment[token])];
  rows->clear();
  for (int64_t p = std::max(cache.begin(), position - step.config.window + 1); p <= position; ++p) {
    rows->push_back(p < step_begin ? cache.ring_row(layer, p)
                                   : ws.kv_rows.data() + (first_token + p - step_begin) * row_bytes);
  }
  if (w.ratio == 128) {
    for (int64_t row = 0; row < (position + 1) / 128; ++row) rows->push_back(cache.compressed_row(layer, row));
  } else if (w.ratio == 4) {
    const int32_t* selected = ws.selected.data() + token * step.config.index_topk;
    for (int64_t i = 0; i < ws.selected_count[token]; ++i) rows->push_back(cache.compressed_row(layer, selected[i]));
  }
}

// o = softmax over the token's rows and the sink, then the inverse rotation.
void Attend(const Step& step, const LayerWeights& w, int64_t layer, const KvRowLayout& layout, const float* sink) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const Rotation rotation = RotationOf(step, w);
  const int64_t heads = AttendTaskHeads(step.tokens, c.heads, step.pool.threads());
  const int64_t groups = Parts(c.heads, heads);
  step.pool.ParallelFor(step.tokens * groups, 1, [&](int64_t begin, int64_t end, int worker_index) {
    Workspace::Worker& worker = ws.workers[static_cast<size_t>(worker_index)];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t token = task / groups;
      const int64_t head = task % groups * heads;
      GatherRows(step, w, layer, token, &worker.rows);
      AttendArgs args;
      args.q = ws.q.data() + (token * c.heads + head) * c.head_dim;
      args.heads = std::min(heads, c.heads - head);
      args.sink = sink + head;
      args.rows = worker.rows.data();
      args.count = static_cast<int64_t>(worker.rows.size());
      args.layout = layout;
      args.out = ws.o.data() + (token * c.heads + head) * c.head_dim;
      args.scratch = worker.attend.data();
      Kernels().attend(args);
      for (int64_t h = 0; h < args.heads; ++h) rotation.Apply(args.out + (h + 1) * c.head_dim, token, true);
    }
  });
}

// The last W rows of each segment go to its ring, after the step's own queries have read the older ones.
void StoreWindow(const Step& step, int64_t layer, const KvRowLayout& layout) {
  for (size_t s = 0; s < step.batch.segments.size(); ++s) {
    const Segment& segment = step.batch.segments[s];
    for (int64_t i = std::max<int64_t>(0, segment.tokens - step.config.window); i < segment.tokens; ++i) {
      std::copy_n(step.ws.kv_rows.data() + (step.ws.first[s] + i) * layout.bytes(), layout.bytes(),
                  segment.cache->ring_row(layer, segment.cache->position() + i));
    }
  }
}

// y = lin(concat over groups a of wo_a[a] . o_a, wo_b)
void ProjectOutput(const Step& step, const LayerWeights& w, float* y) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const int64_t t = step.tokens;
  const int64_t group_width = c.heads / c.o_groups * c.head_dim;
  ws.jobs.clear();
  for (int64_t group = 0; group < c.o_groups; ++group) {
    Activations o = PlainInput(ws.o.data() + group * group_width, t, group_width);
    o.stride = c.heads * c.head_dim;
    MatMulArgs job = MatMulJob(w.wo_a, o, t, ws.grouped.data(), c.o_groups * c.o_rank);
    job.row_begin = group * c.o_rank;
    job.row_end = job.row_begin + c.o_rank;
    job.round_weights = true;
    ws.jobs.push_back(job);
  }
  MatMul(step.pool, ws.jobs);
  const Activations grouped = QuantizeInput(step, ws.grouped.data(), t, c.o_groups * c.o_rank, ws.grouped_q);
  const MatMulArgs job = MatMulJob(w.wo_b, grouped, t, y, c.hidden_size);
  MatMul(step.pool, {&job, 1});
}

}  // namespace

int64_t AttendTaskHeads(int64_t tokens, int64_t heads, int threads) {
  constexpr int64_t kScoredTogether = 4;  // by the kernels: a group of three takes as long
  // What a row costs once a task, in heads: 512 values come from memory and are decoded in 40 to 60 ns (FP8 products of
  // one token: 12.8 GB/s), and the 1024 products of a head take 31 (66 GFLOP/s, what tiles have with AVX2).
  constexpr int64_t kDecoding = 2;
  int64_t best = heads;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t groups = 1; groups <= Parts(heads, kScoredTogether); ++groups) {
    const int64_t size = std::min(heads, Parts(Parts(heads, groups), kScoredTogether) * kScoredTogether);
    const int64_t rounds = Parts(tokens * Parts(heads, size), threads);
    const int64_t time = rounds * (size + kDecoding);
    if (time >= least) continue;
    least = time;
    best = size;
  }
  return best;
}

void Attention(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y) {
  Workspace& ws = step.ws;
  const KvRowLayout layout = step.batch.segments[0].cache->layout().kv();
  Project(step, w, x);
  ProjectQueries(step, w);
  FinishQueriesAndRows(step, w, layout);
  step.Mark(StepPart::kAttentionInput);
  if (w.ratio == 4) {
    Compress(step, w.indexer.compressor, CompressorKind::kIndexer, layer, 4, ws.index_kv.data(),
             ws.index_score_in.data());
    step.Mark(StepPart::kCompressor);
    SelectRows(step, layer);
    step.Mark(StepPart::kIndexer);
  }
  if (w.ratio != 0) {
    Compress(step, w.compressor, CompressorKind::kMain, layer, w.ratio, ws.comp_kv.data(), ws.comp_score.data());
    step.Mark(StepPart::kCompressor);
  }
  float sink[4096];  // Validate() bounds the heads
  for (int64_t head = 0; head < step.config.heads; ++head) sink[head] = w.sink[head];
  Attend(step, w, layer, layout, sink);
  StoreWindow(step, layer, layout);
  step.Mark(StepPart::kAttention);
  ProjectOutput(step, w, y);
  step.Mark(StepPart::kAttentionOutput);
}

}  // namespace fathom
