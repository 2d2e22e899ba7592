#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"
#include "numeric/formats.h"

namespace fathom::reference {
namespace {

// codes: 128 E4M3 codes of one block.
void FillChunk(const uint8_t* codes, float scale, Fp8Chunk* chunk) {
  chunk->scale = scale;
  chunk->wide = 0;
  for (int lane = 0; lane < 16; ++lane) {
    int32_t sum = 0;
    int32_t residual_sum = 0;
    for (int k = 8 * lane; k < 8 * lane + 8; ++k) {
      const int at = (k & 1) * 64 + k / 2;
      const auto units = static_cast<int32_t>(E4m3ToFloat(codes[k]) * 512.0f);  // of 2^-9, exact
      const int32_t whole = (units + 4) >> 3;                                   // of 2^-6
      const int32_t residual = units - 8 * whole;
      const int32_t high = (whole + 128) >> 8;
      chunk->high[at] = static_cast<int8_t>(high);
      chunk->low[at] = static_cast<int8_t>(whole - 256 * high);
      chunk->residual[at] = static_cast<int8_t>(residual);
      if (residual != 0) chunk->wide = 1;
      sum += whole;
      residual_sum += residual;
    }
    chunk->offset[lane] = -12 * sum;
    chunk->residual_offset[lane] = -12 * residual_sum;
  }
}

}  // namespace

void QuantizeFp8(const float* x, int64_t cols, float* values, Fp8Chunk* chunks) {
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
      values[128 * block + k] = E4m3ToFloat(codes[k]) * scale;
    }
    if (chunks != nullptr) FillChunk(codes, scale, &chunks[block]);
  }
}

}  // namespace fathom::reference
