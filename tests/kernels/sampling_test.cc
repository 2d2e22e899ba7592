// Logits to weights and sums: every table has the reference's bits.
#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "numeric/math.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

// Every length up to a few vectors, and vocabularies.
std::vector<int64_t> Lengths() {
  std::vector<int64_t> lengths;
  for (int64_t count = 1; count <= 200; ++count) lengths.push_back(count);
  lengths.insert(lengths.end(), {4096, 4099, 129280});
  return lengths;
}

std::vector<float> Logits(int64_t count, uint32_t seed, float spread) {
  std::vector<float> x = test::RandomFloats(count, Inputs::kUsual, seed);
  for (float& value : x) value *= spread;
  if (count > 3) x[static_cast<size_t>(seed % count)] = -INFINITY;
  return x;
}

TEST(LargestLogit, IsTheLargest) {
  for (const int64_t count : Lengths()) {
    std::vector<float> x = Logits(count, static_cast<uint32_t>(count), 5);
    const float largest = *std::max_element(x.begin(), x.end());
    for (const KernelTable* table : SupportedKernels()) {
      bool sound = false;
      EXPECT_EQ(table->largest_logit(x.data(), count, &sound), largest) << table->name << " " << count;
      EXPECT_TRUE(sound) << table->name << " " << count;
    }
    std::fill(x.begin(), x.end(), -INFINITY);
    for (const KernelTable* table : SupportedKernels()) {
      bool sound = false;
      EXPECT_EQ(table->largest_logit(x.data(), count, &sound), -INFINITY) << table->name << " " << count;
      EXPECT_TRUE(sound) << table->name << " " << count;
    }
  }
}

TEST(LargestLogit, SeesWhatIsUnsoundAtEveryPlace) {
  for (const float bad : {NAN, INFINITY}) {
    for (int64_t count = 1; count <= 70; ++count) {
      for (int64_t at = 0; at < count; ++at) {
        std::vector<float> x = Logits(count, 1, 5);
        x[static_cast<size_t>(at)] = bad;
        for (const KernelTable* table : SupportedKernels()) {
          bool sound = true;
          table->largest_logit(x.data(), count, &sound);
          EXPECT_FALSE(sound) << table->name << " " << bad << " at " << at << " of " << count;
        }
      }
    }
  }
}

TEST(SoftmaxWeights, AreTheReferenceBitForBit) {
  for (const int64_t count : Lengths()) {
    for (const float temperature : {1.0f, 0.7f, 1e-6f, 30.0f}) {
      // Widely spread ones reach weights of 0.
      const std::vector<float> x = Logits(count, static_cast<uint32_t>(count), count % 2 == 0 ? 3.0f : 60.0f);
      const float largest = *std::max_element(x.begin(), x.end());
      std::vector<float> expected(x.size());
      const double total = ReferenceKernels().softmax_weights(x.data(), count, largest, temperature, expected.data());
      EXPECT_GE(total, 1);
      for (size_t i = 0; i < x.size(); i += 7) EXPECT_EQ(expected[i], Exp((x[i] - largest) / temperature));
      for (const KernelTable* table : test::FastTables()) {
        std::vector<float> found(x.size());
        const double sum = table->softmax_weights(x.data(), count, largest, temperature, found.data());
        test::ExpectSameBits(expected, found, StrCat(table->name, " ", count));
        EXPECT_EQ(std::bit_cast<uint64_t>(sum), std::bit_cast<uint64_t>(total)) << table->name << " " << count;
      }
    }
  }
}

TEST(SoftmaxWeights, WriteNothingBehindTheirEnd) {
  for (const KernelTable* table : SupportedKernels()) {
    for (int64_t count = 1; count <= 40; ++count) {
      const std::vector<float> x = Logits(count, 3, 1);
      std::vector<float> weights(x.size() + 1, 7.0f);
      table->softmax_weights(x.data(), count, 4.0f, 1.0f, weights.data());
      EXPECT_EQ(weights.back(), 7.0f) << table->name << " " << count;
    }
  }
}

TEST(SelectAtLeast, FindsTheFirstOnesInOrder) {
  for (const int64_t count : Lengths()) {
    const std::vector<float> x = Logits(count, static_cast<uint32_t>(count), 1);
    for (const float least : {-INFINITY, -1.0f, 2.5f, 4.0f, 100.0f, x.front(), x.back()}) {
      for (const int64_t most : {int64_t{1}, int64_t{3}, count}) {
        std::vector<int32_t> expected(x.size(), -1);
        const int64_t found = ReferenceKernels().select_at_least(x.data(), count, least, most, expected.data());
        EXPECT_EQ(found, std::min(most, static_cast<int64_t>(std::count_if(
                                            x.begin(), x.end(), [&](float value) { return value >= least; }))));
        for (const KernelTable* table : test::FastTables()) {
          std::vector<int32_t> ids(x.size(), -1);
          EXPECT_EQ(table->select_at_least(x.data(), count, least, most, ids.data()), found) << table->name;
          EXPECT_EQ(ids, expected) << table->name << " " << count << " " << least << " " << most;
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
