// Rows of the caches: what is stored comes back as section 6 of the reference says.
#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

TEST(KvRow, SizesOfV4) {
  const KvRowLayout row = {.format = RowFormat::kQuantized, .dim = 512, .rope_dim = 64};
  EXPECT_EQ(row.bytes(), 584);
  const KvRowLayout wide = {.format = RowFormat::kQuantizedF32, .dim = 512, .rope_dim = 64};
  EXPECT_EQ(wide.bytes(), 712);
  const KvRowLayout floats = {.format = RowFormat::kF32, .dim = 512, .rope_dim = 64};
  EXPECT_EQ(floats.bytes(), 2048);
  EXPECT_EQ((IndexRowLayout{.format = RowFormat::kQuantized, .dim = 128}.bytes()), 68);
  EXPECT_EQ((IndexRowLayout{.format = RowFormat::kF32, .dim = 128}.bytes()), 512);
}

// Decoded rows are quantised values already: storing them again changes nothing.
TEST(KvRow, QuantisedValuesComeBackUnchanged) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
    for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread, Inputs::kZero}) {
      const KvRowLayout layout = {.format = format, .dim = 192, .rope_dim = 64};
      const std::vector<float> row = test::RandomFloats(192, inputs, 5);
      std::vector<uint8_t> stored(static_cast<size_t>(layout.bytes()));
      std::vector<float> once(192);
      std::vector<float> twice(192);
      EncodeKvRow(layout, row.data(), stored.data());
      DecodeKvRow(layout, stored.data(), once.data());
      EncodeKvRow(layout, once.data(), stored.data());
      DecodeKvRow(layout, stored.data(), twice.data());
      test::ExpectSameBits(once, twice, StrCat("format ", static_cast<int>(format)));
      if (format == RowFormat::kF32) test::ExpectSameBits(row, once, "f32");
    }
  }
}

// Q8_64 errs by half a step of E4M3: 2^-4 of the value, or half a subnormal step of the block's scale.
TEST(KvRow, QuantisationErrorIsBounded) {
  const KvRowLayout layout = {.format = RowFormat::kQuantized, .dim = 512, .rope_dim = 64};
  const std::vector<float> row = test::RandomFloats(512, Inputs::kUsual, 6);
  std::vector<uint8_t> stored(static_cast<size_t>(layout.bytes()));
  std::vector<float> decoded(512);
  EncodeKvRow(layout, row.data(), stored.data());
  DecodeKvRow(layout, stored.data(), decoded.data());
  for (size_t k = 0; k < 448; ++k) {
    const float scale = E8m0ToFloat(stored[448 + k / 64]);
    EXPECT_LE(std::fabs(decoded[k] - row[k]), std::max(std::fabs(row[k]) * 0x1p-4f, scale * 0x1p-10f)) << k;
  }
  for (size_t k = 448; k < 512; ++k) EXPECT_EQ(decoded[k], RoundToBf16(row[k])) << k;
}

TEST(IndexRow, NibblesAndScales) {
  const IndexRowLayout layout = {.format = RowFormat::kQuantized, .dim = 64};
  // A block that holds all codes at a scale of 1, and one that holds them at 8.
  std::vector<float> row(64);
  for (size_t k = 0; k < 64; ++k) row[k] = kE2m1Values[k % 16] * (k < 32 ? 1.0f : 8.0f);
  std::vector<uint8_t> stored(static_cast<size_t>(layout.bytes()));
  EncodeIndexRow(layout, row.data(), stored.data());
  for (size_t k = 0; k < 64; ++k) {
    const int nibble = (k % 2 != 0) ? stored[k / 2] >> 4 : stored[k / 2] & 15;
    EXPECT_EQ(nibble, static_cast<int>(k % 16)) << k;
  }
  EXPECT_EQ(stored[32], 127);
  EXPECT_EQ(stored[33], 130);
  std::vector<float> decoded(64);
  DecodeIndexRow(layout, stored.data(), decoded.data());
  test::ExpectSameBits(row, decoded, "index row");
}

// So that states and blocks can be compared, and nothing of the memory below gets into files.
TEST(KvRow, EqualRowsAreEqualBytesWhateverWasThere) {
  const std::vector<float> row = test::RandomFloats(512, Inputs::kUsual, 5);
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
    const KvRowLayout kv = {.format = format, .dim = 512, .rope_dim = 64};
    const IndexRowLayout index = {.format = format, .dim = 96};
    std::vector<std::vector<uint8_t>> stored;
    for (const uint8_t before : {uint8_t{0x00}, uint8_t{0xFF}}) {
      std::vector<uint8_t>& bytes = stored.emplace_back(static_cast<size_t>(kv.bytes() + index.bytes()), before);
      EncodeKvRow(kv, row.data(), bytes.data());
      EncodeIndexRow(index, row.data(), bytes.data() + kv.bytes());
    }
    EXPECT_EQ(stored[0], stored[1]) << static_cast<int>(format);
  }
}

}  // namespace
}  // namespace fathom
