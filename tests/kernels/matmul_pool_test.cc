// Products over the thread pool: however they are cut into tasks, the bits are those of one call.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/matmul.h"

namespace fathom {
namespace {

TEST(MatMulOverThePool, EqualsOneCallForAnyNumberOfTokensAndThreads) {
  constexpr int64_t kRows = 300;
  constexpr int64_t kCols = 256;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(kRows * kCols);
  for (float& w : weights) w = normal(random);
  Matrix matrix;
  matrix.data = reinterpret_cast<const uint8_t*>(weights.data());
  matrix.type = WeightType::kF32;
  matrix.rows = kRows;
  matrix.cols = kCols;
  for (const int64_t tokens : {1, 2, 3, 64, 65, 130, 200}) {
    std::vector<float> x(static_cast<size_t>(tokens * kCols));
    for (float& value : x) value = normal(random);
    std::vector<int32_t> order(static_cast<size_t>(tokens));
    for (int64_t t = 0; t < tokens; ++t) order[static_cast<size_t>(t)] = static_cast<int32_t>((t * 7 + 3) % tokens);
    const Activations input = {.values = x.data(), .stride = kCols, .rows = tokens, .cols = kCols};
    for (const int32_t* rows : {static_cast<const int32_t*>(nullptr), static_cast<const int32_t*>(order.data())}) {
      std::vector<float> whole(static_cast<size_t>(tokens * kRows));
      MatMulArgs job = MatMulJob(matrix, input, tokens, whole.data(), kRows);
      job.x_rows = rows;
      Kernels().matmul_f32(job);
      for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        std::vector<float> parts(whole.size(), -1.0f);
        job.y = parts.data();
        MatMul(pool, {&job, 1});
        EXPECT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(float)), 0)
            << tokens << " tokens, " << threads << " threads" << (rows != nullptr ? ", chosen rows" : "");
      }
    }
  }
}

}  // namespace
}  // namespace fathom
