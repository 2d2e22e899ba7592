#include "kernels/kv_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "numeric/formats.h"

namespace fathom {
namespace {

// Bytes behind the last value, so that equal rows are equal bytes.
void ClearPadding(uint8_t* out, int64_t used, int64_t bytes) {
  std::memset(out + used, 0, static_cast<size_t>(bytes - used));
}

}  // namespace

void EncodeKvRow(const KvRowLayout& layout, const float* row, uint8_t* out) {
  if (layout.format == RowFormat::kF32) {
    std::memcpy(out, row, static_cast<size_t>(layout.dim) * 4);
    return;
  }
  const int64_t nope = layout.nope_dim();
  for (int64_t block = 0; block < nope / 64; ++block) {
    const float* x = row + block * 64;
    float amax = 0;
    for (int i = 0; i < 64; ++i) amax = std::max(amax, std::fabs(x[i]));
    const float scale = Fp8BlockScale(amax);
    const float inverse = 1.0f / scale;
    for (int i = 0; i < 64; ++i) out[block * 64 + i] = FloatToE4m3(x[i] * inverse);
    out[layout.scales_at() + block] = PowerOfTwoToE8m0(scale);
  }
  uint8_t* rope = out + layout.rope_at();
  const bool wide = layout.format == RowFormat::kQuantizedF32;
  ClearPadding(out, layout.rope_at() + layout.rope_dim * (wide ? 4 : 2), layout.bytes());
  if (wide) {
    std::memcpy(rope, row + nope, static_cast<size_t>(layout.rope_dim) * 4);
    return;
  }
  for (int64_t i = 0; i < layout.rope_dim; ++i) {
    const uint16_t code = FloatToBf16(row[nope + i]);
    std::memcpy(rope + 2 * i, &code, 2);
  }
}

void DecodeKvRow(const KvRowLayout& layout, const uint8_t* stored, float* row) {
  if (layout.format == RowFormat::kF32) {
    std::memcpy(row, stored, static_cast<size_t>(layout.dim) * 4);
    return;
  }
  const int64_t nope = layout.nope_dim();
  for (int64_t i = 0; i < nope; ++i) {
    row[i] = E4m3ToFloat(stored[i]) * E8m0ToFloat(stored[layout.scales_at() + i / 64]);
  }
  const uint8_t* rope = stored + layout.rope_at();
  for (int64_t i = 0; i < layout.rope_dim; ++i) {
    row[nope + i] = layout.format == RowFormat::kQuantized ? Bf16ToFloat(LoadUnaligned<uint16_t>(rope + 2 * i))
                                                           : LoadUnaligned<float>(rope + 4 * i);
  }
}

void EncodeIndexRow(const IndexRowLayout& layout, const float* row, uint8_t* out) {
  if (layout.format == RowFormat::kF32) {
    std::memcpy(out, row, static_cast<size_t>(layout.dim) * 4);
    return;
  }
  for (int64_t block = 0; block < layout.dim / 32; ++block) {
    const float* x = row + block * 32;
    float amax = 0;
    for (int i = 0; i < 32; ++i) amax = std::max(amax, std::fabs(x[i]));
    const float scale = Fp4BlockScale(amax);
    const float inverse = 1.0f / scale;
    for (int i = 0; i < 16; ++i) {
      const uint32_t low = FloatToE2m1(x[2 * i] * inverse);
      const uint32_t high = FloatToE2m1(x[2 * i + 1] * inverse);
      out[block * 16 + i] = static_cast<uint8_t>(low | (high << 4));
    }
    out[layout.scales_at() + block] = PowerOfTwoToE8m0(scale);
  }
  ClearPadding(out, layout.scales_at() + layout.dim / 32, layout.bytes());
}

void DecodeIndexRow(const IndexRowLayout& layout, const uint8_t* stored, float* row) {
  if (layout.format == RowFormat::kF32) {
    std::memcpy(row, stored, static_cast<size_t>(layout.dim) * 4);
    return;
  }
  for (int64_t i = 0; i < layout.dim; ++i) {
    const uint8_t nibble = (i & 1) != 0 ? stored[i / 2] >> 4 : stored[i / 2] & 15;
    row[i] = E2m1ToFloat(nibble) * E8m0ToFloat(stored[layout.scales_at() + i / 32]);
  }
}

}  // namespace fathom
