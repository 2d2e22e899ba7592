#include "checkpoint/synth_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

// Sebastiano Vigna's splitmix64: one addition and a mix per 64 bits.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return Mix(state_ += 0x9E3779B97F4A7C15u); }
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform below `bound` < 2^32 (bias below 2^-32).
  uint64_t Below(uint64_t bound) { return ((Next() >> 32) * bound) >> 32; }

 private:
  uint64_t state_;
};

// Calls use(index, 16 random bits) for every index below `count`.
template <typename Use>
void ForEachSixteenBits(uint64_t seed, size_t count, Use use) {
  Random random(seed);
  size_t index = 0;
  for (; index + 4 <= count; index += 4) {
    const uint64_t bits = random.Next();
    use(index, static_cast<uint16_t>(bits));
    use(index + 1, static_cast<uint16_t>(bits >> 16));
    use(index + 2, static_cast<uint16_t>(bits >> 32));
    use(index + 3, static_cast<uint16_t>(bits >> 48));
  }
  uint64_t bits = random.Next();
  for (; index < count; ++index, bits >>= 16) use(index, static_cast<uint16_t>(bits));
}

// The standard normal's quantile at `p`, by Newton's method on its distribution function.
double NormalQuantile(double p) {
  double x = 0;
  for (int step = 0; step < 60; ++step) {
    const double error = 0.5 * std::erfc(-x * M_SQRT1_2) - p;
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI);
    const double delta = std::clamp(error / density, -0.5, 0.5);
    x -= delta;
    if (std::fabs(delta) < 1e-9) break;
  }
  return x;
}

// [bits] -> the normal deviate that 16 uniform bits stand for.
const std::array<float, 65536>& NormalTable() {
  static const auto* const kTable = [] {
    auto* table = new std::array<float, 65536>;
    for (size_t i = 0; i < 32768; ++i) {
      const auto x = static_cast<float>(NormalQuantile((static_cast<double>(i) + 0.5) / 65536));
      (*table)[i] = x;
      (*table)[65535 - i] = -x;
    }
    return table;
  }();
  return *kTable;
}

// Standard deviation of a weight matrix with `cols` inputs, relative to cols^-0.5, by the end of its name. First match
// wins.
struct Gain {
  std::string_view ending;
  float gain;
};
constexpr Gain kGains[] = {
    {"wo_b.weight", 1.5f}, {".w2.weight", 0.7f}, {"wgate.weight", 1.5f}, {"gate.weight", 2.5f},
    {"head.weight", 2.5f}, {"hc_attn_fn", 1.5f}, {"hc_ffn_fn", 1.5f},    {"hc_head_fn", 1.5f},
};

// Not of scales.
float WeightSpread(const ExpectedTensor& tensor) {
  float gain = 1;
  for (const Gain& row : kGains) {
    if (tensor.name.ends_with(row.ending)) {
      gain = row.gain;
      break;
    }
  }
  return gain / std::sqrt(static_cast<float>(tensor.cols));
}

// `target` = sigma * 2^exponent with sigma in [low, 2 low).
struct Split {
  float sigma;
  int exponent;
};
Split SplitSpread(float target, float low) {
  const int exponent = static_cast<int>(std::floor(std::log2(target / low)));
  return {std::ldexp(target, -exponent), exponent};
}

// Codes' standard deviation at least: three of them (FP8) or two to four (FP4) reach the largest code.
constexpr float kFp8Sigma = 75;
constexpr float kFp4Sigma = 1.5f;

// Of tensors that are not quantised.
ValueSource PlainSource(const ExpectedTensor& tensor) {
  const std::string_view name = tensor.name;
  ValueSource source;
  if (tensor.role == TensorRole::kBf16) {
    source.kind = ValueSource::Kind::kBf16;
    if (tensor.cols == 0) {  // a norm
      source.mean = 1;
      source.spread = 0.2f;
    } else {
      source.spread = tensor.tensor_class == TensorClass::kEmbedding ? 1 : WeightSpread(tensor);
    }
    return source;
  }
  source.kind = ValueSource::Kind::kF32;
  if (name.ends_with("_fn")) {
    source.spread = WeightSpread(tensor);
  } else if (name.ends_with("_scale")) {
    source.uniform = true;
    source.mean = 1;
    source.spread = 0.2f;
  } else {
    source.spread = name.ends_with("attn_sink") ? 1.0f : name.ends_with("gate.bias") ? 0.3f : 0.7f;
  }
  return source;
}

}  // namespace

uint64_t MixSeed(uint64_t a, uint64_t b) { return Random::Mix(Random::Mix(a + 0x9E3779B97F4A7C15u) ^ b); }

const ValueSource::ByteTable* ValueTables::Fp4Codes(float sigma) {
  auto& table = tables_[{0, sigma}];
  if (table == nullptr) {
    table = std::make_unique<ValueSource::ByteTable>();
    uint8_t nibble[256];
    for (size_t i = 0; i < 256; ++i) nibble[i] = FloatToE2m1(NormalTable()[i * 256 + 128] * sigma);
    for (size_t i = 0; i < 65536; ++i) {
      (*table)[i] = static_cast<uint8_t>(nibble[i & 255] | (nibble[i >> 8] << 4));
    }
  }
  return table.get();
}

const ValueSource::ByteTable* ValueTables::Fp8Codes(float sigma) {
  auto& table = tables_[{1, sigma}];
  if (table == nullptr) {
    table = std::make_unique<ValueSource::ByteTable>();
    for (size_t i = 0; i < 65536; ++i) (*table)[i] = FloatToE4m3(NormalTable()[i] * sigma);
  }
  return table.get();
}

const ValueSource::ByteTable* ValueTables::ScaleCodes(int exponent) {
  auto& table = tables_[{2, static_cast<float>(exponent)}];
  if (table == nullptr) {
    table = std::make_unique<ValueSource::ByteTable>();
    for (size_t i = 0; i < 65536; ++i) {
      (*table)[i] = static_cast<uint8_t>(std::clamp(127 + exponent + static_cast<int>(i % 3) - 1, 1, 254));
    }
  }
  return table.get();
}

ValueSource ValueTables::SourceOf(const ExpectedTensor& tensor, const ModelConfig& config, bool fp8_experts,
                                  bool f32_scales) {
  ValueSource source;
  ExpectedTensor weight = tensor;  // the matrix that a scale belongs to
  if (tensor.is_scale()) {
    weight.name = tensor.name.substr(0, tensor.name.size() - std::string_view("scale").size()) + "weight";
    weight.role = tensor.role == TensorRole::kFp8Scale ? TensorRole::kFp8 : TensorRole::kRouted;
  }
  const bool fp4 = (tensor.role == TensorRole::kRouted || tensor.role == TensorRole::kRoutedScale) && !fp8_experts;
  switch (tensor.role) {
    case TensorRole::kFp8:
    case TensorRole::kRouted: {
      const Split split = SplitSpread(WeightSpread(weight), fp4 ? kFp4Sigma : kFp8Sigma);
      source.kind = ValueSource::Kind::kBytes;
      source.bytes = fp4 ? Fp4Codes(split.sigma) : Fp8Codes(split.sigma);
      return source;
    }
    case TensorRole::kFp8Scale:
    case TensorRole::kRoutedScale: {
      const Split split = SplitSpread(WeightSpread(weight), fp4 ? kFp4Sigma : kFp8Sigma);
      if (f32_scales && !fp4) {
        source.kind = ValueSource::Kind::kF32Scale;
        source.mean = std::ldexp(1.0f, split.exponent);
      } else {
        source.kind = ValueSource::Kind::kBytes;
        source.bytes = ScaleCodes(split.exponent);
      }
      return source;
    }
    case TensorRole::kTokenTable:
      source.kind = ValueSource::Kind::kTokenTable;
      source.experts = config.experts;
      source.per_token = config.experts_per_token;
      return source;
    case TensorRole::kBf16:
    case TensorRole::kF32:
      return PlainSource(tensor);
    case TensorRole::kUnused:
      break;
  }
  FATHOM_CHECK(false);
}

namespace {

void FillTokenTable(const ValueSource& source, uint64_t seed, std::span<uint8_t> out) {
  Random random(seed);
  const auto k = static_cast<size_t>(source.per_token);
  std::array<int64_t, 64> row = {};  // ModelConfig's limit of experts per token
  FATHOM_CHECK(k <= row.size() && out.size() % (k * sizeof(int64_t)) == 0);
  for (size_t at = 0; at < out.size(); at += k * sizeof(int64_t)) {
    for (size_t i = 0; i < k;) {
      const auto id = static_cast<int64_t>(random.Below(static_cast<uint64_t>(source.experts)));
      if (std::find(row.begin(), row.begin() + i, id) != row.begin() + i) continue;
      row[i++] = id;
    }
    std::memcpy(out.data() + at, row.data(), k * sizeof(int64_t));
  }
}

}  // namespace

void FillValues(const ValueSource& source, uint64_t seed, std::span<uint8_t> out) {
  uint8_t* data = out.data();
  const auto store = [data](size_t index, auto value) {
    std::memcpy(data + index * sizeof value, &value, sizeof value);
  };
  const std::array<float, 65536>& normal = NormalTable();
  switch (source.kind) {
    case ValueSource::Kind::kBytes: {
      const ValueSource::ByteTable& table = *source.bytes;
      ForEachSixteenBits(seed, out.size(), [&](size_t i, uint16_t bits) { data[i] = table[bits]; });
      return;
    }
    case ValueSource::Kind::kBf16:
      ForEachSixteenBits(seed, out.size() / 2, [&](size_t i, uint16_t bits) {
        store(i, FloatToBf16(source.mean + source.spread * normal[bits]));
      });
      return;
    case ValueSource::Kind::kF32:
      ForEachSixteenBits(seed, out.size() / 4, [&](size_t i, uint16_t bits) {
        const float unit = source.uniform ? static_cast<float>(bits) / 32767.5f - 1 : normal[bits];
        store(i, source.mean + source.spread * unit);
      });
      return;
    case ValueSource::Kind::kF32Scale:
      // A power of two near the middle, times 0.75 to 1.25: as in the Base release, no power of two.
      ForEachSixteenBits(seed, out.size() / 4, [&](size_t i, uint16_t bits) {
        const float factor = 0.75f + static_cast<float>(bits >> 2) / 32768.0f;
        store(i, std::ldexp(source.mean * factor, bits % 3 - 1));
      });
      return;
    case ValueSource::Kind::kTokenTable:
      FillTokenTable(source, seed, out);
      return;
  }
}

}  // namespace fathom
