#include "apps/bench_kernel_run.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "base/check.h"
#include "base/signals.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"

namespace fathom {
namespace {

using KernelClock = std::chrono::steady_clock;

constexpr int64_t kHugePage = int64_t{2} << 20;
// Rows of a matrix that is cut because the pool is small: kernels take up to 16 at once.
constexpr int64_t kRowTile = 16;
// A sample of products reads about so much with one token, in one parallel region, as a layer's experts run.
constexpr double kSampleBytes = 16e6;
constexpr size_t kMaxSampleMatrices = 64;

// What is measured again and again. Everything is allocated by the constructor.
class KernelCase {
 public:
  KernelCase() = default;
  KernelCase(const KernelCase&) = delete;
  KernelCase& operator=(const KernelCase&) = delete;
  virtual ~KernelCase() = default;
  // Chooses other inputs from the pool; not measured.
  virtual void Next() = 0;
  virtual void Run() = 0;
  // That one Run() makes.
  virtual int64_t calls() const { return 1; }
};

// Activations: normally distributed, so that about as many chunks are `wide` as with a real model.
void FillNormal(float* values, int64_t count) {
  constexpr int64_t kDistinct = 1 << 16;
  static const std::vector<float> distinct = [] {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> made(static_cast<size_t>(kDistinct));
    for (float& value : made) value = normal(random);
    return made;
  }();
  for (int64_t at = 0; at < count; at += kDistinct) {
    std::copy_n(distinct.data(), std::min(kDistinct, count - at), values + at);
  }
}

class ProductCase : public KernelCase {
 public:
  ProductCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool)
      : op_(op), tokens_(tokens), threads_(threads), pool_(pool) {
    const int64_t width = op.groups * op.cols;
    x_.Allocate(tokens * width);
    FillNormal(x_.data(), x_.size());
    if (op.integers) {
      chunks_.Allocate(tokens * Fp8Chunk::Count(width));
      if (op.int8) {
        QuantizeRowsInt8(threads, x_.data(), width, tokens, width, chunks_.data());
      } else {
        QuantizeRows(threads, x_.data(), width, tokens, width, x_.data(), chunks_.data());
      }
    }
    const double wanted = kSampleBytes / static_cast<double>(tokens * op.matrix().bytes());
    // Not so many that they would be the whole pool: each sample takes others.
    const auto fitting = static_cast<double>(pool.bytes() / 4 / op.matrix().bytes());
    matrices_.resize(std::clamp(static_cast<size_t>(std::min(wanted, fitting)), size_t{1}, kMaxSampleMatrices));
    y_.Allocate(static_cast<int64_t>(matrices_.size()) * tokens * op.rows);
    std::fill_n(y_.data(), y_.size(), 0.0f);  // touches its pages
  }

  void Next() override {
    jobs_.clear();
    float* y = y_.data();
    for (Matrix& matrix : matrices_) {
      matrix = pool_.NextMatrix(op_.matrix());
      for (int64_t group = 0; group < op_.groups; ++group) {
        const Activations x = {.values = x_.data() + group * op_.cols,
                               .stride = op_.groups * op_.cols,
                               .chunks = op_.integers ? chunks_.data() : nullptr,
                               .rows = tokens_,
                               .cols = op_.cols,
                               .int8 = op_.int8};
        MatMulArgs job = MatMulJob(matrix, x, tokens_, y, op_.rows);
        job.row_begin = op_.rows / op_.groups * group;
        job.row_end = job.row_begin + op_.rows / op_.groups;
        jobs_.push_back(job);
      }
      y += tokens_ * op_.rows;
    }
  }

  void Run() override { MatMul(threads_, jobs_); }
  int64_t calls() const override { return static_cast<int64_t>(matrices_.size()); }

 private:
  const KernelOp& op_;
  const int64_t tokens_;
  ThreadPool& threads_;
  WeightPool& pool_;
  Buffer<float> x_;
  Buffer<Fp8Chunk> chunks_;
  Buffer<float> y_;
  std::vector<Matrix> matrices_;
  std::vector<MatMulArgs> jobs_;
};

// What takes rows of floats one by one: quantisation, norms, sampling.
class RowsCase : public KernelCase {
 public:
  // Of the row `row`, whose inputs are at `x`.
  using Body = std::function<void(const float* x, int64_t row, int worker)>;

  RowsCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool)
      : cols_(op.cols), grain_(std::max<int64_t>(1, 8192 / op.cols)), threads_(threads), pool_(pool) {
    rows_.resize(static_cast<size_t>(tokens * op.rows));
    const auto workers = static_cast<int64_t>(threads.threads());
    switch (op.kind) {
      case KernelKind::kQuantize:
        if (!op.int8) values_.Allocate(tokens * cols_);
        if (op.integers) chunks_.Allocate(tokens * Fp8Chunk::Count(cols_));
        body_ = [this, int8 = op.int8](const float* x, int64_t row, int /*worker*/) {
          Fp8Chunk* const chunks = chunks_.size() > 0 ? chunks_.data() + row * Fp8Chunk::Count(cols_) : nullptr;
          if (int8) return Kernels().quantize_int8(x, cols_, chunks);
          Kernels().quantize_fp8(x, cols_, values_.data() + row * cols_, chunks);
        };
        break;
      case KernelKind::kSumOfSquares:
        values_.Allocate(tokens * op.rows);
        body_ = [this](const float* x, int64_t row, int /*worker*/) {
          values_[row] = Kernels().sum_of_squares(x, cols_);
        };
        break;
      case KernelKind::kSwiGlu:
        values_.Allocate(tokens * cols_);
        body_ = [this](const float* x, int64_t row, int /*worker*/) {
          Kernels().swiglu(x, x, 10, 0.25f, cols_, values_.data() + row * cols_);
        };
        break;
      case KernelKind::kLargestLogit:
        values_.Allocate(tokens);
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
          // The pool's floats are evenly in +-[0.25, 0.5): about one in 2,500, as many as sampling looks at.
          Kernels().select_at_least(x, cols_, 0.4998f, cols_, ids_.data() + worker * cols_);
        };
    }
  }

  void Next() override {
    for (const float*& row : rows_) row = pool_.NextFloats(cols_);
  }

  void Run() override {
    threads_.ParallelFor(static_cast<int64_t>(rows_.size()), grain_, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t row = begin; row < end; ++row) body_(rows_[static_cast<size_t>(row)], row, worker);
    });
  }

 private:
  const int64_t cols_;
  const int64_t grain_;
  ThreadPool& threads_;
  WeightPool& pool_;
  Buffer<float> values_;
  Buffer<Fp8Chunk> chunks_;
  Buffer<int32_t> ids_;
  std::vector<const float*> rows_;
  Body body_;
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
  AttendCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, const WeightPool& pool)
      : op_(op),
        tokens_(tokens),
        // As the model shares out heads: all of a token to one task, with few tokens fewer.
        groups_(std::clamp<int64_t>(int64_t{2} * threads.threads() / tokens, 1, op.rows)),
        heads_((op.rows + groups_ - 1) / groups_),
        threads_(threads),
        stored_(op.kv_layout().bytes(), op.over, pool, [&](uint8_t* row) {
          std::vector<float> values(static_cast<size_t>(op.cols));
          for (float& value : values) value = normal_(random_);
          EncodeKvRow(op.kv_layout(), values.data(), row);
        }) {
    q_.Allocate(tokens * op.rows * op.cols);
    FillNormal(q_.data(), q_.size());
    out_.Allocate(q_.size());
    std::fill_n(out_.data(), out_.size(), 0.0f);
    sink_.assign(static_cast<size_t>(op.rows), 0.5f);
    rows_.resize(static_cast<size_t>(tokens * op.over));
    scratch_floats_ = (AttendScratchFloats(heads_, op.cols) + 15) / 16 * 16;
    scratch_.Allocate(scratch_floats_ * threads.threads());
  }

  void Next() override {
    for (const uint8_t*& row : rows_) row = stored_.row(static_cast<int64_t>(random_() % stored_.count()));
  }

  void Run() override {
    threads_.ParallelFor(tokens_ * groups_, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t token = task / groups_;
        const int64_t head = task % groups_ * heads_;
        if (head >= op_.rows) continue;
        const int64_t at = (token * op_.rows + head) * op_.cols;
        Kernels().attend({.q = q_.data() + at,
                          .heads = std::min(heads_, op_.rows - head),
                          .sink = sink_.data() + head,
                          .rows = rows_.data() + token * op_.over,
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
  const int64_t groups_;
  const int64_t heads_;
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
        threads_(threads),
        stored_(op.index_layout().bytes(), op.over, pool, [&](uint8_t* row) { Encode(row); }) {
    q_.Allocate(tokens * op.rows * op.index_layout().bytes());
    for (int64_t row = 0; row < tokens * op.rows; ++row) Encode(q_.data() + row * op.index_layout().bytes());
    w_.assign(static_cast<size_t>(tokens * op.rows), 0.25f);
    keys_.resize(static_cast<size_t>(op.over));
    scores_.Allocate(tokens * op.over);
    std::fill_n(scores_.data(), scores_.size(), 0.0f);
  }

  void Next() override {
    if (at_ + op_.over > stored_.count()) at_ = 0;
    for (const uint8_t*& key : keys_) key = stored_.row(at_++);
  }

  void Run() override {
    constexpr int64_t kRange = 1024;  // keys of one task, as in the model
    const int64_t ranges = (op_.over + kRange - 1) / kRange;
    threads_.ParallelFor(tokens_ * ranges, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t token = task / ranges;
        const int64_t first = task % ranges * kRange;
        Kernels().index_scores({.q = q_.data() + token * op_.rows * op_.index_layout().bytes(),
                                .w = w_.data() + token * op_.rows,
                                .heads = op_.rows,
                                .keys = keys_.data() + first,
                                .count = std::min(kRange, op_.over - first),
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

std::unique_ptr<KernelCase> MakeCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool) {
  switch (op.kind) {
    case KernelKind::kMatMul:
      return std::make_unique<ProductCase>(op, tokens, threads, pool);
    case KernelKind::kAttend:
      return std::make_unique<AttendCase>(op, tokens, threads, pool);
    case KernelKind::kIndexScores:
      return std::make_unique<IndexCase>(op, tokens, threads, pool);
    default:
      return std::make_unique<RowsCase>(op, tokens, threads, pool);
  }
}

// The least pool that a measurement of this works with.
int64_t LeastPoolBytes(const KernelOp& op) {
  if (op.kind != KernelKind::kMatMul) return op.cols * 4;
  KernelOp few = op;
  few.rows = std::min(op.rows, kRowTile * op.groups);
  return 4 * few.matrix().bytes();
}

// The roof is measured with large pages, so weights have them, too: what is compared is the arithmetic.
void AllocateLargePages(int64_t bytes, Buffer<uint8_t>* buffer) {
  buffer->Allocate((bytes + kHugePage - 1) / kHugePage * kHugePage);
  uint8_t* const data = buffer->data();
  uint8_t* const first_page = data + (4096 - reinterpret_cast<uintptr_t>(data) % 4096) % 4096;
  ::madvise(first_page, static_cast<size_t>(buffer->size() - (first_page - data)) / 4096 * 4096, MADV_HUGEPAGE);
}

}  // namespace

WeightPool::WeightPool(ThreadPool& threads, int64_t bytes) {
  AllocateLargePages(bytes, &data_);
  threads.ParallelFor(data_.size() / kHugePage, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t page = begin; page < end; ++page) {
      uint64_t state = static_cast<uint64_t>(page) + 1;
      for (int64_t at = page * kHugePage; at < (page + 1) * kHugePage; at += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        // Every 16-bit half, and so every float, is a number in +-[0.25, 0.5), and every byte a normal FP8 number: no
        // NaN, no denormals.
        const uint64_t word = (state & 0x8077807780778077u) | 0x3E883E883E883E88u;
        std::memcpy(data_.data() + at, &word, 8);
      }
    }
  });
  AllocateLargePages(data_.size() / 16, &scales_);  // as FP4 has them; other formats have fewer
  constexpr uint8_t kSmallScale = 120;              // 2^-7
  std::memset(scales_.data(), kSmallScale, static_cast<size_t>(scales_.size()));
}

const uint8_t* WeightPool::NextBytes(int64_t bytes) {
  FATHOM_CHECK(bytes <= data_.size());
  if (at_ + bytes > data_.size()) at_ = 0;
  const uint8_t* data = data_.data() + at_;
  at_ += (bytes + 63) / 64 * 64;
  return data;
}

const float* WeightPool::NextFloats(int64_t count) {
  return reinterpret_cast<const float*>(NextBytes(count * static_cast<int64_t>(sizeof(float))));
}

Matrix WeightPool::NextMatrix(Matrix shape) {
  shape.data = NextBytes(shape.rows * shape.row_bytes());
  const int64_t scales = shape.scale_bytes();
  FATHOM_CHECK(scales <= scales_.size());
  if (scale_at_ + scales > scales_.size()) scale_at_ = 0;
  shape.scale = scales_.data() + scale_at_;
  scale_at_ += scales;
  return shape;
}

KernelBench::KernelBench(ThreadPool& threads, std::span<const KernelOp> ops, int64_t pool_bytes)
    : threads_(threads), pool_(threads, [&] {
        int64_t bytes = pool_bytes;
        for (const KernelOp& op : ops) bytes = std::max(bytes, LeastPoolBytes(op));
        return bytes;
      }()) {}

Result<KernelMeasurement> KernelBench::Measure(const KernelOp& op, int64_t tokens, double seconds) {
  KernelMeasurement result;
  result.op = op;
  result.full_rows = op.rows;
  result.tokens = tokens;
  result.isa = Kernels().name;
  if (op.kind == KernelKind::kMatMul && op.matrix().bytes() > pool_.bytes() / 4) {
    const int64_t tile = kRowTile * op.groups;
    const double share = static_cast<double>(pool_.bytes()) / 4 / static_cast<double>(op.matrix().bytes());
    const auto rows = static_cast<int64_t>(share * static_cast<double>(op.rows));
    result.op.rows = std::min(op.rows, std::max(rows / tile * tile, tile));
  }
  const std::unique_ptr<KernelCase> which = MakeCase(result.op, tokens, threads_, pool_);
  const auto begin = KernelClock::now();
  do {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
    which->Next();
    const auto start = KernelClock::now();
    which->Run();
    const std::chrono::duration<double> elapsed = KernelClock::now() - start;
    // A clock that did not move still measured something.
    result.seconds.push_back(std::max(elapsed.count(), 1e-9) / static_cast<double>(which->calls()));
  } while (std::chrono::duration<double>(KernelClock::now() - begin).count() < seconds);
  if (result.seconds.size() > 1) result.seconds.erase(result.seconds.begin());
  return result;
}

}  // namespace fathom
