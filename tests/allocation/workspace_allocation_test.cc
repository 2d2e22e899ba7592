// A workspace takes the memory that it said it would.
#include <gtest/gtest.h>

#include <memory>

#include "tests/allocation/allocation_counter.h"
#include "tests/support/tiny_model.h"

namespace fathom {
namespace {

TEST(WorkspaceAllocation, IsWhatBytesForSays) {
  for (const char* preset : {"tiny-full", "tiny-hash"}) {
    const std::unique_ptr<Checkpoint> checkpoint = testing::OpenGolden(preset);
    ASSERT_NE(checkpoint, nullptr);
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      const Model model(checkpoint->config(), checkpoint->weights(), {}, pool);
      for (const int64_t tokens : {int64_t{1}, int64_t{7}, int64_t{512}}) {
        for (const int64_t context : {int64_t{0}, int64_t{100}, int64_t{70'000}}) {
          const int64_t said = Workspace::BytesFor(model, tokens, context);
          const int64_t before = testing::AllocatedBytes();
          const Workspace workspace(model, tokens, context);
          EXPECT_EQ(testing::AllocatedBytes() - before, said)
              << preset << ", " << threads << " threads, " << tokens << " tokens, context " << context;
          EXPECT_EQ(workspace.max_tokens(), tokens);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
