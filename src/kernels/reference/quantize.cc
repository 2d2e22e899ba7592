#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"
#include "numeric/formats.h"

namespace fathom::reference {
namespace {

// The part of a chunk from `first` on, a block of 128 E4M3 codes.
void FillBlock(const uint8_t* codes, float scale, int64_t first, Fp8Chunk* chunk) {
  chunk->scale[first / 128] = scale;
  for (int64_t k = first; k < first + 128; ++k) {
    const auto units = static_cast<int32_t>(E4m3ToFloat(codes[k - first]) * 512.0f);  // of 2^-9, exact
    const int32_t whole = (units + 4) >> 3;                                           // of 2^-6
    const int32_t residual = units - 8 * whole;
    const int32_t high = (whole + 128) >> 8;
    const int64_t at = Fp8Chunk::BytePlace(k);
    chunk->high[at] = static_cast<int8_t>(high);
    chunk->low[at] = static_cast<int8_t>(whole - 256 * high);
    chunk->residual[at] = static_cast<int8_t>(residual);
    if (residual != 0) {
      if (chunk->residuals < Fp8Chunk::kListed) {
        chunk->listed_place[chunk->residuals] = static_cast<uint16_t>(Fp8Chunk::WordPlace(k));
        chunk->listed[chunk->residuals] = static_cast<int8_t>(residual);
      }
      ++chunk->residuals;
    }
    chunk->offset[Fp8Chunk::Lane(k)] -= 12 * whole;
    chunk->residual_offset[Fp8Chunk::Lane(k)] -= 12 * residual;
  }
}

}  // namespace

void QuantizeFp8(const float* x, int64_t cols, float* values, Fp8Chunk* chunks, uint16_t* pairs) {
  for (int64_t block = 0; block < cols / 128; ++block) {
    const float* in = x + 128 * block;
    float amax = 0;
    // A NaN input does not pass `>`: it does not set the scale, and its own code becomes 448.
    for (int k = 0; k < 128; ++k) amax = std::fabs(in[k]) > amax ? std::fabs(in[k]) : amax;
    amax = std::min(amax, 0x1p120f);  // an infinity must not make the scale overflow
    const float scale = Fp8BlockScale(amax);
    const float inverse = 1.0f / scale;
    uint8_t codes[128];
    for (int k = 0; k < 128; ++k) {
      const float scaled = in[k] * inverse;
      codes[k] = std::isnan(scaled) ? 0x7E : FloatToE4m3(scaled);
      const float value = E4m3ToFloat(codes[k]) * scale;
      values[128 * block + k] = value;
      if (pairs != nullptr) pairs[PairPlace(128 * block + k)] = FloatToBf16(value);
    }
    if (chunks == nullptr) continue;
    const int64_t first = 128 * block % Fp8Chunk::kColumns;
    Fp8Chunk& chunk = chunks[128 * block / Fp8Chunk::kColumns];
    if (first == 0) chunk = Fp8Chunk{};
    FillBlock(codes, scale, first, &chunk);
  }
}

void QuantizeInt8(const float* x, int64_t cols, Fp8Chunk* chunks) {
  for (int64_t block = 0; block < cols / 128; ++block) {
    const float* in = x + 128 * block;
    float amax = 0x1p-100f;  // the inverse of less could be infinite
    for (int k = 0; k < 128; ++k) amax = std::fabs(in[k]) > amax ? std::fabs(in[k]) : amax;
    amax = std::min(amax, 0x1p120f);
    const float inverse = 127.0f / amax;
    const int64_t first = 128 * block % Fp8Chunk::kColumns;
    Fp8Chunk& chunk = chunks[128 * block / Fp8Chunk::kColumns];
    if (first == 0) chunk = Fp8Chunk{};
    chunk.scale[first / 128] = amax / 127.0f;
    for (int64_t k = first; k < first + 128; ++k) {
      const float scaled = in[k - first] * inverse;
      const float bounded = std::isnan(scaled) ? 127.0f : std::clamp(scaled, -127.0f, 127.0f);
      const auto whole = static_cast<int8_t>(std::nearbyint(bounded));
      chunk.low[Fp8Chunk::BytePlace(k)] = whole;
      chunk.offset[Fp8Chunk::Lane(k)] -= 12 * whole;
    }
  }
}

}  // namespace fathom::reference
