// synth_values.h - random numbers in the release's formats, fast: every output element is looked up or scaled from 16
// random bits, so that writing is limited by the disk.
//
// Statistics are those of the reference's make_tiny.py: activations stay of order one through the layers, norms are
// near one, and every FP8 block of 128 x 128 and FP4 block of 32 has its own power of two, so that a wrong scale index
// shows.
#ifndef FATHOM_CHECKPOINT_SYNTH_VALUES_H_
#define FATHOM_CHECKPOINT_SYNTH_VALUES_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "checkpoint/tensor_table.h"

namespace fathom {

// What a tensor's bytes are drawn from. Cheap to copy; `bytes` points into a ValueTables.
struct ValueSource {
  enum class Kind : uint8_t { kBytes, kBf16, kF32, kF32Scale, kTokenTable };
  using ByteTable = std::array<uint8_t, 65536>;

  Kind kind = Kind::kF32;
  const ByteTable* bytes = nullptr;  // kBytes: the byte for each 16 random bits
  float mean = 0;                    // kBf16, kF32: normal; kF32Scale: the middle of the scales
  float spread = 0;                  // kBf16, kF32: standard deviation
  bool uniform = false;              // kF32: uniform in mean +- spread instead
  int64_t experts = 0;               // kTokenTable: rows of `per_token` different ids below `experts`
  int64_t per_token = 0;
};

// Makes sources; keeps the tables they share. Not thread-safe; sources may be used from any thread.
class ValueTables {
 public:
  // `fp8_experts`, `f32_scales`: how routed experts and FP8 scales are stored.
  ValueSource SourceOf(const ExpectedTensor& tensor, const ModelConfig& config, bool fp8_experts, bool f32_scales);

 private:
  const ValueSource::ByteTable* Fp4Codes(float sigma);
  const ValueSource::ByteTable* Fp8Codes(float sigma);
  const ValueSource::ByteTable* ScaleCodes(int exponent);

  std::map<std::pair<int, float>, std::unique_ptr<ValueSource::ByteTable>> tables_;
};

// Fills `out`, whole elements (whole rows for kTokenTable), from the stream `seed`.
void FillValues(const ValueSource& source, uint64_t seed, std::span<uint8_t> out);

// Well mixed bits of both.
uint64_t MixSeed(uint64_t a, uint64_t b);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SYNTH_VALUES_H_
