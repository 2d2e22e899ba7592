// cpu_features.h - what this machine can do: instruction sets, usable cores, memory.
//
//   const CpuFeatures& cpu = GetCpuFeatures();
//   if (cpu.avx512) ...
//
// An instruction set counts only if the CPU has it and the operating system saves its registers (CPUID and XGETBV).
// Flags of another architecture are false.
#ifndef FATHOM_BASE_CPU_FEATURES_H_
#define FATHOM_BASE_CPU_FEATURES_H_

#include <cstdint>
#include <string>

namespace fathom {

struct CpuFeatures {
  // x86-64
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool bmi2 = false;
  bool avx_vnni = false;     // 256-bit VNNI without AVX-512
  bool avx512 = false;       // all of F, BW, DQ, VL, VNNI and VBMI
  bool avx512_bf16 = false;  // besides them BF16
  // aarch64
  bool neon = false;
  bool neon_fp16 = false;
  bool neon_dotprod = false;
  bool neon_i8mm = false;

  std::string model_name;  // "Intel(R) Xeon(R) Processor"; "unknown CPU" where nothing tells
  int cores = 1;           // logical CPUs this process may use: affinity mask and cgroup CPU quota, at least 1
  uint64_t ram_bytes = 0;  // physical memory or the cgroup's limit, whichever is smaller
};

// Read once, at the first call. Thread-safe.
const CpuFeatures& GetCpuFeatures();

// The instruction sets in words: "AVX2 FMA F16C BMI2 AVX-512 (F BW DQ VL VNNI VBMI)"; "baseline" if there are none.
std::string InstructionSets(const CpuFeatures& cpu);

}  // namespace fathom

#endif  // FATHOM_BASE_CPU_FEATURES_H_
