// Every table's attention core and indexer scores against the reference, bit for bit.
#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

struct AttendCase {
  int64_t heads;
  int64_t dim;
  int64_t rope_dim;
  int64_t count;
  RowFormat format = RowFormat::kQuantized;
  Inputs inputs = Inputs::kUsual;
};

void CompareAttend(const AttendCase& c) {
  AttendArgs args;
  args.layout = {.format = c.format, .dim = c.dim, .rope_dim = c.rope_dim};
  args.heads = c.heads;
  args.count = c.count;
  const std::vector<float> q = test::RandomFloats(c.heads * c.dim, c.inputs, 1);
  const std::vector<float> sink = test::RandomFloats(c.heads, Inputs::kUsual, 2);
  args.q = q.data();
  args.sink = sink.data();
  // Rows at odd addresses, some of them twice.
  const std::vector<float> values = test::RandomFloats((c.count + 1) * c.dim, c.inputs, 3);
  const int64_t stride = args.layout.bytes() + 1;
  std::vector<uint8_t> stored(static_cast<size_t>((c.count + 1) * stride));
  std::vector<const uint8_t*> rows;
  for (int64_t j = 0; j <= c.count; ++j)
    EncodeKvRow(args.layout, values.data() + j * c.dim, stored.data() + j * stride);
  for (int64_t j = 0; j < c.count; ++j) rows.push_back(stored.data() + (j * 7 % (c.count + 1)) * stride);
  args.rows = rows.data();
  struct alignas(64) Line {
    float values[16];
  };
  std::vector<Line> scratch(static_cast<size_t>(AttendScratchFloats(c.heads, c.dim) / 16 + 1));
  args.scratch = scratch[0].values;

  std::vector<float> expected(q.size(), -7.5f);
  args.out = expected.data();
  ReferenceKernels().attend(args);
  for (const KernelTable* table : test::FastTables()) {
    std::vector<float> found(q.size(), -7.5f);
    args.out = found.data();
    table->attend(args);
    test::ExpectSameBits(expected, found,
                         StrCat(table->name, " heads ", c.heads, " dim ", c.dim, " count ", c.count, " format ",
                                static_cast<int>(c.format), " inputs ", static_cast<int>(c.inputs)));
  }
}

constexpr int64_t kCounts[] = {0, 1, 15, 16, 17, 63, 64, 65, 130, 700};

TEST(Attend, V4HeadsAtEveryCountAndFormat) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
    for (const int64_t count : kCounts) {
      CompareAttend({.heads = 5, .dim = 512, .rope_dim = 64, .count = count, .format = format});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Attend, OtherWidths) {
  constexpr std::pair<int64_t, int64_t> kWidths[] = {{128, 64}, {192, 64}, {72, 8},  {80, 16},
                                                     {8, 8},    {136, 8},  {576, 64}};
  for (const auto& [dim, rope_dim] : kWidths) {
    for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
      for (const int64_t count : kCounts) {
        CompareAttend({.heads = 3, .dim = dim, .rope_dim = rope_dim, .count = count, .format = format});
        if (HasFatalFailure()) return;
      }
    }
  }
  for (const int64_t dim : {1, 15, 17, 33, 65, 127}) {
    CompareAttend({.heads = 2, .dim = dim, .rope_dim = 0, .count = 70, .format = RowFormat::kF32});
    if (HasFatalFailure()) return;
  }
}

TEST(Attend, EveryNumberOfHeads) {
  for (const int64_t heads : {0, 1, 2, 3, 4, 6, 7, 9, 64, 128, 131}) {
    CompareAttend({.heads = heads, .dim = 128, .rope_dim = 64, .count = 70});
    if (HasFatalFailure()) return;
  }
}

TEST(Attend, HostileNumbers) {
  for (const Inputs inputs : {Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
    for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
      for (const int64_t count : {1, 5, 64, 150}) {
        CompareAttend({.heads = 6, .dim = 192, .rope_dim = 64, .count = count, .format = format, .inputs = inputs});
        if (HasFatalFailure()) return;
      }
    }
  }
}

struct IndexCase {
  int64_t heads;
  int64_t dim;
  int64_t count;
  RowFormat format = RowFormat::kQuantized;
  Inputs inputs = Inputs::kUsual;
  bool any_scale = false;  // quantised rows of any codes, with scales to the ends of their range
};

void CompareIndex(const IndexCase& c) {
  IndexScoreArgs args;
  args.layout = {.format = c.format, .dim = c.dim};
  args.heads = c.heads;
  args.count = c.count;
  const int64_t bytes = args.layout.bytes();
  const auto encode = [&](int64_t rows, int64_t stride, uint32_t seed) {
    const std::vector<float> values = test::RandomFloats(rows * c.dim, c.inputs, seed);
    std::vector<uint8_t> stored(static_cast<size_t>(rows * stride));
    for (int64_t j = 0; j < rows; ++j)
      EncodeIndexRow(args.layout, values.data() + j * c.dim, stored.data() + j * stride);
    if (!c.any_scale) return stored;
    constexpr uint8_t kScales[] = {0, 1, 2, 64, 126, 128, 190, 253, 254, 255};
    std::mt19937 random(seed);
    for (size_t i = 0; i < stored.size(); ++i) {
      const bool is_scale = static_cast<int64_t>(i) % stride >= args.layout.scales_at();
      stored[i] = is_scale ? kScales[random() % std::size(kScales)] : static_cast<uint8_t>(random());
    }
    return stored;
  };
  const std::vector<uint8_t> q = encode(c.heads, bytes, 1);
  const std::vector<uint8_t> stored = encode(c.count, bytes + 1, 2);
  const std::vector<float> w = test::RandomFloats(c.heads, Inputs::kUsual, 3);
  std::vector<const uint8_t*> keys;
  for (int64_t j = 0; j < c.count; ++j) keys.push_back(stored.data() + (c.count - 1 - j) * (bytes + 1));
  args.q = q.data();
  args.w = w.data();
  args.keys = keys.data();

  std::vector<float> expected(static_cast<size_t>(c.count), -7.5f);
  args.scores = expected.data();
  ReferenceKernels().index_scores(args);
  for (const KernelTable* table : test::FastTables()) {
    std::vector<float> found(expected.size() + 1, -7.5f);
    args.scores = found.data();
    table->index_scores(args);
    EXPECT_EQ(found.back(), -7.5f) << table->name << " wrote past its " << c.count << " scores";
    found.pop_back();
    test::ExpectSameBits(expected, found,
                         StrCat(table->name, " heads ", c.heads, " dim ", c.dim, " count ", c.count, " format ",
                                static_cast<int>(c.format), " inputs ", static_cast<int>(c.inputs)));
  }
}

TEST(IndexScores, EveryWidthAndRaggedCounts) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kF32}) {
    for (const int64_t dim : {32, 64, 96, 128, 160, 256, 288}) {
      for (const int64_t count : {0, 1, 3, 4, 15, 16, 17, 31, 33, 100}) {
        CompareIndex({.heads = 7, .dim = dim, .count = count, .format = format});
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(IndexScores, EveryNumberOfHeads) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kF32}) {
    for (const int64_t heads : {0, 1, 2, 4, 5, 64, 65, 130}) {
      CompareIndex({.heads = heads, .dim = 128, .count = 40, .format = format});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(IndexScores, HostileNumbers) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kF32}) {
    for (const Inputs inputs : {Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
      CompareIndex({.heads = 6, .dim = 128, .count = 50, .format = format, .inputs = inputs});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(IndexScores, ScalesAtTheEndsOfTheirRange) {
  for (const int64_t dim : {32, 96, 128, 160, 256})
    CompareIndex({.heads = 9, .dim = dim, .count = 70, .any_scale = true});
}

}  // namespace
}  // namespace fathom
