#include "model/attention.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fathom {
namespace {

TEST(AttendTaskHeads, OneTokenIsSharedOutOnceToEachThread) {
  EXPECT_EQ(AttendTaskHeads(1, 64, 1), 64);
  EXPECT_EQ(AttendTaskHeads(1, 64, 2), 32);
  EXPECT_EQ(AttendTaskHeads(1, 64, 4), 16);
  EXPECT_EQ(AttendTaskHeads(1, 64, 16), 4);
  EXPECT_EQ(AttendTaskHeads(1, 64, 64), 4);  // fewer take as long
  EXPECT_EQ(AttendTaskHeads(1, 128, 8), 16);
}

TEST(AttendTaskHeads, FewTokensAreSharedOutWhereThreadsWouldWait) {
  EXPECT_EQ(AttendTaskHeads(2, 64, 2), 64);
  EXPECT_EQ(AttendTaskHeads(3, 64, 2), 32);
  EXPECT_EQ(AttendTaskHeads(2, 64, 8), 16);
}

TEST(AttendTaskHeads, OfManyTokensEachRowIsDecodedOnce) {
  for (const int threads : {1, 2, 16}) EXPECT_EQ(AttendTaskHeads(512, 64, threads), 64) << threads;
}

TEST(AttendTaskHeads, IsNeverNoneOrMoreThanThereAre) {
  for (int64_t heads = 1; heads <= 40; ++heads) {
    for (int64_t tokens = 1; tokens <= 9; ++tokens) {
      for (const int threads : {1, 2, 3, 7, 64}) {
        const int64_t found = AttendTaskHeads(tokens, heads, threads);
        EXPECT_GE(found, std::min<int64_t>(heads, 4));
        EXPECT_LE(found, heads);
      }
    }
  }
}

}  // namespace
}  // namespace fathom
