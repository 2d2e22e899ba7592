#include "model/hyper_connection.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/strings.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

std::vector<float> Normal(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// However tokens and columns are shared out.
TEST(HcPost, HasTheBitsOfTheKernelForEachToken) {
  ModelConfig config;
  config.streams = 4;
  for (const int64_t dim : {96, 1024, 2176}) {
    config.hidden_size = dim;
    for (const int64_t tokens : {1, 2, 9, 13}) {
      const std::vector<float> y = Normal(tokens * dim, 1);
      const std::vector<float> post = Normal(tokens * 4, 2);
      const std::vector<float> comb = Normal(tokens * 16, 3);
      const std::vector<float> before = Normal(tokens * 4 * dim, 4);
      std::vector<float> expected = before;
      for (int64_t t = 0; t < tokens; ++t) {
        ReferenceKernels().hc_post(y.data() + t * dim, post.data() + t * 4, comb.data() + t * 16, 4, dim, dim,
                                   expected.data() + t * 4 * dim);
      }
      for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        std::vector<float> streams = before;
        HcPost(config, pool, y.data(), post.data(), comb.data(), tokens, streams.data());
        EXPECT_EQ(streams, expected) << StrCat(tokens, " tokens of ", dim, ", ", threads, " threads");
      }
    }
  }
}

}  // namespace
}  // namespace fathom
