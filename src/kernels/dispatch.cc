#include <atomic>

#include "base/cpu_features.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "kernels/simd/tables.h"

namespace fathom {
namespace {

std::atomic<const KernelTable*>& Selected() {
  static std::atomic<const KernelTable*> table{SupportedKernels().back()};
  return table;
}

}  // namespace

std::vector<const KernelTable*> SupportedKernels() {
  std::vector<const KernelTable*> tables = {&ReferenceKernels()};
  const CpuFeatures& cpu = GetCpuFeatures();
#if defined(__x86_64__)
  if (cpu.avx2 && cpu.fma && cpu.f16c && cpu.bmi2) {
    tables.push_back(&avx2::kKernels);
#ifdef FATHOM_AVX512_TABLE
    if (cpu.avx512) tables.push_back(&avx512::kKernels);
    if (cpu.avx512 && cpu.avx512_bf16) {
      // Pairs of BF16 numbers give twice the products of floats on an EPYC of the fourth and fifth generation, and half
      // of them on a Xeon of the fifth; the EPYC of the fourth takes vectors of 512 bits in halves, so that decoding
      // weights anew costs it little beside their products. What the instruction set does not tell is measured.
      static const bool kPairsAreFaster = Bf16PairsAreFaster();
      static const bool kWhole = LongFloatsAreWhole();
      const KernelTable* const streams = &avx512::kPairKernels;
      const KernelTable* const panels = &avx512::kPairPanelKernels;
      tables.insert(kPairsAreFaster ? tables.end() : tables.end() - 1,
                    {kWhole ? streams : panels, kWhole ? panels : streams});
    }
#endif
  }
#elif defined(__aarch64__)
  if (cpu.neon && cpu.neon_fp16 && cpu.neon_dotprod) tables.push_back(&neon::kKernels);
#else
  static_cast<void>(cpu);
#endif
  return tables;
}

const KernelTable& Kernels() { return *Selected().load(std::memory_order_relaxed); }

bool SelectKernels(std::string_view name) {
  const std::vector<const KernelTable*> tables = SupportedKernels();
  if (name == "auto") {
    Selected().store(tables.back());
    return true;
  }
  for (const KernelTable* table : tables) {
    if (name == table->name) {
      Selected().store(table);
      return true;
    }
  }
  return false;
}

}  // namespace fathom
