#include "tokenizer/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace fathom {
namespace {

TEST(StopMatcher, HoldsBackOnlyWhatCouldStillMatch) {
  StopMatcher matcher({"abcd", "bce"});
  std::string out;
  EXPECT_FALSE(matcher.Push("xab", &out));
  EXPECT_EQ(out, "x");
  EXPECT_FALSE(matcher.Push("c", &out));
  EXPECT_EQ(out, "x");
  EXPECT_TRUE(matcher.Push("ef", &out));
  EXPECT_EQ(out, "xa");
  EXPECT_EQ(matcher.sequence(), "bce");
  EXPECT_TRUE(matcher.Push("more", &out));
  EXPECT_EQ(out, "xa");
}

TEST(StopMatcher, FlushGivesUpWhatWasHeld) {
  StopMatcher matcher({"STOP"});
  std::string out;
  matcher.Push("aST", &out);
  matcher.Flush(&out);
  EXPECT_EQ(out, "aST");
  EXPECT_FALSE(matcher.Push("OP", &out));
  EXPECT_EQ(out, "aSTOP");
}

TEST(StopMatcher, WithoutSequencesEverythingPasses) {
  StopMatcher matcher(std::vector<std::string>{"", ""});
  std::string out;
  EXPECT_FALSE(matcher.Push("anything", &out));
  EXPECT_EQ(out, "anything");
}

// Against the definition: the shortest prefix of the text that ends with a sequence, minus the longest such sequence.
TEST(StopMatcher, RandomTextsMatchTheDefinition) {
  std::mt19937 random(7);
  const auto word = [&](size_t longest) {
    std::string out;
    for (size_t n = random() % longest + 1; n > 0; --n) out += static_cast<char>('a' + random() % 2);
    return out;
  };
  for (int round = 0; round < 5000; ++round) {
    const std::vector<std::string> stops = {word(5), word(5), word(3)};
    const std::string text = word(24);
    std::string expected = text;
    bool matches = false;
    for (size_t end = 1; end <= text.size() && !matches; ++end) {
      size_t longest = 0;
      for (const std::string& stop : stops) {
        if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
      }
      matches = longest > 0;
      if (matches) expected = text.substr(0, end - longest);
    }
    StopMatcher matcher(stops);
    std::string out;
    for (size_t at = 0; at < text.size(); at += 2) matcher.Push(text.substr(at, 2), &out);
    EXPECT_EQ(matcher.matched(), matches);
    matcher.Flush(&out);
    ASSERT_EQ(out, expected) << text;
  }
}

}  // namespace
}  // namespace fathom
