// Pieces of a step that others measure or listen to.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/compressor.h"
#include "model/indexer.h"
#include "tests/support/tiny_model.h"

namespace fathom {
namespace {

// Remembers the names of what it is told of.
class TapNames : public TapSink {
 public:
  explicit TapNames(std::set<std::string_view> unwanted) : unwanted_(std::move(unwanted)) {}
  const std::set<std::string>& names() const { return names_; }

  bool Wants(std::string_view name) const override { return !unwanted_.contains(name); }
  void Tap(int64_t /*layer*/, std::string_view name, MatView<const float> /*values*/) override { names_.emplace(name); }
  void TapIds(int64_t /*layer*/, std::string_view name, MatView<const int32_t> /*ids*/) override {
    names_.emplace(name);
  }

 private:
  std::set<std::string_view> unwanted_;
  std::set<std::string> names_;
};

TEST(TapSink, IsNotToldOfWhatItDoesNotWant) {
  const std::unique_ptr<Checkpoint> checkpoint = testing::OpenGolden("tiny-full");
  ASSERT_NE(checkpoint, nullptr);
  const auto names_without = [&](std::set<std::string_view> unwanted) {
    testing::TinyModel tiny(*checkpoint, 2);
    const std::vector<int32_t> tokens = testing::RandomTokens(40, tiny.model().config().vocab_size, 1);
    SequenceCache cache(tiny.model().cache_layout());
    const Segment segment = {&cache, 40};
    TapNames taps(std::move(unwanted));
    tiny.model().Forward({tokens, {&segment, 1}}, tiny.workspace(), &taps);
    return taps.names();
  };
  const std::set<std::string> all = names_without({});
  EXPECT_TRUE(all.contains("index_score") && all.contains("selected") && all.contains("expert_ids"));
  std::set<std::string> rest = all;
  rest.erase("index_score");
  EXPECT_EQ(names_without({"index_score"}), rest);
  rest.erase("selected");
  EXPECT_EQ(names_without({"index_score", "selected"}), rest);
}

TEST(IndexTaskRows, LeaveEveryThreadSome) {
  EXPECT_EQ(IndexTaskRows(1, 2), 1024);
  EXPECT_EQ(IndexTaskRows(16'000, 2), 2000);
  EXPECT_EQ(IndexTaskRows(16'100, 2), 2000) << "whole blocks of 16";
  EXPECT_EQ(IndexTaskRows(250'000, 2), 4096);
  EXPECT_EQ(IndexTaskRows(250'000, 64), 1024);
}

TEST(CompressorSoftmaxSum, IsTheMeanOfEqualScores) {
  constexpr int64_t kWidth = 70;  // more than a tile, and a rest
  const std::vector<float> ones(kWidth, 1), threes(kWidth, 3), score(kWidth, 0.5f), low(kWidth, -1000);
  std::vector<float> row(kWidth);
  const CompressorMember equal[] = {{ones.data(), score.data()}, {threes.data(), score.data()}};
  CompressorSoftmaxSum(equal, 2, kWidth, row.data());
  EXPECT_EQ(row, std::vector<float>(kWidth, 2));
  const CompressorMember one_sided[] = {{ones.data(), low.data()}, {threes.data(), score.data()}};
  CompressorSoftmaxSum(one_sided, 2, kWidth, row.data());
  EXPECT_EQ(row, std::vector<float>(kWidth, 3));
}

}  // namespace
}  // namespace fathom
