// quantize.inl.h - Q8_128 and the integer form of its result (matrix.h), and the sum of squares.
#ifndef FATHOM_ISA
#error "include <isa>/simd.h first"
#endif

namespace fathom::FATHOM_ISA {

// Fp8BlockScale() of numeric/formats.h.
FATHOM_INLINE float BlockScale(float amax) {
  const float floored = amax > 1e-4f ? amax : 1e-4f;
  const float product = floored * (1.0f / 448.0f);
  uint32_t bits;
  std::memcpy(&bits, &product, 4);
  const uint32_t exponent = (bits >> 23) + ((bits & 0x7FFFFFu) != 0 ? 1u : 0u);
  const uint32_t power = exponent << 23;  // never subnormal: amax is at least 1e-4
  float scale;
  std::memcpy(&scale, &power, 4);
  return scale;
}

// The E4M3 number nearest to x, as FloatToE4m3() rounds; NaN becomes 448.
FATHOM_INLINE F32x16 RoundToE4m3(F32x16 x) {
  const I32x16 bits = Bits(x);
  const I32x16 absolute = And(bits, BroadcastInt(0x7FFFFFFF));
  const I32x16 sign = And(bits, BroadcastInt(INT32_MIN));
  const I32x16 tie = And(ShiftRightUnsigned<20>(absolute), BroadcastInt(1));
  const I32x16 carried = AddInt(AddInt(absolute, BroadcastInt(0x7FFFF)), tie);
  const F32x16 normal = FromBits(And(carried, BroadcastInt(0x7FF00000)));
  // Below 2^-6 the grid is 2^-9, the last bit of a float at 2^14.
  const F32x16 magnitude = FromBits(absolute);
  const F32x16 small = Sub(Add(magnitude, Broadcast(0x1p14f)), Broadcast(0x1p14f));
  const F32x16 rounded = IfLess(magnitude, Broadcast(0x1p-6f), small, normal);
  const F32x16 bounded = IfLess(magnitude, Broadcast(448.0f), rounded, Broadcast(448.0f));
  return IfNan(x, Broadcast(448.0f), FromBits(Or(Bits(bounded), sign)));
}

// numbers: the 128 rounded values of a block before scaling.
static void FillChunk(const F32x16* numbers, float scale, Fp8Chunk* chunk) {
  alignas(64) uint8_t high[128];
  alignas(64) uint8_t low[128];
  alignas(64) uint8_t rest[128];
  I32x16 any = BroadcastInt(0);
  for (int v = 0; v < 8; ++v) {
    const I32x16 units = ToInt(Mul(numbers[v], Broadcast(512.0f)));      // of 2^-9, exact
    const I32x16 whole = ShiftRight<3>(AddInt(units, BroadcastInt(4)));  // of 2^-6
    const I32x16 residual = SubInt(units, ShiftLeft<3>(whole));
    StoreLowBytes(high + 16 * v, ShiftRight<8>(AddInt(whole, BroadcastInt(128))));
    StoreLowBytes(low + 16 * v, whole);
    StoreLowBytes(rest + 16 * v, residual);
    any = Or(any, residual);
  }
  SplitEvenOdd(high, chunk->high);
  SplitEvenOdd(low, chunk->low);
  SplitEvenOdd(rest, chunk->residual);
  const I32x16 sum = AddInt(ShiftLeft<8>(SumPlane(chunk->high)), SumPlane(chunk->low));
  const I32x16 rest_sum = SumPlane(chunk->residual);
  // -12 n = 4 n - 16 n
  StoreInt(chunk->offset, SubInt(ShiftLeft<2>(sum), ShiftLeft<4>(sum)));
  StoreInt(chunk->residual_offset, SubInt(ShiftLeft<2>(rest_sum), ShiftLeft<4>(rest_sum)));
  chunk->scale = scale;
  chunk->wide = AnyBit(any) ? 1 : 0;
}

void QuantizeFp8(const float* x, int64_t cols, float* values, Fp8Chunk* chunks) {
  for (int64_t block = 0; block < cols / 128; ++block) {
    F32x16 numbers[8];
    F32x16 most = Zero();
    for (int v = 0; v < 8; ++v) {
      numbers[v] = Load(x + 128 * block + 16 * v);
      most = Greater(Abs(numbers[v]), most);  // a NaN leaves it as it is
    }
    const float amax = MaxLane(most);
    const float scale = BlockScale(amax < 0x1p120f ? amax : 0x1p120f);
    const F32x16 inverse = Broadcast(1.0f / scale);
    for (int v = 0; v < 8; ++v) {
      numbers[v] = RoundToE4m3(Mul(numbers[v], inverse));
      Store(values + 128 * block + 16 * v, Mul(numbers[v], Broadcast(scale)));
    }
    if (chunks != nullptr) FillChunk(numbers, scale, &chunks[block]);
  }
}

float SumOfSquares(const float* x, int64_t cols) {
  F32x16 sum = Zero();
  int64_t k = 0;
  for (; k + 16 <= cols; k += 16) {
    const F32x16 a = Load(x + k);
    sum = Fma(a, a, sum);
  }
  if (k < cols) {
    const F32x16 a = LoadFirst(x + k, cols - k);
    sum = Fma(a, a, sum);
  }
  return TreeSum(sum);
}

}  // namespace fathom::FATHOM_ISA
