#include "train/torch/gemm.h"

#include <omp.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/check.h"
#include "base/cpu_features.h"
#include "kernels/peak.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

// oneDNN compiles code for every shape, which takes a fifth of a millisecond: kept by shape.
class MatMulCache {
 public:
  struct Entry {
    dnnl::matmul primitive;
    dnnl::memory::desc a, b, c, scratch;
  };

  const Entry& Find(Product product, int64_t m, int64_t n, int64_t k, bool half, bool accumulate) {
    const Key key = {static_cast<int64_t>(product), m, n, k, half, accumulate, omp_in_parallel()};
    const std::scoped_lock lock(mutex_);
    auto at = entries_.find(key);
    if (at == entries_.end()) {
      at = entries_.emplace(key, std::make_unique<Entry>(Make(product, m, n, k, half, accumulate))).first;
    }
    return *at->second;
  }

  dnnl::engine& engine() { return engine_; }

 private:
  using Key = std::array<int64_t, 7>;

  Entry Make(Product product, int64_t m, int64_t n, int64_t k, bool half, bool accumulate) {
    using dnnl::memory;
    const auto type = half ? memory::data_type::bf16 : memory::data_type::f32;
    const bool a_transposed = product == Product::kTN;
    const bool b_transposed = product == Product::kNT;
    const memory::desc a({m, k}, type, a_transposed ? memory::dims{1, m} : memory::dims{k, 1});
    const memory::desc b({k, n}, type, b_transposed ? memory::dims{1, k} : memory::dims{n, 1});
    const memory::desc c({m, n}, memory::data_type::f32, memory::dims{n, 1});
    dnnl::primitive_attr attributes;
    // The library's own scratch memory belongs to the thread that made the primitive; others run it, too.
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attributes.set_post_ops(sum);
    }
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, engine_);
    return {dnnl::matmul(description), a, b, c, description.scratchpad_desc()};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Entry>> entries_;
};

MatMulCache& Cache() {
  static MatMulCache cache;
  return cache;
}

constexpr size_t kAlignment = 128;

void Run(Product product, int64_t m, int64_t n, int64_t k, bool half, const void* a, const void* b, float* c,
         bool accumulate) {
  if (m == 0 || n == 0) return;
  MatMulCache& cache = Cache();
  const MatMulCache::Entry& entry = cache.Find(product, m, n, k, half, accumulate);
  thread_local dnnl::stream stream(cache.engine());
  const dnnl::memory a_memory(entry.a, cache.engine(), const_cast<void*>(a));
  const dnnl::memory b_memory(entry.b, cache.engine(), const_cast<void*>(b));
  const dnnl::memory c_memory(entry.c, cache.engine(), c);
  thread_local std::vector<char> scratch;
  if (scratch.size() < entry.scratch.get_size() + kAlignment) scratch.resize(entry.scratch.get_size() + kAlignment);
  const auto address = reinterpret_cast<uintptr_t>(scratch.data());
  const dnnl::memory scratch_memory(entry.scratch, cache.engine(),
                                    reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment));
  entry.primitive.execute(stream, {{DNNL_ARG_SRC, a_memory},
                                   {DNNL_ARG_WEIGHTS, b_memory},
                                   {DNNL_ARG_DST, c_memory},
                                   {DNNL_ARG_SCRATCHPAD, scratch_memory}});
  stream.wait();
}

}  // namespace

void GemmInto(Product product, int64_t m, int64_t n, int64_t k, const uint16_t* a, const uint16_t* b, float* c,
              bool accumulate) {
  Run(product, m, n, k, true, a, b, c, accumulate);
}

void GemmInto(Product product, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c,
              bool accumulate) {
  Run(product, m, n, k, false, a, b, c, accumulate);
}

void StridedGemm(Product product, int64_t m, int64_t n, int64_t k, const float* a, int64_t a_stride, const float* b,
                 int64_t b_stride, float* c, int64_t c_stride, bool accumulate) {
  if (m == 0 || n == 0 || (k == 0 && accumulate)) return;
  const dnnl_status_t status = dnnl_sgemm(product == Product::kTN ? 'T' : 'N', product == Product::kNT ? 'T' : 'N', m,
                                          n, k, 1.0f, a, a_stride, b, b_stride, accumulate ? 1.0f : 0.0f, c, c_stride);
  FATHOM_CHECK(status == dnnl_success);
}

namespace {

// Steps have any number of tokens; products are compiled for multiples of this, and a rest is padded with zeros.
constexpr int64_t kTokenUnit = 512;

// Rows of the tokens' axis from `begin` on, padded to a unit.
Tensor PaddedRest(const Tensor& x, int64_t begin) {
  Tensor rest = torch::zeros({kTokenUnit, x.size(1)}, x.options());
  rest.narrow(0, 0, x.size(0) - begin).copy_(x.narrow(0, begin, x.size(0) - begin));
  return rest;
}

}  // namespace

Tensor Gemm(Product product, const Tensor& a, const Tensor& b) {
  FATHOM_CHECK(a.is_contiguous() && b.is_contiguous() && a.scalar_type() == b.scalar_type());
  const bool sums_tokens = product == Product::kTN;
  const int64_t tokens = a.size(0);
  const int64_t whole = tokens / kTokenUnit * kTokenUnit;
  const int64_t m = sums_tokens ? a.size(1) : tokens;
  const int64_t n = product == Product::kNT ? b.size(0) : b.size(1);
  FATHOM_CHECK((product == Product::kNT ? b.size(1) : b.size(0)) == (sums_tokens ? tokens : a.size(1)));
  Tensor c = torch::empty({m, n}, torch::kFloat32);
  WithHalf(a, [&](auto* a_data) {
    using Half = decltype(a_data);
    const auto* b_data = static_cast<Half>(b.data_ptr());
    if (sums_tokens) {
      if (whole > 0) GemmInto(product, m, n, whole, a_data, b_data, Floats(c));
      if (whole == tokens && whole > 0) return;
      if (whole == 0) c.zero_();
      if (tokens == 0) return;
      const Tensor a_rest = PaddedRest(a, whole);
      const Tensor b_rest = PaddedRest(b, whole);
      GemmInto(product, m, n, kTokenUnit, static_cast<Half>(a_rest.data_ptr()), static_cast<Half>(b_rest.data_ptr()),
               Floats(c), /*accumulate=*/true);
      return;
    }
    const int64_t k = a.size(1);
    if (whole > 0) GemmInto(product, whole, n, k, a_data, b_data, Floats(c));
    if (whole == tokens) return;
    const Tensor a_rest = PaddedRest(a, whole);
    Tensor c_rest = torch::empty({kTokenUnit, n}, torch::kFloat32);
    GemmInto(product, kTokenUnit, n, k, static_cast<Half>(a_rest.data_ptr()), b_data, Floats(c_rest));
    c.narrow(0, whole, tokens - whole).copy_(c_rest.narrow(0, 0, tokens - whole));
  });
  return c;
}

bool HasBf16Products() {
  // Asked by making one: the library's list of instruction sets grows, and not each of them has these products.
  static const bool kHas = [] {
    try {
      Cache().Find(Product::kNT, kTokenUnit, 16, 16, /*half=*/true, /*accumulate=*/false);
      return true;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return kHas;
}

bool Bf16ProductsAreFaster() {
  static const bool kFaster = GetCpuFeatures().avx512_bf16 && HasBf16Products() && Bf16PairsAreFaster();
  return kFaster;
}

TrainArithmetic& Arithmetic() {
  static TrainArithmetic arithmetic;
  return arithmetic;
}

Tensor EmptyHalf(torch::IntArrayRef sizes) {
  return torch::empty(sizes, Arithmetic().half ? torch::kBFloat16 : torch::kFloat32);
}

Tensor ToHalf(const Tensor& x) {
  FATHOM_CHECK(x.is_contiguous());
  if (!Arithmetic().half) return x;
  Tensor out = EmptyHalf(x.sizes());
  const float* from = Floats(x);
  auto* to = static_cast<uint16_t*>(out.data_ptr());
  ParallelRanges(x.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) StoreHalf(to, i, from[i]);
  });
  return out;
}

}  // namespace fathom
