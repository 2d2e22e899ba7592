#include "apps/bench_weight_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "base/check.h"
#include "base/progress.h"
#include "base/signals.h"

namespace fathom {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;

// The roof is measured with large pages, so weights have them, too: what is compared is the arithmetic.
void AllocateLargePages(int64_t bytes, Buffer<uint8_t>* buffer) {
  buffer->Allocate((std::max<int64_t>(bytes, 1) + kHugePage - 1) / kHugePage * kHugePage);
  uint8_t* const data = buffer->data();
  uint8_t* const first_page = data + (4096 - reinterpret_cast<uintptr_t>(data) % 4096) % 4096;
  ::madvise(first_page, static_cast<size_t>(buffer->size() - (first_page - data)) / 4096 * 4096, MADV_HUGEPAGE);
}

// Takes the next `count` of `size`, from the beginning again if there are not so many; returns where they are.
int64_t TakeNext(int64_t count, int64_t size, int64_t* at) {
  FATHOM_CHECK(count <= size);
  if (*at + count > size) *at = 0;
  const int64_t begin = *at;
  *at += count;
  return begin;
}

}  // namespace

void FillNormal(float* values, int64_t count) {
  constexpr int64_t kDistinct = 1 << 16;
  static const std::vector<float> kNumbers = [] {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> made(static_cast<size_t>(kDistinct));
    for (float& value : made) value = normal(random);
    return made;
  }();
  for (int64_t at = 0; at < count; at += kDistinct) {
    std::copy_n(kNumbers.data(), std::min(kDistinct, count - at), values + at);
  }
}

WeightPool::WeightPool(ThreadPool& threads, int64_t bytes) {
  AllocateLargePages(bytes, &data_);
  Progress progress("making weights to measure with", static_cast<uint64_t>(data_.size()), Progress::Unit::kBytes);
  threads.ParallelFor(data_.size() / kHugePage, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t page = begin; page < end; ++page) {
      if (InterruptRequested()) return;
      uint64_t state = static_cast<uint64_t>(page) + 1;
      for (int64_t at = page * kHugePage; at < (page + 1) * kHugePage; at += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        // Every 16-bit half, and so every float, is a number in +-[0.25, 0.5), and every byte a normal FP8 number but
        // for one in 128, which is the code of NaN that kernels take for -480: no denormals.
        const uint64_t word = (state & 0x8077807780778077u) | 0x3E883E883E883E88u;
        std::memcpy(data_.data() + at, &word, 8);
      }
      progress.Add(static_cast<uint64_t>(kHugePage));
    }
  });
  if (InterruptRequested()) return;
  AllocateLargePages(data_.size() / 16, &scales_);  // as FP4 has them; other formats have fewer
  constexpr uint8_t kSmallScale = 120;              // 2^-7
  std::memset(scales_.data(), kSmallScale, static_cast<size_t>(scales_.size()));
  // As many as matrices of a few rows have: one for 16 x 128 weights.
  float_scales_.Allocate(data_.size() / 2048);
  std::fill_n(float_scales_.data(), float_scales_.size(), 0.0079f);  // no power of two
}

const uint8_t* WeightPool::NextBytes(int64_t bytes) {
  const int64_t begin = TakeNext(bytes, data_.size(), &at_);
  at_ = (at_ + 63) / 64 * 64;
  return data_.data() + begin;
}

const float* WeightPool::NextFloats(int64_t count) {
  return reinterpret_cast<const float*>(NextBytes(count * static_cast<int64_t>(sizeof(float))));
}

Matrix WeightPool::NextMatrix(Matrix shape) {
  shape.data = NextBytes(shape.rows * shape.row_bytes());
  const int64_t scales = shape.scale_bytes();
  if (shape.scale_type == ScaleType::kF32) {
    constexpr auto kBytes = static_cast<int64_t>(sizeof(float));
    const int64_t begin = TakeNext(scales / kBytes, float_scales_.size(), &float_scale_at_);
    shape.scale = reinterpret_cast<const uint8_t*>(float_scales_.data() + begin);
  } else {
    shape.scale = scales_.data() + TakeNext(scales, scales_.size(), &scale_at_);
  }
  return shape;
}

}  // namespace fathom
