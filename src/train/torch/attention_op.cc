#include "train/torch/attention_op.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "model/rotary.h"
#include "numeric/math.h"
#include "train/torch/gemm.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr int64_t kQueries = 32;  // tokens of a block: with 8 heads, scores of a block fit the L2 cache
// A dialogue is cut into parts, each of them one thread's work, so that a long one keeps all cores busy. Parts have
// their own gradients of the rows that they share: not too many of them.
constexpr int64_t kLeastPartTokens = 4 * kQueries;
constexpr int64_t kMostParts = 32;

float* Resize(std::vector<float>& buffer, int64_t size) {
  if (static_cast<int64_t>(buffer.size()) < size) buffer.resize(static_cast<size_t>(size));
  return buffer.data();
}

// What does not change within a layer.
struct Plan {
  const ModelConfig* config = nullptr;
  const SequenceLayout* layout = nullptr;
  int64_t ratio = 0;
  const SelectionTap* tap = nullptr;
  bool index_loss = false;
};

struct Pointers {
  const float* q;
  const float* window;
  const float* sink;
  const float* compressed;
  const float* index_q;
  const float* index_w;
  const float* index_keys;
};

// Consecutive tokens of one sequence.
struct Part {
  int64_t sequence;
  int64_t first, end;  // tokens of the sequence
};

// Work space of one thread.
struct Scratch {
  std::vector<float> scores, gradients, block_o, block_do, target, index_scores, index_raw, index_gradient;
  std::vector<int32_t> order;
};

// One part, in blocks of queries.
class PartAttention {
 public:
  PartAttention(const Plan& plan, const Pointers& in, const Part& part, Scratch& scratch)
      : plan_(plan), in_(in), scratch_(scratch), config_(*plan.config), part_(part) {
    begin_ = plan.layout->token_begin(part.sequence);
    if (plan.ratio != 0) row_begin_ = plan.layout->row_begin(plan.ratio, part.sequence);
    window_begin_ = WindowBegin(part.first);
    rows_ = Visible(part.end - 1);
  }

  // What the part sees: tokens of its sequence from window_begin() on, `window_rows` many, and the first `rows`
  // compressed rows.
  int64_t window_begin() const { return window_begin_; }
  int64_t window_rows() const { return part_.end - window_begin_; }
  int64_t rows() const { return rows_; }

  // Writes o and the logarithms of the softmax denominators [T, H]; returns the indexer's loss.
  double Forward(float* o, float* log_sums);
  // Adds to the gradients of what the part sees; writes those of queries. `loss_factor` is the gradient of the
  // indexer's loss.
  struct Gradients {
    float *q, *index_q, *index_w;             // of all tokens
    float *window, *compressed, *index_keys;  // of what the part sees
    float* sink;                              // this part's share
  };
  void Backward(const float* o, const float* log_sums, const float* do_out, float loss_factor, const Gradients& out);

 private:
  struct Block {
    int64_t first, end;      // tokens of the sequence
    int64_t window_first;    // columns: window_first .. end - 1 of the sequence's tokens
    int64_t window_columns;  // padded to 16
    int64_t rows;            // compressed rows that the last token sees
    int64_t row_columns;     // padded
    int64_t columns() const { return window_columns + row_columns; }
    int64_t queries() const { return end - first; }
    int64_t window_rows() const { return end - window_first; }
  };

  int64_t d() const { return config_.head_dim; }
  int64_t heads() const { return config_.heads; }
  int64_t di() const { return config_.index_dim; }
  int64_t index_heads() const { return config_.index_heads; }
  bool indexed() const { return plan_.ratio == 4 && rows_ > 0; }
  int64_t WindowBegin(int64_t token) const { return std::max<int64_t>(0, token - config_.window + 1); }
  int64_t Visible(int64_t token) const { return plan_.ratio == 0 ? 0 : (token + 1) / plan_.ratio; }

  Block MakeBlock(int64_t first) const {
    Block block = {};
    block.first = first;
    block.end = std::min(part_.end, first + kQueries);
    block.window_first = WindowBegin(first);
    block.window_columns = PadTo16(block.window_rows());
    block.rows = Visible(block.end - 1);
    block.row_columns = PadTo16(block.rows);
    return block;
  }

  // scores [queries * H, columns] = factor * q . row; 0 where there is no row.
  void Scores(const Block& block, const float* q, float* scores, float factor) const;
  // The indexer's scores [queries, row_columns], and before the sum over heads [queries * Hi, row_columns].
  void IndexScores(const Block& block, float* scores, float* raw) const;
  // Sets scores of rows that a query does not attend to to -infinity.
  void Mask(const Block& block, const float* index_scores, float* scores);
  // The token's `index_topk` best rows, or all if it sees no more, in scratch_.order; best first if asked for.
  void Choose(int64_t token, const float* scores, bool sorted);
  // p: attention of all heads together on each compressed row, normalised to sum 1. False if there is none.
  bool Target(const Block& block, int64_t token, const float* p, float* target) const;
  // Softmax of the indexer's scores over rows with target != -1 in place; returns KL(p || q).
  static double IndexLoss(const float* target, float* scores, int64_t rows);

  const Plan& plan_;
  const Pointers& in_;
  Scratch& scratch_;
  const ModelConfig& config_;
  const Part part_;
  int64_t begin_ = 0, row_begin_ = 0;  // of the sequence, in the step
  int64_t window_begin_ = 0, rows_ = 0;
};

void PartAttention::Scores(const Block& block, const float* q, float* scores, float factor) const {
  const int64_t m = block.queries() * heads();
  const int64_t columns = block.columns();
  StridedGemm(Product::kNT, m, block.window_rows(), d(), q, d(), in_.window + (begin_ + block.window_first) * d(), d(),
              scores, columns, false);
  StridedGemm(Product::kNT, m, block.rows, d(), q, d(), in_.compressed + row_begin_ * d(), d(),
              scores + block.window_columns, columns, false);
  for (int64_t i = 0; i < m; ++i) {
    float* row = scores + i * columns;
    std::fill(row + block.window_rows(), row + block.window_columns, 0.0f);
    std::fill(row + block.window_columns + block.rows, row + columns, 0.0f);
    for (int64_t j = 0; factor != 1 && j < columns; ++j) row[j] *= factor;
  }
}

void PartAttention::IndexScores(const Block& block, float* scores, float* raw) const {
  const int64_t columns = block.row_columns;
  StridedGemm(Product::kNT, block.queries() * index_heads(), block.rows, di(),
              in_.index_q + (begin_ + block.first) * index_heads() * di(), di(), in_.index_keys + row_begin_ * di(),
              di(), raw, columns, false);
  for (int64_t t = 0; t < block.queries(); ++t) {
    float* out = scores + t * columns;
    std::fill_n(out, block.rows, 0.0f);
    for (int64_t h = 0; h < index_heads(); ++h) {
      const float weight = in_.index_w[(begin_ + block.first + t) * index_heads() + h];
      const float* row = raw + (t * index_heads() + h) * columns;
      for (int64_t j = 0; j < block.rows; ++j) out[j] += weight * std::max(row[j], 0.0f);
    }
  }
}

void PartAttention::Choose(int64_t token, const float* scores, bool sorted) {
  const int64_t visible = Visible(token);
  const int64_t count = std::min(config_.index_topk, visible);
  std::vector<int32_t>& order = scratch_.order;
  order.resize(static_cast<size_t>(visible));
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
  if (sorted) {
    std::partial_sort(order.begin(), order.begin() + count, order.end(), better);
  } else if (count < visible) {
    std::nth_element(order.begin(), order.begin() + count, order.end(), better);
  }
  order.resize(static_cast<size_t>(count));
}

void PartAttention::Mask(const Block& block, const float* index_scores, float* scores) {
  std::vector<uint8_t> chosen(static_cast<size_t>(block.row_columns));
  for (int64_t t = 0; t < block.queries(); ++t) {
    const int64_t token = block.first + t;
    const int64_t visible = Visible(token);
    const bool choose = index_scores != nullptr && visible > config_.index_topk;
    if (choose) {
      Choose(token, index_scores + t * block.row_columns, /*sorted=*/false);
      std::fill(chosen.begin(), chosen.end(), uint8_t{0});
      for (const int32_t row : scratch_.order) chosen[static_cast<size_t>(row)] = 1;
    }
    const int64_t low = WindowBegin(token) - block.window_first;
    const int64_t high = token - block.window_first;
    for (int64_t h = 0; h < heads(); ++h) {
      float* row = scores + (t * heads() + h) * block.columns();
      std::fill(row, row + low, -INFINITY);
      std::fill(row + high + 1, row + block.window_columns, -INFINITY);
      float* compressed = row + block.window_columns;
      std::fill(compressed + visible, compressed + block.row_columns, -INFINITY);
      for (int64_t j = 0; choose && j < visible; ++j) {
        if (chosen[static_cast<size_t>(j)] == 0) compressed[j] = -INFINITY;
      }
    }
  }
}

bool PartAttention::Target(const Block& block, int64_t token, const float* p, float* target) const {
  const int64_t visible = Visible(token);
  if (visible < 2) return false;
  std::fill_n(target, visible, 0.0f);
  for (int64_t h = 0; h < heads(); ++h) {
    const float* row = p + h * block.columns() + block.window_columns;
    for (int64_t j = 0; j < visible; ++j) target[j] += row[j];
  }
  float sum = 0;
  for (int64_t j = 0; j < visible; ++j) sum += target[j];
  if (!(sum > 1e-20f)) return false;
  // Rows outside the choice have exactly zero attention from every head; those inside may underflow to zero, too, and
  // then teach nothing.
  for (int64_t j = 0; j < visible; ++j) target[j] = target[j] > 0 ? target[j] / sum : -1.0f;
  return true;
}

double PartAttention::IndexLoss(const float* target, float* scores, int64_t rows) {
  float largest = -INFINITY;
  for (int64_t j = 0; j < rows; ++j) {
    if (target[j] >= 0) largest = std::max(largest, scores[j]);
  }
  double sum = 0;
  for (int64_t j = 0; j < rows; ++j) {
    if (target[j] >= 0) sum += Exp(scores[j] - largest);
  }
  const auto log_sum = static_cast<float>(std::log(sum)) + largest;
  double loss = 0;
  for (int64_t j = 0; j < rows; ++j) {
    if (target[j] < 0) {
      scores[j] = 0;
      continue;
    }
    loss += static_cast<double>(target[j]) * (std::log(static_cast<double>(target[j])) - (scores[j] - log_sum));
    scores[j] = Exp(scores[j] - log_sum);
  }
  return loss;
}

double PartAttention::Forward(float* o, float* log_sums) {
  double loss = 0;
  const float factor = 1.0f / std::sqrt(static_cast<float>(d()));
  const Rotation& rotation = plan_.layout->at_tokens(plan_.ratio != 0);
  const int64_t half = config_.rope_dim / 2;
  for (int64_t first = part_.first; first < part_.end; first += kQueries) {
    const Block block = MakeBlock(first);
    const int64_t m = block.queries() * heads();
    float* scores = Resize(scratch_.scores, m * block.columns());
    Scores(block, in_.q + (begin_ + first) * heads() * d(), scores, factor);
    float* index_scores = nullptr;
    if (indexed() && block.rows > 0) {
      index_scores = Resize(scratch_.index_scores, block.queries() * block.row_columns);
      IndexScores(block, index_scores, Resize(scratch_.index_raw, block.queries() * index_heads() * block.row_columns));
      for (int64_t t = 0; plan_.tap != nullptr && *plan_.tap && t < block.queries(); ++t) {
        Choose(first + t, index_scores + t * block.row_columns, /*sorted=*/true);
        (*plan_.tap)(begin_ + first + t, scratch_.order);
      }
    }
    Mask(block, index_scores, scores);
    for (int64_t i = 0; i < m; ++i) {
      float* row = scores + i * block.columns();
      const float sink = in_.sink[i % heads()];
      float largest = sink;
      for (int64_t j = 0; j < block.columns(); ++j) largest = std::max(largest, row[j]);
      float sums[16] = {};
      for (int64_t j = 0; j < block.columns(); j += 16) {
        for (int64_t l = 0; l < 16; ++l) {
          row[j + l] = Exp(row[j + l] - largest);
          sums[l] += row[j + l];
        }
      }
      float sum = Exp(sink - largest);
      for (const float part : sums) sum += part;
      const float inverse = 1.0f / sum;
      for (int64_t j = 0; j < block.columns(); ++j) row[j] *= inverse;
      log_sums[(begin_ + first) * heads() + i] = largest + std::log(sum);
    }
    float* out = o + (begin_ + first) * heads() * d();
    StridedGemm(Product::kNN, m, d(), block.window_rows(), scores, block.columns(),
                in_.window + (begin_ + block.window_first) * d(), d(), out, d(), false);
    StridedGemm(Product::kNN, m, d(), block.rows, scores + block.window_columns, block.columns(),
                in_.compressed + row_begin_ * d(), d(), out, d(), true);
    for (int64_t i = 0; i < m; ++i) {
      const int64_t token = begin_ + first + i / heads();
      Rotate(out + i * d() + d() - 2 * half, 2 * half, Floats(rotation.cosine) + token * half,
             Floats(rotation.sine) + token * half, /*inverse=*/true);
    }
    if (!plan_.index_loss || index_scores == nullptr) continue;
    float* target = Resize(scratch_.target, block.row_columns);
    for (int64_t t = 0; t < block.queries(); ++t) {
      if (!Target(block, first + t, scores + t * heads() * block.columns(), target)) continue;
      loss += IndexLoss(target, index_scores + t * block.row_columns, Visible(first + t));
    }
  }
  return loss;
}

void PartAttention::Backward(const float* o, const float* log_sums, const float* do_out, float loss_factor,
                             const Gradients& out) {
  const float factor = 1.0f / std::sqrt(static_cast<float>(d()));
  const Rotation& rotation = plan_.layout->at_tokens(plan_.ratio != 0);
  const int64_t half = config_.rope_dim / 2;
  for (int64_t first = part_.first; first < part_.end; first += kQueries) {
    const Block block = MakeBlock(first);
    const int64_t m = block.queries() * heads();
    const int64_t columns = block.columns();
    const int64_t at = (begin_ + first) * heads() * d();
    float* p = Resize(scratch_.scores, m * columns);
    Scores(block, in_.q + at, p, factor);
    float* index_scores = nullptr;
    float* raw = nullptr;
    if (indexed() && block.rows > 0) {
      index_scores = Resize(scratch_.index_scores, block.queries() * block.row_columns);
      raw = Resize(scratch_.index_raw, block.queries() * index_heads() * block.row_columns);
      IndexScores(block, index_scores, raw);
    }
    Mask(block, index_scores, p);
    // o was rotated back: its gradient is rotated like a query.
    float* block_do = Resize(scratch_.block_do, m * d());
    std::copy_n(do_out + at, m * d(), block_do);
    std::vector<float> delta(static_cast<size_t>(m));
    for (int64_t i = 0; i < m; ++i) {
      const int64_t token = begin_ + first + i / heads();
      float dot = 0;
      for (int64_t k = 0; k < d(); ++k) dot += do_out[at + i * d() + k] * o[at + i * d() + k];
      delta[static_cast<size_t>(i)] = dot;
      Rotate(block_do + i * d() + d() - 2 * half, 2 * half, Floats(rotation.cosine) + token * half,
             Floats(rotation.sine) + token * half);
    }
    float* ds = Resize(scratch_.gradients, m * columns);
    Scores(block, block_do, ds, 1);
    for (int64_t i = 0; i < m; ++i) {
      const float log_sum = log_sums[(begin_ + first) * heads() + i];
      const float pull = delta[static_cast<size_t>(i)];
      float* p_row = p + i * columns;
      float* ds_row = ds + i * columns;
      for (int64_t j = 0; j < columns; ++j) {
        p_row[j] = Exp(p_row[j] - log_sum);
        ds_row[j] = p_row[j] * (ds_row[j] - pull) * factor;
      }
      out.sink[i % heads()] -= Exp(in_.sink[i % heads()] - log_sum) * pull;
    }
    const float* window = in_.window + (begin_ + block.window_first) * d();
    float* window_gradient = out.window + (block.window_first - window_begin_) * d();
    const float* q = in_.q + at;
    StridedGemm(Product::kNN, m, d(), block.window_rows(), ds, columns, window, d(), out.q + at, d(), false);
    StridedGemm(Product::kTN, block.window_rows(), d(), m, ds, columns, q, d(), window_gradient, d(), true);
    StridedGemm(Product::kTN, block.window_rows(), d(), m, p, columns, block_do, d(), window_gradient, d(), true);
    if (block.rows == 0) continue;
    const float* ds_rows = ds + block.window_columns;
    const float* p_rows = p + block.window_columns;
    StridedGemm(Product::kNN, m, d(), block.rows, ds_rows, columns, in_.compressed + row_begin_ * d(), d(), out.q + at,
                d(), true);
    StridedGemm(Product::kTN, block.rows, d(), m, ds_rows, columns, q, d(), out.compressed, d(), true);
    StridedGemm(Product::kTN, block.rows, d(), m, p_rows, columns, block_do, d(), out.compressed, d(), true);
    if (!plan_.index_loss || index_scores == nullptr) continue;

    float* target = Resize(scratch_.target, block.row_columns);
    const int64_t row_columns = block.row_columns;
    float* draw = Resize(scratch_.index_gradient, block.queries() * index_heads() * row_columns);
    std::fill_n(draw, block.queries() * index_heads() * row_columns, 0.0f);
    for (int64_t t = 0; t < block.queries(); ++t) {
      const int64_t visible = Visible(first + t);
      float* scores = index_scores + t * row_columns;
      if (!Target(block, first + t, p + t * heads() * columns, target)) continue;
      IndexLoss(target, scores, visible);  // scores become q
      for (int64_t j = 0; j < visible; ++j) scores[j] = target[j] < 0 ? 0 : loss_factor * (scores[j] - target[j]);
      for (int64_t h = 0; h < index_heads(); ++h) {
        const int64_t weight_at = (begin_ + first + t) * index_heads() + h;
        const float* raw_row = raw + (t * index_heads() + h) * row_columns;
        float* draw_row = draw + (t * index_heads() + h) * row_columns;
        float dw = 0;
        for (int64_t j = 0; j < visible; ++j) {
          dw += scores[j] * std::max(raw_row[j], 0.0f);
          draw_row[j] = raw_row[j] > 0 ? scores[j] * in_.index_w[weight_at] : 0.0f;
        }
        out.index_w[weight_at] = dw;
      }
    }
    const int64_t index_m = block.queries() * index_heads();
    const int64_t index_at = (begin_ + first) * index_heads() * di();
    StridedGemm(Product::kNN, index_m, di(), block.rows, draw, row_columns, in_.index_keys + row_begin_ * di(), di(),
                out.index_q + index_at, di(), false);
    StridedGemm(Product::kTN, block.rows, di(), index_m, draw, row_columns, in_.index_q + index_at, di(),
                out.index_keys, di(), true);
  }
}

Pointers PointersOf(const variable_list& tensors) {
  const auto at = [&](size_t i) -> const float* { return tensors[i].numel() > 0 ? Floats(tensors[i]) : nullptr; };
  return {at(0), at(1), at(2), at(3), at(4), at(5), at(6)};
}

// All sequences in parts, one after the other.
std::vector<Part> PartsOf(const SequenceLayout& layout) {
  std::vector<Part> parts;
  for (int64_t sequence = 0; sequence < layout.sequences(); ++sequence) {
    const int64_t length = layout.token_begin(sequence + 1) - layout.token_begin(sequence);
    const int64_t blocks = (length + kQueries - 1) / kQueries;
    const int64_t tokens = std::max(kLeastPartTokens, (blocks + kMostParts - 1) / kMostParts * kQueries);
    for (int64_t first = 0; first < length; first += tokens) {
      parts.push_back({sequence, first, std::min(length, first + tokens)});
    }
  }
  return parts;
}

// Calls body(index, attention) for all parts. Those with the most work come first, so that no core is left alone with
// one of them at the end.
template <typename Body>
void ForEachPart(const Plan& plan, const Pointers& in, const std::vector<Part>& parts, const Body& body) {
  const auto work = [&](size_t index) {
    const Part& part = parts[index];
    const int64_t rows = plan.ratio == 0 ? 0 : part.end / plan.ratio;
    return (part.end - part.first) * (std::min(part.end, plan.config->window + kQueries) + rows);
  };
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), work);
  ParallelParts(static_cast<int64_t>(order.size()), [&](int64_t i) {
    thread_local Scratch scratch;
    const size_t index = order[static_cast<size_t>(i)];
    PartAttention attention(plan, in, parts[index], scratch);
    body(index, attention);
  });
}

// What a part adds to gradients that it shares with other parts of its sequence.
struct SharedGradients {
  std::vector<float> window, compressed, index_keys, sink;
  int64_t window_begin = 0;
};

void AddTo(float* sum, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
}

// Each sequence's parts in their order: the same sums whatever thread did what.
void AddShared(const Plan& plan, const std::vector<Part>& parts, const std::vector<SharedGradients>& shared,
               const variable_list& out) {
  const SequenceLayout& layout = *plan.layout;
  const int64_t d = plan.config->head_dim;
  for (size_t i = 0; i < parts.size(); ++i) {
    const int64_t sequence = parts[i].sequence;
    AddTo(Floats(out[1]) + (layout.token_begin(sequence) + shared[i].window_begin) * d, shared[i].window);
    AddTo(Floats(out[2]), shared[i].sink);
    if (plan.ratio == 0) continue;
    const int64_t row = layout.row_begin(plan.ratio, sequence);
    AddTo(Floats(out[3]) + row * d, shared[i].compressed);
    if (plan.ratio == 4) AddTo(Floats(out[6]) + row * plan.config->index_dim, shared[i].index_keys);
  }
}

struct AttendFunction : torch::autograd::Function<AttendFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& q, const Tensor& window, const Tensor& sink,
                               const Tensor& compressed, const Tensor& index_q, const Tensor& index_w,
                               const Tensor& index_keys, const Plan& plan) {
    const variable_list inputs = {q, window, sink, compressed, index_q, index_w, index_keys};
    const Pointers in = PointersOf(inputs);
    Tensor o = torch::empty_like(q);
    Tensor log_sums = torch::empty({q.size(0), plan.config->heads}, torch::kFloat32);
    const std::vector<Part> parts = PartsOf(*plan.layout);
    std::vector<double> losses(parts.size());
    ForEachPart(plan, in, parts, [&](size_t index, PartAttention& attention) {
      losses[index] = attention.Forward(Floats(o), Floats(log_sums));
    });
    Tensor loss = torch::full({1}, std::accumulate(losses.begin(), losses.end(), 0.0), torch::kFloat32);
    context->save_for_backward({q, window, sink, compressed, index_q, index_w, index_keys, o, log_sums});
    context->saved_data["config"] = reinterpret_cast<int64_t>(plan.config);
    context->saved_data["layout"] = reinterpret_cast<int64_t>(plan.layout);
    context->saved_data["ratio"] = plan.ratio;
    context->saved_data["index_loss"] = plan.index_loss;
    return {o, loss};
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    Plan plan;
    plan.config = reinterpret_cast<const ModelConfig*>(context->saved_data["config"].toInt());
    plan.layout = reinterpret_cast<const SequenceLayout*>(context->saved_data["layout"].toInt());
    plan.ratio = context->saved_data["ratio"].toInt();
    plan.index_loss = context->saved_data["index_loss"].toBool() && grads[1].defined();
    const Pointers in = PointersOf(saved);
    const Tensor g = grads[0].contiguous();
    const float loss_factor = plan.index_loss ? grads[1].item<float>() : 0;
    variable_list out;
    for (size_t i = 0; i < 7; ++i) out.push_back(torch::zeros_like(saved[i]));
    const std::vector<Part> parts = PartsOf(*plan.layout);
    std::vector<SharedGradients> shared(parts.size());
    ForEachPart(plan, in, parts, [&](size_t index, PartAttention& attention) {
      SharedGradients& to = shared[index];
      const auto zeros = [](int64_t rows, int64_t width) {
        return std::vector<float>(static_cast<size_t>(rows * width));
      };
      to.window = zeros(attention.window_rows(), plan.config->head_dim);
      to.compressed = zeros(attention.rows(), plan.config->head_dim);
      if (plan.ratio == 4) to.index_keys = zeros(attention.rows(), plan.config->index_dim);
      to.sink = zeros(plan.config->heads, 1);
      to.window_begin = attention.window_begin();
      attention.Backward(Floats(saved[7]), Floats(saved[8]), Floats(g), loss_factor,
                         {.q = Floats(out[0]),
                          .index_q = Floats(out[4]),
                          .index_w = Floats(out[5]),
                          .window = to.window.data(),
                          .compressed = to.compressed.data(),
                          .index_keys = to.index_keys.data(),
                          .sink = to.sink.data()});
    });
    AddShared(plan, parts, shared, out);
    out.emplace_back();
    return out;
  }
};

}  // namespace

AttentionOutputs Attend(const AttentionInputs& inputs, int64_t ratio, const ModelConfig& config,
                        const SequenceLayout& layout, const SelectionTap& tap) {
  FATHOM_CHECK(config.head_dim % 16 == 0);
  const Tensor none = torch::empty({0}, torch::kFloat32);
  const auto or_none = [&](const Tensor& x) { return x.defined() ? x.contiguous() : none; };
  Plan plan;
  plan.config = &config;
  plan.layout = &layout;
  plan.ratio = ratio;
  plan.tap = &tap;
  plan.index_loss = inputs.index_q.defined() && torch::GradMode::is_enabled();
  variable_list out =
      AttendFunction::apply(inputs.q.contiguous(), inputs.window.contiguous(), inputs.sink, or_none(inputs.compressed),
                            or_none(inputs.index_q), or_none(inputs.index_w), or_none(inputs.index_keys), plan);
  return {out[0], out[1]};
}

}  // namespace fathom
