// A decode step of the model takes no memory but that of the blocks in which its sequences' caches grow.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/allocation/allocation_counter.h"
#include "tests/support/tiny_model.h"

namespace fathom {
namespace {

using testing::AllocationCounter;
using testing::AllocationsDue;
using testing::kCountedSteps;
using testing::OpenGolden;
using testing::RandomTokens;

class ModelAllocation : public ::testing::TestWithParam<const char*> {
 protected:
  // Decodes kCountedSteps tokens behind each of `contexts` and compares the allocations of every step.
  void Decode(const std::vector<int64_t>& contexts, int threads) {
    const std::unique_ptr<Checkpoint> checkpoint = OpenGolden(GetParam());
    ASSERT_NE(checkpoint, nullptr);
    ModelConfig config = checkpoint->config();
    config.max_context = *std::ranges::max_element(contexts) + kCountedSteps + 1;
    ThreadPool pool(threads);
    const Model model(config, checkpoint->weights(), {}, pool);
    const auto sequences = static_cast<int64_t>(contexts.size());
    Workspace workspace(model, sequences);
    std::vector<float> logits(static_cast<size_t>(sequences * config.vocab_size));
    std::vector<SequenceCache> caches;
    for (const int64_t context : contexts) caches.emplace_back(model.cache_layout()).FillSynthetic(context, 3);
    std::vector<Segment> segments;
    for (SequenceCache& cache : caches) segments.push_back({&cache, 1});
    const std::vector<int32_t> tokens = RandomTokens((kCountedSteps + 1) * sequences, config.vocab_size, 5);
    int64_t all_due = 0;
    for (int64_t step = 0; step <= kCountedSteps; ++step) {
      int64_t due = 0;
      for (const SequenceCache& cache : caches) due += AllocationsDue(cache);
      const AllocationCounter counter;
      const std::span<const int32_t> ids(tokens.data() + step * sequences, contexts.size());
      const MatView<const float> streams = model.Forward({ids, segments}, workspace);
      model.Logits(streams, workspace, MatView<float>(logits.data(), streams.rows, config.vocab_size));
      const int64_t count = counter.count();
      if (step == 0) continue;  // what is made at the first use of a thread
      EXPECT_EQ(count, due) << "step " << step;
      all_due += due;
    }
    EXPECT_GT(all_due, 0) << "no block has begun, so the test shows less than it should";
  }
};

TEST_P(ModelAllocation, OneSequence) {
  for (const int threads : {1, 3}) Decode({100}, threads);
}

TEST_P(ModelAllocation, ThreeSequences) {
  for (const int threads : {1, 3}) Decode({90, 126, 250}, threads);
}

// Where the indexer chooses among so many rows that it first guesses which can be among the highest.
TEST_P(ModelAllocation, LongContexts) {
  Decode({70'000 / 128 * 128 - 10}, 3);
  Decode({33'000, 70'000 / 128 * 128 - 10, 5}, 3);
}

INSTANTIATE_TEST_SUITE_P(Presets, ModelAllocation, ::testing::Values("tiny-full", "tiny-hash"), [](const auto& param) {
  std::string name = param.param;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace fathom
