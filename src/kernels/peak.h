// peak.h - how fast this machine can multiply and add at best: the compute roof that a bench compares with.
#ifndef FATHOM_KERNELS_PEAK_H_
#define FATHOM_KERNELS_PEAK_H_

#include <cstdint>

#include "base/thread_pool.h"

namespace fathom {

// Loops over registers only, of one instruction set. Each does `rounds` rounds and returns how many operations that was
// (a multiplication and an addition are two).
struct PeakLoops {
  int64_t (*fma_f32)(int64_t rounds);   // float32 multiply-adds
  int64_t (*dot_int8)(int64_t rounds);  // products of bytes, added as int32
  int64_t (*dot_bf16)(int64_t rounds);  // products of BF16 numbers, added as float32; null if there are none
};

struct PeakRates {
  double f32_flops = 0;  // operations per second of all threads together
  double int8_ops = 0;
  double bf16_flops = 0;  // 0: there is no such instruction

  // Of FP8 weights and quantised inputs, which go as BF16 numbers where there is an instruction for these.
  double fp8_flops() const { return bf16_flops > 0 ? bf16_flops : f32_flops; }
};

// Whether pairs of BF16 numbers (AVX512_BF16) give more products a second on this processor than floats: measured by
// one thread in about 0.2 ms. Only where there are such instructions.
bool Bf16PairsAreFaster();

// Whether float products of 512 bits give more of them a second than those of 256, as they do unless the processor
// takes them in halves: measured likewise. Only where there is AVX-512.
bool LongFloatsAreWhole();

// With the instruction set of Kernels() (kernels.h), for about `seconds`; the best round counts.
PeakRates MeasurePeak(ThreadPool& pool, double seconds);

}  // namespace fathom

#endif  // FATHOM_KERNELS_PEAK_H_
