// Products over the thread pool: however they are cut into tasks, the bits are those of one call.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/matmul.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

// Without data, for questions about its shape.
Matrix FloatMatrix(int64_t rows, int64_t cols) {
  Matrix matrix;
  matrix.type = WeightType::kF32;
  matrix.rows = rows;
  matrix.cols = cols;
  return matrix;
}

struct Shape {
  int64_t rows;
  int64_t cols;
};

class MatMulShapes : public testing::TestWithParam<Shape> {};

TEST_P(MatMulShapes, EqualsOneCallForAnyNumberOfTokensAndThreads) {
  const auto [rows, cols] = GetParam();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<size_t>(rows * cols));
  for (float& w : weights) w = normal(random);
  Matrix matrix = FloatMatrix(rows, cols);
  matrix.data = reinterpret_cast<const uint8_t*>(weights.data());
  for (const int64_t tokens : {1, 2, 3, 8, 64, 65, 130, 200}) {
    std::vector<float> x(static_cast<size_t>(tokens * cols));
    for (float& value : x) value = normal(random);
    std::vector<int32_t> order(static_cast<size_t>(tokens));
    for (int64_t t = 0; t < tokens; ++t) order[static_cast<size_t>(t)] = static_cast<int32_t>((t * 7 + 3) % tokens);
    const Activations input = {.values = x.data(), .stride = cols, .rows = tokens, .cols = cols};
    for (const int32_t* chosen : {static_cast<const int32_t*>(nullptr), static_cast<const int32_t*>(order.data())}) {
      std::vector<float> whole(static_cast<size_t>(tokens * rows));
      MatMulArgs job = MatMulJob(matrix, input, tokens, whole.data(), rows);
      job.x_rows = chosen;
      Kernels().matmul_f32(job);
      for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        std::vector<float> parts(whole.size(), -1.0f);
        job.y = parts.data();
        MatMul(pool, {&job, 1});
        EXPECT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(float)), 0)
            << tokens << " tokens, " << threads << " threads" << (chosen != nullptr ? ", chosen rows" : "");
      }
    }
  }
}

// Rows that are no multiple of anything, and few long ones, of which a task has less than a panel.
INSTANTIATE_TEST_SUITE_P(OverThePool, MatMulShapes, testing::Values(Shape{300, 256}, Shape{24, 1024}),
                         [](const auto& shape) { return std::to_string(shape.param.rows) + "Rows"; });

// Scales that one task's kernel takes in a fast way and another one's cannot.
TEST(MatMulOverThePool, Fp8TasksThatGoDifferentWays) {
  constexpr int64_t kRows = 300;
  constexpr int64_t kCols = 256;
  test::RandomMatrix random(WeightType::kFp8, ScaleType::kE8m0, kRows, kCols, test::Codes::kUsual, 3);
  for (const uint8_t odd : {uint8_t{250}, uint8_t{5}}) {
    random.scale.back() = odd;
    for (const int64_t tokens : {1, 3, 5, 64, 65, 130}) {
      const std::vector<float> x = test::RandomFloats(tokens * kCols, test::Inputs::kUsual, 4);
      std::vector<float> whole(static_cast<size_t>(tokens * kRows));
      const Activations input = {.values = x.data(), .stride = kCols, .rows = tokens, .cols = kCols};
      MatMulArgs job = MatMulJob(random.matrix, input, tokens, whole.data(), kRows);
      ReferenceKernels().matmul_fp8(job);
      for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        std::vector<float> parts(whole.size(), -1.0f);
        job.y = parts.data();
        MatMul(pool, {&job, 1});
        test::ExpectSameBits(whole, parts, std::to_string(tokens) + " tokens, " + std::to_string(threads) + " threads");
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MatMulTasks, FewLongRowsGoToSeveralThreads) {
  const Matrix mix = FloatMatrix(24, 16384);  // of the streams, in every layer
  const auto tasks = [&](int64_t tokens, int threads) {
    return MatMulTasks(MatMulJob(mix, {.cols = mix.cols}, tokens, nullptr, mix.rows), threads);
  };
  for (const int64_t tokens : {3, 8, 64}) {
    EXPECT_EQ(tasks(tokens, 1), 1);
    EXPECT_EQ(tasks(tokens, 2), 2) << "panels of 12";
    EXPECT_EQ(tasks(tokens, 16), 6) << "tiles of 4";
  }
  EXPECT_EQ(tasks(1, 2), 6);
  EXPECT_EQ(tasks(0, 2), 0);
}

TEST(MatMulTasks, ManyTokensGoByBlocksAndPanels) {
  const Matrix matrix = FloatMatrix(240, 4096);
  const auto tasks = [&](int64_t tokens, int threads) {
    return MatMulTasks(MatMulJob(matrix, {.cols = matrix.cols}, tokens, nullptr, matrix.rows), threads);
  };
  EXPECT_EQ(tasks(512, 2), 8 * 2);
  EXPECT_EQ(tasks(65, 2), 2 * 4);
  EXPECT_EQ(tasks(65, 4), 2 * 10) << "24 rows, not 30";
  EXPECT_EQ(tasks(65, 1000), 2 * 20) << "12 rows, not 15";
}

}  // namespace
}  // namespace fathom
