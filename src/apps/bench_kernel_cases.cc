#include "apps/bench_kernel_cases.h"

#include <algorithm>
#include <random>
#include <span>
#include <vector>

#include "apps/bench_model_ops.h"
#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "model/attention.h"
#include "model/indexer.h"

namespace fathom {
namespace {

// A sample of products reads about so much with one token, in one parallel region, as a layer's experts run.
constexpr double kRegionBytes = 16e6;
constexpr size_t kMaxRegionMatrices = 64;

class ProductCase : public KernelCase {
 public:
  ProductCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool)
      : op_(op), tokens_(tokens), threads_(threads), pool_(pool) {
    const int64_t width = op.groups * op.cols;
    x_.Allocate(tokens * width);
    FillNormal(x_.data(), x_.size());
    if (op.activated) Activate();
    if (op.quantized_fp8() && Kernels().uses_pairs) {
      pairs_.Allocate(tokens * width);
      QuantizeRows(threads, x_.data(), width, tokens, width, x_.data(), nullptr, pairs_.data());
    }
    if (op.integers) {
      chunks_.Allocate(tokens * Fp8Chunk::Count(width));
      if (op.int8) {
        QuantizeRowsInt8(threads, x_.data(), width, tokens, width, chunks_.data());
      } else {
        QuantizeRows(threads, x_.data(), width, tokens, width, x_.data(), chunks_.data());
      }
    }
    const double wanted = kRegionBytes / static_cast<double>(tokens * op.matrix().bytes());
    // Not so many that they would be the whole pool: each sample takes others.
    const int64_t fitting = pool.bytes() / 4 / op.matrix().bytes();
    together_ =
        std::clamp(static_cast<size_t>(std::min(wanted, static_cast<double>(fitting))), size_t{1}, kMaxRegionMatrices);
    y_.Allocate(static_cast<int64_t>(together_) * tokens * op.rows);
    std::fill_n(y_.data(), y_.size(), 0.0f);  // touches its pages
  }

  void Next(int64_t calls) override {
    matrices_.resize(static_cast<size_t>(calls) * together_);
    jobs_.clear();
    for (size_t at = 0; at < matrices_.size(); ++at) {
      matrices_[at] = pool_.NextMatrix(op_.matrix());
      float* const y = y_.data() + static_cast<int64_t>(at % together_) * tokens_ * op_.rows;
      for (int64_t group = 0; group < op_.groups; ++group) {
        const Activations x = {.values = x_.data() + group * op_.cols,
                               .stride = op_.groups * op_.cols,
                               .chunks = op_.integers ? chunks_.data() : nullptr,
                               .rows = tokens_,
                               .cols = op_.cols,
                               .int8 = op_.int8,
                               .pairs = pairs_.data()};
        MatMulArgs job = MatMulJob(matrices_[at], x, tokens_, y, op_.rows);
        job.row_begin = op_.rows / op_.groups * group;
        job.row_end = job.row_begin + op_.rows / op_.groups;
        job.round_weights = op_.round_weights;
        jobs_.push_back(job);
      }
    }
  }

  void Run(int64_t call) override {
    const size_t jobs = together_ * static_cast<size_t>(op_.groups);
    MatMul(threads_, std::span<const MatMulArgs>(jobs_).subspan(static_cast<size_t>(call) * jobs, jobs));
  }
  int64_t times() const override { return static_cast<int64_t>(together_); }

 private:
  // What the numbers would be behind SwiGLU, each as the gate of another one.
  void Activate() {
    std::vector<float> up(x_.data(), x_.data() + x_.size());
    std::rotate(up.begin(), up.begin() + x_.size() / 3, up.end());
    Kernels().swiglu(x_.data(), up.data(), /*limit=*/10, /*weight=*/1, x_.size(), x_.data());
  }

  const KernelOp& op_;
  const int64_t tokens_;
  ThreadPool& threads_;
  WeightPool& pool_;
  size_t together_ = 1;  // matrices of one parallel region
  Buffer<float> x_;
  Buffer<Fp8Chunk> chunks_;
  Buffer<uint16_t> pairs_;
  Buffer<float> y_;
  std::vector<Matrix> matrices_;
  std::vector<MatMulArgs> jobs_;
};

// Stored rows for attention or the indexer: a few different ones, repeated through memory of an eighth of the pool.
class StoredRows {
 public:
  StoredRows(int64_t row_bytes, int64_t least, const WeightPool& pool, const std::function<void(uint8_t*)>& encode)
      : row_bytes_(row_bytes), count_(std::max(least, pool.bytes() / 8 / row_bytes)) {
    bytes_.Allocate(count_ * row_bytes);
    const int64_t distinct = std::min<int64_t>(count_, 1024);
    for (int64_t row = 0; row < distinct; ++row) encode(bytes_.data() + row * row_bytes);
    for (int64_t row = distinct; row < count_; ++row) {
      std::copy_n(this->row(row - distinct), row_bytes, bytes_.data() + row * row_bytes);
    }
  }

  int64_t count() const { return count_; }
  const uint8_t* row(int64_t row) const { return bytes_.data() + row * row_bytes_; }

 private:
  const int64_t row_bytes_;
  const int64_t count_;
  Buffer<uint8_t> bytes_;
};

class AttendCase : public KernelCase {
 public:
  AttendCase(const KernelOp& op, CaseTokens tokens, ThreadPool& threads, const WeightPool& pool)
      : op_(op),
        tokens_(tokens.measured),
        heads_(AttendTaskHeads(tokens.of_call, op.rows, threads.threads())),
        groups_((op.rows + heads_ - 1) / heads_),
        threads_(threads),
        stored_(op.kv_layout().bytes(), op.over, pool, [&](uint8_t* row) {
          std::vector<float> values(static_cast<size_t>(op.cols));
          for (float& value : values) value = normal_(random_);
          EncodeKvRow(op.kv_layout(), values.data(), row);
        }) {
    q_.Allocate(tokens_ * op.rows * op.cols);
    FillNormal(q_.data(), q_.size());
    out_.Allocate(q_.size());
    std::fill_n(out_.data(), out_.size(), 0.0f);
    sink_.assign(static_cast<size_t>(op.rows), 0.5f);
    scratch_floats_ = (AttendScratchFloats(heads_, op.cols) + 15) / 16 * 16;
    scratch_.Allocate(scratch_floats_ * threads.threads());
  }

  void Next(int64_t calls) override {
    rows_.resize(static_cast<size_t>(calls * tokens_ * op_.over));
    for (const uint8_t*& row : rows_) row = stored_.row(static_cast<int64_t>(random_() % stored_.count()));
  }

  void Run(int64_t call) override {
    threads_.ParallelFor(tokens_ * groups_, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t token = task / groups_;
        const int64_t head = task % groups_ * heads_;
        const int64_t at = (token * op_.rows + head) * op_.cols;
        Kernels().attend({.q = q_.data() + at,
                          .heads = std::min(heads_, op_.rows - head),
                          .sink = sink_.data() + head,
                          .rows = rows_.data() + (call * tokens_ + token) * op_.over,
                          .count = op_.over,
                          .layout = op_.kv_layout(),
                          .out = out_.data() + at,
                          .scratch = scratch_.data() + worker * scratch_floats_});
      }
    });
  }

 private:
  const KernelOp& op_;
  const int64_t tokens_;
  const int64_t heads_;   // of a task
  const int64_t groups_;  // tasks of a token
  ThreadPool& threads_;
  std::mt19937_64 random_{3};
  std::normal_distribution<float> normal_;
  StoredRows stored_;
  Buffer<float> q_;
  Buffer<float> out_;
  Buffer<float> scratch_;
  std::vector<float> sink_;
  std::vector<const uint8_t*> rows_;
  int64_t scratch_floats_ = 0;
};

// All tokens over the same keys, as those of one sequence.
class IndexCase : public KernelCase {
 public:
  IndexCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, const WeightPool& pool)
      : op_(op),
        tokens_(tokens),
        range_(IndexTaskRows(op.over, threads.threads())),
        threads_(threads),
        stored_(op.index_layout().bytes(), op.over, pool, [&](uint8_t* row) { Encode(row); }) {
    q_.Allocate(tokens * op.rows * op.index_layout().bytes());
    for (int64_t row = 0; row < tokens * op.rows; ++row) Encode(q_.data() + row * op.index_layout().bytes());
    w_.assign(static_cast<size_t>(tokens * op.rows), 0.25f);
    scores_.Allocate(tokens * op.over);
    std::fill_n(scores_.data(), scores_.size(), 0.0f);
  }

  void Next(int64_t calls) override {
    keys_.clear();
    for (int64_t call = 0; call < calls; ++call) {
      if (at_ + op_.over > stored_.count()) at_ = 0;
      for (int64_t row = 0; row < op_.over; ++row) keys_.push_back(stored_.row(at_++));
    }
  }

  void Run(int64_t call) override {
    const int64_t ranges = (op_.over + range_ - 1) / range_;
    threads_.ParallelFor(tokens_ * ranges, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t token = task / ranges;
        const int64_t first = task % ranges * range_;
        Kernels().index_scores({.q = q_.data() + token * op_.rows * op_.index_layout().bytes(),
                                .w = w_.data() + token * op_.rows,
                                .heads = op_.rows,
                                .keys = keys_.data() + call * op_.over + first,
                                .count = std::min(range_, op_.over - first),
                                .layout = op_.index_layout(),
                                .scores = scores_.data() + token * op_.over + first});
      }
    });
  }

 private:
  void Encode(uint8_t* row) {
    std::vector<float> values(static_cast<size_t>(op_.cols));
    for (float& value : values) value = normal_(random_);
    EncodeIndexRow(op_.index_layout(), values.data(), row);
  }

  const KernelOp& op_;
  const int64_t tokens_;
  const int64_t range_;  // keys of a task
  ThreadPool& threads_;
  std::mt19937_64 random_{4};
  std::normal_distribution<float> normal_;
  StoredRows stored_;
  int64_t at_ = 0;
  Buffer<uint8_t> q_;
  std::vector<float> w_;
  std::vector<const uint8_t*> keys_;
  Buffer<float> scores_;
};

}  // namespace

RowsCase::RowsCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool)
    : cols_(op.cols), count_(tokens * op.rows), threads_(threads), pool_(pool) {
  const auto workers = static_cast<int64_t>(threads.threads());
  grain_ = std::max<int64_t>(1, 8192 / cols_);
  switch (op.kind) {
    case KernelKind::kQuantize:
      normal_.Allocate(count_ * cols_);
      FillNormal(normal_.data(), normal_.size());
      grain_ = std::max<int64_t>(1, 4096 / cols_);  // QuantizeRows()'s
      if (!op.int8) values_.Allocate(count_ * cols_);
      if (op.integers) chunks_.Allocate(count_ * Fp8Chunk::Count(cols_));
      if (!op.int8 && Kernels().uses_pairs) pairs_.Allocate(count_ * cols_);
      body_ = [this, int8 = op.int8](const float* x, int64_t row, int /*worker*/) {
        Fp8Chunk* const chunks = chunks_.size() > 0 ? chunks_.data() + row * Fp8Chunk::Count(cols_) : nullptr;
        if (int8) return Kernels().quantize_int8(x, cols_, chunks);
        uint16_t* const pairs = pairs_.size() > 0 ? pairs_.data() + row * cols_ : nullptr;
        Kernels().quantize_fp8(x, cols_, values_.data() + row * cols_, chunks, pairs);
      };
      break;
    case KernelKind::kSumOfSquares:
      values_.Allocate(count_);
      body_ = [this](const float* x, int64_t row, int /*worker*/) {
        values_[row] = Kernels().sum_of_squares(x, cols_);
      };
      break;
    case KernelKind::kSwiGlu:
      grain_ = 1;
      values_.Allocate(count_ * cols_);
      body_ = [this](const float* x, int64_t row, int /*worker*/) {
        Kernels().swiglu(x, x, 10, 0.25f, cols_, values_.data() + row * cols_);
      };
      break;
    case KernelKind::kLargestLogit:
      values_.Allocate(count_);
      body_ = [this](const float* x, int64_t row, int /*worker*/) {
        bool sound = true;
        values_[row] = Kernels().largest_logit(x, cols_, &sound);
      };
      break;
    case KernelKind::kSoftmaxWeights:
      values_.Allocate(workers * cols_);
      body_ = [this](const float* x, int64_t /*row*/, int worker) {
        Kernels().softmax_weights(x, cols_, 0.5f, 0.7f, values_.data() + worker * cols_);
      };
      break;
    default:
      FATHOM_CHECK(op.kind == KernelKind::kSelectAtLeast);
      ids_.Allocate(workers * cols_);
      body_ = [this](const float* x, int64_t /*row*/, int worker) {
        Kernels().select_at_least(x, cols_, kFewPoolFloats, cols_, ids_.data() + worker * cols_);
      };
  }
}

void RowsCase::Next(int64_t calls) {
  rows_.resize(static_cast<size_t>(calls * count_));
  int64_t row_of_call = 0;
  for (const float*& row : rows_) {
    if (normal_.size() == 0) {
      row = pool_.NextFloats(cols_);
      continue;
    }
    // The same for every call: a step quantises what it has just computed, which lies in the caches.
    row = normal_.data() + row_of_call * cols_;
    row_of_call = (row_of_call + 1) % count_;
  }
}

void RowsCase::Run(int64_t call) {
  const float* const* const rows = rows_.data() + call * count_;
  threads_.ParallelFor(count_, grain_, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t row = begin; row < end; ++row) body_(rows[row], row, worker);
  });
}

std::unique_ptr<KernelCase> MakeKernelCase(const KernelOp& op, CaseTokens tokens, ThreadPool& threads,
                                           WeightPool& pool) {
  if (op.runs_in_model()) return MakeModelCase(op, tokens.of_call, threads);
  switch (op.kind) {
    case KernelKind::kMatMul:
      return std::make_unique<ProductCase>(op, tokens.of_call, threads, pool);
    case KernelKind::kAttend:
      return std::make_unique<AttendCase>(op, tokens, threads, pool);
    case KernelKind::kIndexScores:
      return std::make_unique<IndexCase>(op, tokens.measured, threads, pool);
    default:
      return std::make_unique<RowsCase>(op, tokens.of_call, threads, pool);
  }
}

}  // namespace fathom
