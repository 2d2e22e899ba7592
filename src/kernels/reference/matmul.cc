// Matrix products, one output at a time.
#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"
#include "numeric/formats.h"

namespace fathom {

float Vector::operator[](int64_t index) const {
  if (type == WeightType::kBf16) return Bf16ToFloat(LoadUnaligned<uint16_t>(data + 2 * index));
  return LoadUnaligned<float>(data + 4 * index);
}

}  // namespace fathom

namespace fathom::reference {
namespace {

// E4M3 as kernels read it: no NaN codes.
float Fp8Weight(uint8_t code) {
  if ((code & 0x7F) == 0x7F) return (code & 0x80) != 0 ? -480.0f : 480.0f;
  return E4m3ToFloat(code);
}

// E8M0 as kernels read it: the exponent field of a float.
float PowerScale(uint8_t code) { return std::bit_cast<float>(static_cast<uint32_t>(code) << 23); }

float Fp8Scale(const Matrix& w, int64_t row, int64_t col) {
  const int64_t index = (row / 128) * ((w.cols + 127) / 128) + col / 128;
  if (w.scale_type == ScaleType::kF32) return LoadUnaligned<float>(w.scale + 4 * index);
  return PowerScale(w.scale[index]);
}

int Fp4Doubled(const Matrix& w, int64_t row, int64_t col) {
  const uint8_t byte = w.data[row * w.row_bytes() + col / 2];
  return static_cast<int>(2 * E2m1ToFloat((col & 1) != 0 ? byte >> 4 : byte & 15));
}

float Fp4Scale(const Matrix& w, int64_t row, int64_t col) {
  return PowerScale(w.scale[row * (w.cols / 32) + col / 32]);
}

// Calls dot(row, x row) for every output.
template <typename DotFunction>
void ForEachOutput(const MatMulArgs& args, DotFunction dot) {
  for (int64_t token = 0; token < args.tokens; ++token) {
    const int64_t x_row = args.x_rows != nullptr ? args.x_rows[token] : token;
    for (int64_t row = args.row_begin; row < args.row_end; ++row) {
      args.y[token * args.y_stride + row] = dot(row, x_row);
    }
  }
}

// The dot rule over one row of plain weights, weight(k) giving the k-th.
template <typename Weight>
float DotRow(const float* x, int64_t cols, Weight weight) {
  Lanes sum;
  for (int64_t k = 0; k < (cols + 15) / 16 * 16; ++k)
    sum.Fma(k % 16, k < cols ? x[k] : 0.0f, k < cols ? weight(k) : 0.0f);
  return sum.Sum();
}

// The dot rule with a scale per `block` columns.
template <typename Weight, typename Scale>
float DotRowScaled(const float* x, int64_t cols, int64_t block, Weight weight, Scale scale) {
  Lanes sum;
  for (int64_t begin = 0; begin < cols; begin += block) {
    Lanes part;
    for (int64_t k = begin; k < std::min((cols + 15) / 16 * 16, begin + block); ++k) {
      part.Fma(k % 16, k < cols ? x[k] : 0.0f, k < cols ? weight(k) : 0.0f);
    }
    for (int64_t l = 0; l < 16; ++l) sum.Fma(l, part.lane[static_cast<size_t>(l)], scale(begin));
  }
  return sum.Sum();
}

}  // namespace

float Dot(const float* a, const float* b, int64_t n) {
  return DotRow(a, n, [&](int64_t k) { return b[k]; });
}

float SumOfSquares(const float* x, int64_t cols) { return Dot(x, x, cols); }

void MatMulFp4(const MatMulArgs& args) {
  const Matrix& w = *args.w;
  const int64_t chunks = Fp8Chunk::Count(w.cols);
  ForEachOutput(args, [&](int64_t row, int64_t x_row) {
    Lanes sum;
    Lanes below;  // what wide chunks have below X
    bool any_wide = false;
    for (int64_t c = 0; c < chunks; ++c) {
      const Fp8Chunk& x = args.x.chunks[x_row * chunks + c];
      any_wide = any_wide || x.residuals != 0;
      const int64_t first = Fp8Chunk::kColumns * c;
      // A lane for each scale of the weights.
      for (int64_t k = 0; k < std::min(Fp8Chunk::kColumns, w.cols - first); k += 32) {
        int32_t main = 0;
        int32_t rest = 0;
        for (int64_t i = k; i < k + 32; ++i) {
          const int64_t at = Fp8Chunk::BytePlace(i);
          const int weight = Fp4Doubled(w, row, first + i);
          main += weight * (args.x.int8 ? x.low[at] : 256 * x.high[at] + x.low[at]);
          rest += weight * x.residual[at];
        }
        const int lane = Fp8Chunk::Lane(k);
        const float scale = Fp4Scale(w, row, first + k);
        sum.Fma(lane, static_cast<float>(main), scale * (x.scale[k / 128] * (args.x.int8 ? 0.5f : 0x1p-7f)));
        if (x.residuals != 0) below.Fma(lane, static_cast<float>(rest), scale * (x.scale[k / 128] * 0x1p-10f));
      }
    }
    for (size_t lane = 0; any_wide && lane < 16; ++lane) sum.lane[lane] += below.lane[lane];
    return sum.Sum();
  });
}

void MatMulFp4F32(const MatMulArgs& args) {
  const Matrix& w = *args.w;
  ForEachOutput(args, [&](int64_t row, int64_t x_row) {
    return DotRowScaled(
        args.x.values + x_row * args.x.stride, w.cols, 32,
        [&](int64_t k) { return 0.5f * static_cast<float>(Fp4Doubled(w, row, k)); },
        [&](int64_t k) { return Fp4Scale(w, row, k); });
  });
}

void MatMulFp8(const MatMulArgs& args) {
  const Matrix& w = *args.w;
  const bool round = args.round_weights && w.scale_type == ScaleType::kF32;
  ForEachOutput(args, [&](int64_t row, int64_t x_row) {
    const uint8_t* codes = w.data + row * w.row_bytes();
    const float* x = args.x.values + x_row * args.x.stride;
    if (round) {
      return DotRowScaled(
          x, w.cols, 128, [&](int64_t k) { return RoundToBf16(Fp8Weight(codes[k]) * Fp8Scale(w, row, k)); },
          [](int64_t) { return 1.0f; });
    }
    if (w.scale_type != ScaleType::kF32) {
      return DotRow(x, w.cols, [&](int64_t k) { return Fp8Weight(codes[k]) * Fp8Scale(w, row, k); });
    }
    return DotRowScaled(
        x, w.cols, 128, [&](int64_t k) { return Fp8Weight(codes[k]); }, [&](int64_t k) { return Fp8Scale(w, row, k); });
  });
}

void MatMulBf16(const MatMulArgs& args) {
  const Matrix& w = *args.w;
  ForEachOutput(args, [&](int64_t row, int64_t x_row) {
    const uint8_t* codes = w.data + row * w.row_bytes();
    return DotRow(args.x.values + x_row * args.x.stride, w.cols,
                  [&](int64_t k) { return Bf16ToFloat(LoadUnaligned<uint16_t>(codes + 2 * k)); });
  });
}

void MatMulF32(const MatMulArgs& args) {
  const Matrix& w = *args.w;
  ForEachOutput(args, [&](int64_t row, int64_t x_row) {
    const uint8_t* weights = w.data + row * w.row_bytes();
    return DotRow(args.x.values + x_row * args.x.stride, w.cols,
                  [&](int64_t k) { return LoadUnaligned<float>(weights + 4 * k); });
  });
}

}  // namespace fathom::reference
