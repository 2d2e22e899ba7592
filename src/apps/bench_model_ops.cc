#include "apps/bench_model_ops.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <string>

#include "base/check.h"
#include "model/compressor.h"
#include "model/hyper_connection.h"
#include "model/moe.h"
#include "model/rotary.h"
#include "model/step.h"
#include "model/top_rows.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

// Members of a block of ratio 4: those of the block before it, too.
constexpr int64_t kOverlappingMembers = 8;
constexpr int64_t kLongBlock = 128;

// Blocks that so many tokens complete.
int64_t BlocksOf(const KernelOp& op, int64_t tokens) {
  return std::max<int64_t>(1, tokens / (op.rows == kOverlappingMembers ? 4 : kLongBlock));
}

// A vector of equal float32 numbers, as weights have them.
class ConstantVector {
 public:
  void Set(int64_t size, float value) { values_.assign(static_cast<size_t>(size), value); }
  Vector get() const {
    return {reinterpret_cast<const uint8_t*>(values_.data()), WeightType::kF32, static_cast<int64_t>(values_.size())};
  }

 private:
  std::vector<float> values_;
};

class ModelCase : public KernelCase {
 public:
  ModelCase(const KernelOp& op, int64_t tokens, ThreadPool& threads) : op_(op), tokens_(tokens), threads_(threads) {
    Prepare();
  }

  // What is overwritten by a call is there anew for each: numbers that go through the same function again and again
  // become others than a model has.
  void Next(int64_t calls) override {
    if (fresh_floats_ == 0) return;
    if (fresh_.size() < calls * fresh_floats_) fresh_.Allocate(calls * fresh_floats_);
    FillNormal(fresh_.data(), calls * fresh_floats_);
  }
  void Run(int64_t call) override { run_(call); }

 private:
  // Everything that run_ needs, and run_.
  void Prepare() {
    switch (op_.kind) {
      case KernelKind::kRmsNorm:
      case KernelKind::kHeadNorm:
        return PrepareNorm();
      case KernelKind::kHcPre:
      case KernelKind::kHcHead:
        return PrepareMixing();
      case KernelKind::kHcPost:
        return PreparePost();
      case KernelKind::kRotaryTable:
        return PrepareTables();
      case KernelKind::kRotate:
        return PrepareRotation();
      case KernelKind::kEncodeKvRow:
      case KernelKind::kEncodeIndexRow:
        return PrepareEncoding();
      case KernelKind::kHadamard:
        return PrepareHadamard();
      case KernelKind::kSoftmaxSum:
        return PrepareSoftmaxSum();
      case KernelKind::kTopRows:
        return PrepareTopRows();
      case KernelKind::kRouteToken:
        return PrepareRouting();
      default:
        FATHOM_CHECK(op_.kind == KernelKind::kSumExpertOutputs);
        PrepareSum();
    }
  }

  static void AllocateNormal(int64_t count, Buffer<float>* buffer) {
    buffer->Allocate(count);
    FillNormal(buffer->data(), count);
  }
  float* fresh(int64_t call) const { return fresh_.data() + call * fresh_floats_; }

  // body(row) for rows of all tokens, shared out in pieces of `grain` as in a step.
  template <typename Body>
  void ForRows(int64_t count, int64_t grain, const Body& body) const {
    threads_.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) body(row);
    });
  }

  void PrepareNorm() {
    AllocateNormal(tokens_ * op_.rows * op_.cols, &in_);
    out_.Allocate(in_.size());
    if (op_.kind == KernelKind::kRmsNorm) bf16_.assign(static_cast<size_t>(op_.cols), FloatToBf16(1.25f));
    run_ = [this](int64_t) {
      Vector weight;
      if (!bf16_.empty()) weight = {reinterpret_cast<const uint8_t*>(bf16_.data()), WeightType::kBf16, op_.cols};
      RmsNormRows(threads_, in_.data(), weight, tokens_ * op_.rows, op_.cols, op_.model.rms_eps, out_.data());
    };
  }

  void PrepareMixing() {
    const bool head = op_.kind == KernelKind::kHcHead;
    mixing_.fn.rows = head ? op_.rows : op_.model.mix_rows();
    fresh_floats_ = tokens_ * mixing_.fn.rows;
    base_.Set(mixing_.fn.rows, 0.125f);
    scale_.Set(3, 0.5f);
    mixing_.base = base_.get();
    mixing_.scale = scale_.get();
    AllocateNormal(tokens_ * op_.rows * op_.cols, &in_);
    out_.Allocate(tokens_ * op_.cols);
    post_.Allocate(tokens_ * op_.rows);
    comb_.Allocate(tokens_ * op_.rows * op_.rows);
    run_ = [this, head](int64_t call) {
      if (head) {
        HcHeadFromProducts(op_.model, mixing_, threads_, in_.data(), tokens_, fresh(call), out_.data());
      } else {
        HcPreFromProducts(op_.model, mixing_, threads_, in_.data(), tokens_, fresh(call), out_.data(), post_.data(),
                          comb_.data());
      }
    };
  }

  void PreparePost() {
    AllocateNormal(tokens_ * op_.cols, &in_);
    AllocateNormal(tokens_ * op_.rows * op_.cols, &out_);
    post_.Allocate(tokens_ * op_.rows);
    std::fill_n(post_.data(), post_.size(), 0.5f);
    comb_.Allocate(tokens_ * op_.rows * op_.rows);
    // Half of what the streams are together: they stay bounded however often this goes on.
    std::fill_n(comb_.data(), comb_.size(), 0.5f / static_cast<float>(op_.rows));
    run_ = [this](int64_t) {
      HcPost(op_.model, threads_, in_.data(), post_.data(), comb_.data(), tokens_, out_.data());
    };
  }

  void PrepareTables() {
    out_.Allocate(tokens_ * 4 * op_.cols);
    run_ = [this, plain = RotaryFrequencies(op_.model, false),
            compressed = RotaryFrequencies(op_.model, true)](int64_t call) {
      for (int64_t token = 0; token < tokens_; ++token) {
        const int64_t position = call * tokens_ + token;
        float* const tables = out_.data() + token * 4 * op_.cols;
        RotaryTable(plain, position, tables, tables + op_.cols);
        RotaryTable(compressed, position, tables + 2 * op_.cols, tables + 3 * op_.cols);
      }
    };
  }

  // The last values of each head, as in a step.
  void PrepareRotation() {
    const int64_t half = op_.cols / 2;
    out_.Allocate(tokens_ * op_.cols);
    const std::vector<double> frequencies = RotaryFrequencies(op_.model, false);
    for (int64_t token = 0; token < tokens_; ++token) {
      float* const cosine = out_.data() + token * op_.cols;
      RotaryTable(frequencies, token, cosine, cosine + half);
    }
    AllocateNormal(tokens_ * op_.rows * op_.model.head_dim, &in_);
    run_ = [this, half](int64_t) {
      ForRows(tokens_ * op_.rows, 8, [&](int64_t row) {
        const float* const cosine = out_.data() + row / op_.rows * op_.cols;
        Rotate(in_.data() + (row + 1) * op_.model.head_dim - op_.cols, op_.cols, cosine, cosine + half);
      });
    };
  }

  void PrepareEncoding() {
    AllocateNormal(tokens_ * op_.rows * op_.cols, &in_);
    const bool kv = op_.kind == KernelKind::kEncodeKvRow;
    const int64_t bytes = kv ? op_.kv_layout().bytes() : op_.index_layout().bytes();
    stored_.Allocate(tokens_ * op_.rows * bytes);
    run_ = [this, kv, bytes](int64_t) {
      ForRows(tokens_ * op_.rows, 4, [&](int64_t row) {
        const float* const x = in_.data() + row * op_.cols;
        uint8_t* const stored = stored_.data() + row * bytes;
        if (kv) return EncodeKvRow(op_.kv_layout(), x, stored);
        EncodeIndexRow(op_.index_layout(), x, stored);
      });
    };
  }

  void PrepareHadamard() {
    AllocateNormal(tokens_ * op_.rows * op_.cols, &in_);  // turned, and so as large as they were
    run_ = [this](int64_t) {
      ForRows(tokens_ * op_.rows, 4, [&](int64_t row) { Hadamard(in_.data() + row * op_.cols, op_.cols); });
    };
  }

  void PrepareSoftmaxSum() {
    const int64_t blocks = BlocksOf(op_, tokens_);
    AllocateNormal(blocks * op_.rows * op_.cols, &in_);
    AllocateNormal(blocks * op_.rows * op_.cols, &scores_);
    out_.Allocate(blocks * op_.cols);
    run_ = [this, blocks](int64_t) {
      ForRows(blocks, 1, [&](int64_t block) {
        CompressorMember members[kLongBlock];
        for (int64_t member = 0; member < op_.rows; ++member) {
          const int64_t at = (block * op_.rows + member) * op_.cols;
          members[member] = {in_.data() + at, scores_.data() + at};
        }
        CompressorSoftmaxSum(members, op_.rows, op_.cols, out_.data() + block * op_.cols);
      });
    };
  }

  // As many tokens at a time as a step has memory for the scores of; all groups have the same ones.
  void PrepareTopRows() {
    const int64_t group = std::clamp<int64_t>(kIndexScoreFloats / op_.over, 1, tokens_);
    AllocateNormal(group * op_.over, &scores_);
    top_rows_.Allocate(group, scores_.size());
    visible_.assign(static_cast<size_t>(group), op_.over);
    ids_.Allocate(group * op_.cols);
    counts_.Allocate(group);
    run_ = [this, group](int64_t) {
      for (int64_t first = 0; first < tokens_; first += group) {
        TopRowsArgs top;
        top.tokens = std::min(group, tokens_ - first);
        top.scores = scores_.data();
        top.stride = op_.over;
        top.rows = visible_.data();
        top.k = op_.cols;
        top.selected = ids_.data();
        top.selected_count = counts_.data();
        TopRows(threads_, top, &top_rows_);
      }
    };
  }

  void PrepareRouting() {
    const int64_t k = op_.model.experts_per_token;
    fresh_floats_ = tokens_ * op_.cols;
    base_.Set(op_.cols, 0.125f);
    layer_.gate_bias = base_.get();
    ids_.Allocate(tokens_ * k);
    out_.Allocate(tokens_ * k);
    run_ = [this, k](int64_t call) {
      ForRows(tokens_, 1, [&](int64_t token) {
        RouteToken(op_.model, layer_, 0, fresh(call) + token * op_.cols, ids_.data() + token * k,
                   out_.data() + token * k);
      });
    };
  }

  // The rows of a token are far apart, as among rows sorted by expert.
  void PrepareSum() {
    const int64_t k = op_.rows - 1;
    AllocateNormal(tokens_ * op_.rows * op_.cols, &in_);
    ids_.Allocate(tokens_ * k);
    for (int64_t token = 0; token < tokens_; ++token) {
      for (int64_t slot = 0; slot < k; ++slot) ids_[token * k + slot] = static_cast<int32_t>(slot * tokens_ + token);
    }
    out_.Allocate(tokens_ * op_.cols);
    run_ = [this, k](int64_t) {
      ForRows(tokens_, 1, [&](int64_t token) {
        SumExpertOutputs(in_.data(), ids_.data() + token * k, k, tokens_ * k + token, op_.cols,
                         out_.data() + token * op_.cols);
      });
    };
  }

  const KernelOp& op_;
  const int64_t tokens_;
  ThreadPool& threads_;
  std::function<void(int64_t call)> run_;
  int64_t fresh_floats_ = 0;  // of a call
  Buffer<float> fresh_;
  Buffer<float> in_, scores_, out_, post_, comb_;
  Buffer<uint8_t> stored_;
  Buffer<int32_t> ids_, counts_;
  std::vector<uint16_t> bf16_;
  std::vector<int64_t> visible_;
  ConstantVector base_, scale_;
  HyperConnectionWeights mixing_;
  LayerWeights layer_;
  TopRowsScratch top_rows_;
};

}  // namespace

std::vector<KernelOp> ModelOpsOf(const CheckpointConfig& config, int64_t context) {
  const ModelConfig& model = config.model;
  std::vector<KernelOp> ops;
  const auto add = [&](const char* name, const char* kernel, KernelKind kind, int64_t rows, int64_t cols) {
    KernelOp op;
    op.name = name;
    op.kernel = kernel;
    op.kind = kind;
    op.rows = rows;
    op.cols = cols;
    op.rope_dim = model.rope_dim;
    op.model = model;
    ops.push_back(std::move(op));
  };
  const auto has = [&](int64_t ratio) { return std::ranges::find(model.ratios, ratio) != model.ratios.end(); };
  add("norm.x", "rms_norm_rows", KernelKind::kRmsNorm, 1, model.hidden_size);
  add("norm.q", "rms_norm_rows", KernelKind::kHeadNorm, model.heads, model.head_dim);
  add("streams", "hc_pre", KernelKind::kHcPre, model.streams, model.hidden_size);
  add("streams", "hc_head", KernelKind::kHcHead, model.streams, model.hidden_size);
  add("rotary.tables", "rotary_table", KernelKind::kRotaryTable, 2, model.rope_dim / 2);
  add("attn.q", "rotate", KernelKind::kRotate, model.heads, model.rope_dim);
  add("attn.kv", "encode_kv_row", KernelKind::kEncodeKvRow, 1, model.head_dim);
  if (has(4)) {
    add("attn.compressor.ratio4", "compressor_softmax_sum", KernelKind::kSoftmaxSum, kOverlappingMembers,
        model.head_dim);
    add("attn.indexer.compressor", "compressor_softmax_sum", KernelKind::kSoftmaxSum, kOverlappingMembers,
        model.index_dim);
    add("attn.indexer.q", "hadamard", KernelKind::kHadamard, model.index_heads, model.index_dim);
    add("attn.indexer.q", "encode_index_row", KernelKind::kEncodeIndexRow, model.index_heads, model.index_dim);
    add("attn.indexer.rows", "top_rows", KernelKind::kTopRows, 1, std::min(model.index_topk, context / 4));
    ops.back().over = context / 4;
  }
  if (has(128)) {
    add("attn.compressor.ratio128", "compressor_softmax_sum", KernelKind::kSoftmaxSum, kLongBlock, model.head_dim);
  }
  add("ffn.gate", "route_token", KernelKind::kRouteToken, 1, model.experts);
  add("ffn.y", "sum_expert_outputs", KernelKind::kSumExpertOutputs, model.experts_per_token + 1, model.hidden_size);
  return ops;
}

KernelCost ModelCostOf(const KernelOp& op, int64_t tokens) {
  const auto t = static_cast<double>(tokens);
  const auto rows = static_cast<double>(op.rows);
  const auto cols = static_cast<double>(op.cols);
  const auto over = static_cast<double>(op.over);
  const auto experts_per_token = static_cast<double>(op.model.experts_per_token);
  const double values = t * rows * cols;
  KernelCost cost;
  switch (op.kind) {
    case KernelKind::kRmsNorm:  // squares and their sum, and two products
      cost.bytes = 8 * values + 2 * cols;
      cost.ops = 4 * values;
      break;
    case KernelKind::kHeadNorm:
      cost.bytes = 8 * values;
      cost.ops = 3 * values;
      break;
    case KernelKind::kHcPre: {  // squares and their sum; the sum of the streams; Sinkhorn's sums and quotients
      const auto mix = static_cast<double>(op.model.mix_rows());
      const auto rounds = static_cast<double>(op.model.sinkhorn_iterations);
      cost.bytes = 4 * (values + t * cols + t * mix + t * rows * (rows + 1));
      cost.ops = 4 * values + t * (3 * mix + 6 * rows + 4 * rounds * rows * rows);
      break;
    }
    case KernelKind::kHcHead:
      cost.bytes = 4 * (values + t * cols + t * rows);
      cost.ops = 4 * values + 6 * t * rows;
      break;
    case KernelKind::kHcPost:  // each new stream is a sum of all of them and the output
      cost.bytes = 4 * (2 * values + t * cols + t * rows * (rows + 1));
      cost.ops = values * (1 + 2 * rows);
      break;
    case KernelKind::kRotaryTable:  // a frequency is a double; an angle, its sine and its cosine
      cost.bytes = 16 * values;
      cost.ops = 3 * values;
      break;
    case KernelKind::kRotate:  // four products and two sums for two values
      cost.bytes = 8 * values + 4 * t * cols;
      cost.ops = 3 * values;
      break;
    case KernelKind::kEncodeKvRow:  // the largest, and a quotient
      cost.bytes = 4 * values + t * rows * static_cast<double>(op.kv_layout().bytes());
      cost.ops = 2 * values;
      break;
    case KernelKind::kEncodeIndexRow:
      cost.bytes = 4 * values + t * rows * static_cast<double>(op.index_layout().bytes());
      cost.ops = 2 * values;
      break;
    case KernelKind::kHadamard:  // a sum in each of log2(cols) rounds, and a product
      cost.bytes = 8 * values;
      cost.ops = values * static_cast<double>(std::bit_width(static_cast<uint64_t>(op.cols)));
      break;
    case KernelKind::kSoftmaxSum: {  // the largest, a difference, its exponential, two sums and a product
      const auto blocks = static_cast<double>(BlocksOf(op, tokens));
      cost.bytes = blocks * (8 * rows * cols + 4 * cols);
      cost.ops = blocks * (6 * rows * cols + cols);
      break;
    }
    case KernelKind::kTopRows:
      cost.bytes = 4 * t * (over + cols);
      cost.ops = t * over;
      break;
    case KernelKind::kRouteToken:  // a score is three functions; the bias is added and the sum compared
      cost.bytes = 8 * values + 4 * cols + 8 * t * experts_per_token;
      cost.ops = values * 5;
      break;
    default:
      FATHOM_CHECK(op.kind == KernelKind::kSumExpertOutputs);
      cost.bytes = 4 * (values + t * cols);
      cost.ops = values;
  }
  cost.f32_ops = cost.ops;
  return cost;
}

std::unique_ptr<KernelCase> MakeModelCase(const KernelOp& op, int64_t tokens, ThreadPool& threads) {
  return std::make_unique<ModelCase>(op, tokens, threads);
}

}  // namespace fathom
