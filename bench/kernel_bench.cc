// kernel_bench - speed of every kernel of every table, beside what the machine can read at the same moment.
//
//   kernel_bench [--threads N] [--isa NAME] [--op SUBSTRING] [--pool-mib N] [--seconds S]
//
// One line per table, op and number of tokens: GB/s of weights (or rows), GFLOP/s, and GB/s as a share of a plain read
// loop over the same pool, run between the samples. Matrices are taken from the pool one after the other, so that at
// the default size they come from memory. Rates are the 90th percentile of short samples, of both alike; one thread is
// measured in processor time.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"

namespace fathom {
namespace {

struct Options {
  int threads = 2;
  std::string isa;
  std::string op;
  int64_t pool_bytes = int64_t{2048} << 20;
  double seconds = 1.0;
};

// With one thread the time it had a core, so that neighbours do not count.
bool measure_cpu_time = false;

// Floats as the engine keeps them: at the start of a cache line.
class Floats {
 public:
  explicit Floats(int64_t count)
      : data_(static_cast<float*>(std::aligned_alloc(64, (count + 15) / 16 * 64))), size_(count) {
    std::memset(data_, 0, (count + 15) / 16 * 64);
  }
  ~Floats() { std::free(data_); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  float* data() { return data_; }
  float* begin() { return data_; }
  float* end() { return data_ + size_; }
  int64_t size() const { return size_; }

 private:
  float* data_;
  int64_t size_;
};

double Now() {
  timespec t;
  clock_gettime(measure_cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Of the samples' rates: what a quiet moment allows, without the luckiest.
double Typical(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() * 9 / 10];
}

// Random bytes from which matrices are cut. The values do not matter to speed but for NaN and denormals: bytes of BF16
// and float matrices are kept to usual exponents.
class Pool {
 public:
  explicit Pool(int64_t bytes) : size_(bytes), data_(static_cast<uint8_t*>(std::aligned_alloc(2 << 20, bytes))) {
    std::mt19937_64 random(1);
    uint64_t state = random();
    for (int64_t i = 0; i < bytes; i += 8) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      // Every 16-bit half a BF16 number in [2^-2, 2): exponent 125..126.
      const uint64_t word = (state & 0x80FF80FF80FF80FFu) | 0x3E803E803E803E80u;
      std::memcpy(data_ + i, &word, 8);
    }
    scales_.assign(static_cast<size_t>(bytes / 16), 120);
  }
  ~Pool() { std::free(data_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int64_t size() const { return size_; }
  const uint8_t* data() const { return data_; }

  Matrix Next(WeightType type, int64_t rows, int64_t cols) {
    Matrix m;
    m.type = type;
    m.rows = rows;
    m.cols = cols;
    m.scale_type = m.quantizes_input() ? ScaleType::kE8m0 : ScaleType::kNone;
    if (at_ + rows * m.row_bytes() > size_) at_ = 0;
    m.data = data_ + at_;
    at_ += rows * m.row_bytes();
    if (scale_at_ + m.scale_bytes() > static_cast<int64_t>(scales_.size())) scale_at_ = 0;
    m.scale = scales_.data() + scale_at_;
    scale_at_ += m.scale_bytes();
    return m;
  }

 private:
  int64_t size_;
  uint8_t* data_;
  std::vector<uint8_t> scales_;
  int64_t at_ = 0;
  int64_t scale_at_ = 0;
};

// GB/s of a plain read loop over `bytes` of the pool.
double ReadRoof(ThreadPool& threads, const Pool& pool, int64_t* at, int64_t bytes) {
  if (*at + bytes > pool.size()) *at = 0;
  const uint8_t* begin = pool.data() + *at;
  *at += bytes;
  static volatile uint64_t sink = 0;
  const double start = Now();
  threads.ParallelFor(bytes / 65536, 4, [&](int64_t first, int64_t last, int) {
    uint64_t sum[8] = {};
    for (const uint8_t* p = begin + first * 65536; p < begin + last * 65536; p += 64) {
      __builtin_prefetch(p + 4096);
      uint64_t words[8];
      std::memcpy(words, p, 64);
      for (int i = 0; i < 8; ++i) sum[i] += words[i];
    }
    sink = sink + sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
  });
  return static_cast<double>(bytes) / (Now() - start) * 1e-9;
}

void Print(const char* table, const char* op, int64_t tokens, double gb, double gflop, double roof) {
  std::printf("%-10s %-22s %5ld tokens %8.2f GB/s %5.1f %% of %5.1f  %8.1f GFLOP/s\n", table, op,
              static_cast<long>(tokens), gb, 100 * gb / roof, roof, gflop);
  std::fflush(stdout);
}

struct Op {
  const char* name;
  WeightType type;
  int64_t rows;
  int64_t cols;
  bool integer = false;
};

// V4-Flash's shapes: an expert's gate and down, attention matrices, the head, a mixer; and slices that fit the
// second-level cache, to be run with --pool-mib 2: what the arithmetic alone allows.
constexpr Op kOps[] = {
    {"fp4 2048x4096", WeightType::kFp4, 2048, 4096, true}, {"fp4 4096x2048", WeightType::kFp4, 4096, 2048, true},
    {"fp8 32768x1024", WeightType::kFp8, 32768, 1024},     {"fp8 4096x8192", WeightType::kFp8, 4096, 8192},
    {"bf16 8192x4096", WeightType::kBf16, 8192, 4096},     {"f32 24x16384", WeightType::kF32, 24, 16384},
    {"fp4_f32 2048x4096", WeightType::kFp4, 2048, 4096},   {"fp4 slice 256x4096", WeightType::kFp4, 256, 4096, true},
    {"fp8 slice 256x4096", WeightType::kFp8, 256, 4096},
};

int64_t Bytes(const Op& op) {
  Matrix m;
  m.type = op.type;
  m.rows = op.rows;
  m.cols = op.cols;
  return m.bytes();
}

void BenchMatMul(const Options& options, const KernelTable& table, const Op& op, int64_t tokens, Pool& pool,
                 ThreadPool& threads) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  Floats x(tokens * op.cols);
  for (float& value : x) value = normal(random);
  std::vector<Fp8Chunk> chunks(static_cast<size_t>(tokens * op.cols / 128));
  for (int64_t t = 0; t < tokens; ++t) {
    float* row = x.data() + t * op.cols;
    if (op.integer) table.quantize_fp8(row, op.cols, row, chunks.data() + t * op.cols / 128);
  }
  std::vector<float> y(static_cast<size_t>(tokens * op.rows));
  const Activations inputs = {.values = x.data(),
                              .stride = op.cols,
                              .chunks = op.integer ? chunks.data() : nullptr,
                              .rows = tokens,
                              .cols = op.cols};
  std::vector<Matrix> matrices(64);
  std::vector<MatMulArgs> jobs;
  std::vector<double> rates;
  std::vector<double> roofs;
  int64_t roof_at = pool.size() / 2;
  double bytes = 0;
  const double begin = Now();
  while (Now() - begin < options.seconds || rates.size() < 3) {
    roofs.push_back(ReadRoof(threads, pool, &roof_at, std::min(int64_t{16} << 20, pool.size())));
    // Samples of about 16 MB of weights (fewer with many tokens) in one parallel region, as a layer's experts run.
    double sample_bytes = 0;
    jobs.clear();
    do {
      matrices[jobs.size()] = pool.Next(op.type, op.rows, op.cols);
      const Matrix& w = matrices[jobs.size()];
      bytes = static_cast<double>(w.bytes());
      sample_bytes += bytes;
      jobs.push_back(MatMulJob(w, inputs, tokens, y.data(), op.rows));
    } while (jobs.size() < matrices.size() && pool.size() > 60000000 &&
             sample_bytes < 16e6 / static_cast<double>(tokens));
    const double start = Now();
    MatMul(threads, jobs);
    rates.push_back(sample_bytes / (Now() - start) * 1e-9);
  }
  const double rate = Typical(rates);
  const double flop_per_byte = 2.0 * static_cast<double>(op.rows * op.cols * tokens) / bytes;
  Print(table.name, op.name, tokens, rate, rate * flop_per_byte, Typical(roofs));
}

// One layer's attention of `tokens` tokens, 64 heads of 512, over 640 rows of a cache of 64 Ki rows.
void BenchAttend(const Options& options, const KernelTable& table, RowFormat format, const char* name, Pool& pool,
                 ThreadPool& threads) {
  const KvRowLayout layout = {.format = format, .dim = 512, .rope_dim = 64};
  constexpr int64_t kHeads = 64;
  constexpr int64_t kRows = 640;
  constexpr int64_t kTokens = 8;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Floats q(kTokens * kHeads * 512);
  for (float& value : q) value = normal(random);
  std::vector<float> sink(kHeads, 0.5f);
  std::vector<float> values(512);
  std::vector<uint8_t> cache(static_cast<size_t>(4096 * layout.bytes()));
  for (int64_t row = 0; row < 4096; ++row) {
    for (float& value : values) value = normal(random);
    EncodeKvRow(layout, values.data(), cache.data() + row * layout.bytes());
  }
  std::vector<const uint8_t*> rows(kTokens * kRows);
  for (const uint8_t*& row : rows) row = cache.data() + static_cast<int64_t>(random() % 4096) * layout.bytes();
  Floats out(q.size());
  // Heads of a token are split in two, as the engine does with as many threads.
  constexpr int64_t kPart = kHeads / 2;
  const int64_t scratch_floats = (AttendScratchFloats(kPart, 512) + 15) / 16 * 16;
  Floats scratch(scratch_floats * threads.threads());
  std::vector<double> rates;
  std::vector<double> roofs;
  int64_t roof_at = 0;
  const double begin = Now();
  while (Now() - begin < options.seconds || rates.size() < 3) {
    roofs.push_back(ReadRoof(threads, pool, &roof_at, std::min(int64_t{16} << 20, pool.size())));
    const double start = Now();
    threads.ParallelFor(kTokens * 2, 1, [&](int64_t first, int64_t last, int worker) {
      for (int64_t item = first; item < last; ++item) {
        const int64_t at = (item / 2 * kHeads + item % 2 * kPart) * 512;
        table.attend({.q = q.data() + at,
                      .heads = kPart,
                      .sink = sink.data(),
                      .rows = rows.data() + item / 2 * kRows,
                      .count = kRows,
                      .layout = layout,
                      .out = out.data() + at,
                      .scratch = scratch.data() + worker * scratch_floats});
      }
    });
    rates.push_back(1 / (Now() - start));
  }
  const double rate = Typical(rates);
  Print(table.name, name, kTokens, rate * static_cast<double>(kTokens * kRows * layout.bytes()) * 1e-9,
        rate * 4e-9 * kTokens * kRows * kHeads * 512, Typical(roofs));
}

// Scores of one token, 64 heads of 128, over 64 Ki keys.
void BenchIndex(const Options& options, const KernelTable& table, Pool& pool, ThreadPool& threads) {
  const IndexRowLayout layout = {.format = RowFormat::kQuantized, .dim = 128};
  constexpr int64_t kHeads = 64;
  constexpr int64_t kKeys = 65536;
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(128);
  std::vector<uint8_t> q(static_cast<size_t>(kHeads * layout.bytes()));
  std::vector<uint8_t> cache(static_cast<size_t>(kKeys * layout.bytes()));
  const auto fill = [&](std::vector<uint8_t>& rows) {
    for (size_t at = 0; at < rows.size(); at += static_cast<size_t>(layout.bytes())) {
      for (float& value : values) value = normal(random);
      EncodeIndexRow(layout, values.data(), rows.data() + at);
    }
  };
  fill(q);
  fill(cache);
  std::vector<const uint8_t*> keys(kKeys);
  for (int64_t j = 0; j < kKeys; ++j) keys[static_cast<size_t>(j)] = cache.data() + j * layout.bytes();
  std::vector<float> w(kHeads, 0.25f);
  std::vector<float> scores(kKeys);
  std::vector<double> rates;
  std::vector<double> roofs;
  int64_t roof_at = 0;
  const double begin = Now();
  while (Now() - begin < options.seconds || rates.size() < 3) {
    roofs.push_back(ReadRoof(threads, pool, &roof_at, std::min(int64_t{16} << 20, pool.size())));
    const double start = Now();
    threads.ParallelFor(kKeys / 256, 4, [&](int64_t first, int64_t last, int) {
      table.index_scores({.q = q.data(),
                          .w = w.data(),
                          .heads = kHeads,
                          .keys = keys.data() + 256 * first,
                          .count = 256 * (last - first),
                          .layout = layout,
                          .scores = scores.data() + 256 * first});
    });
    rates.push_back(1 / (Now() - start));
  }
  const double rate = Typical(rates);
  Print(table.name, "index 64x128", 1, rate * static_cast<double>(kKeys * layout.bytes()) * 1e-9,
        rate * 2e-9 * kKeys * kHeads * 128, Typical(roofs));
}

// The conversion of 64 inputs of 4096, one thread; GB/s of floats read.
void BenchQuantize(const Options& options, const KernelTable& table, Pool& pool, ThreadPool& threads) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Floats x(int64_t{64} * 4096);
  for (float& value : x) value = normal(random);
  Floats values(x.size());
  std::vector<Fp8Chunk> chunks(static_cast<size_t>(x.size() / 128));
  std::vector<double> rates;
  std::vector<double> roofs;
  int64_t roof_at = 0;
  const double begin = Now();
  while (Now() - begin < options.seconds || rates.size() < 3) {
    roofs.push_back(ReadRoof(threads, pool, &roof_at, std::min(int64_t{16} << 20, pool.size())));
    const double start = Now();
    for (int64_t t = 0; t < 64; ++t) {
      table.quantize_fp8(x.data() + 4096 * t, 4096, values.data() + 4096 * t, chunks.data() + 32 * t);
    }
    rates.push_back(static_cast<double>(x.size()) * 4e-9 / (Now() - start));
  }
  Print(table.name, "quantize_fp8 4096 (1T)", 64, Typical(rates), 0, Typical(roofs));
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (flag == "--threads") {
      options->threads = std::atoi(value);
    } else if (flag == "--isa") {
      options->isa = value;
    } else if (flag == "--op") {
      options->op = value;
    } else if (flag == "--pool-mib") {
      options->pool_bytes = std::atoll(value) << 20;
    } else if (flag == "--seconds") {
      options->seconds = std::atof(value);
    } else {
      return false;
    }
  }
  return options->threads >= 1 && options->pool_bytes >= (int64_t{1} << 20);
}

void Run(const Options& options) {
  measure_cpu_time = options.threads == 1;
  Pool pool(options.pool_bytes);
  ThreadPool threads(options.threads);
  const auto wanted = [&](const char* name) {
    return std::string_view(name).find(options.op) != std::string_view::npos;
  };
  std::vector<const KernelTable*> tables = SupportedKernels();
  for (const KernelTable* table : tables) {
    SelectKernels(table->name);
    if (options.isa.empty() ? table == tables.front() : options.isa != table->name) continue;
    for (const Op& op : kOps) {
      for (const int64_t tokens : {1, 8, 64, 512}) {
        if (wanted(op.name) && Bytes(op) <= pool.size()) BenchMatMul(options, *table, op, tokens, pool, threads);
      }
    }
    if (wanted("attend")) {
      BenchAttend(options, *table, RowFormat::kQuantized, "attend 64x512 fp8", pool, threads);
      BenchAttend(options, *table, RowFormat::kF32, "attend 64x512 f32", pool, threads);
    }
    if (wanted("index")) BenchIndex(options, *table, pool, threads);
    if (wanted("quantize")) BenchQuantize(options, *table, pool, threads);
  }
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  fathom::Options options;
  if (!fathom::Parse(argc, argv, &options)) {
    std::fprintf(stderr, "kernel_bench [--threads N] [--isa NAME] [--op SUBSTRING] [--pool-mib N] [--seconds S]\n");
    return 2;
  }
  fathom::Run(options);
  return 0;
}
