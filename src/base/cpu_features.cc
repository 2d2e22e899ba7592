#include "base/cpu_features.h"

#include <cstring>

#include "base/machine_limits.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace fathom {
namespace {

#if defined(__x86_64__)

struct CpuidRegisters {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters Cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidRegisters r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

bool Bit(unsigned word, int bit) { return (word >> bit & 1U) != 0; }

// XCR0: which register files the operating system saves. Only valid if OSXSAVE is set.
uint64_t SavedRegisterFiles() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

void DetectInstructionSets(CpuFeatures* cpu) {
  const CpuidRegisters basic = Cpuid(1);
  const bool osxsave = Bit(basic.ecx, 27);
  const uint64_t saved = osxsave ? SavedRegisterFiles() : 0;
  constexpr uint64_t kYmmState = 0x6;   // XMM and the upper halves of YMM
  constexpr uint64_t kZmmState = 0xe6;  // and opmasks, upper halves of ZMM0-15, ZMM16-31
  const bool ymm = (saved & kYmmState) == kYmmState && Bit(basic.ecx, 28);
  const bool zmm = ymm && (saved & kZmmState) == kZmmState;

  const CpuidRegisters extended = Cpuid(7);
  const CpuidRegisters extended1 = Cpuid(7, 1);
  cpu->bmi2 = Bit(extended.ebx, 8);
  cpu->fma = ymm && Bit(basic.ecx, 12);
  cpu->f16c = ymm && Bit(basic.ecx, 29);
  cpu->avx2 = ymm && Bit(extended.ebx, 5);
  cpu->avx_vnni = cpu->avx2 && Bit(extended1.eax, 4);
  const bool f = Bit(extended.ebx, 16);
  const bool dq = Bit(extended.ebx, 17);
  const bool bw = Bit(extended.ebx, 30);
  const bool vl = Bit(extended.ebx, 31);
  const bool vbmi = Bit(extended.ecx, 1);
  const bool vnni = Bit(extended.ecx, 11);
  cpu->avx512 = zmm && f && dq && bw && vl && vbmi && vnni;
  cpu->avx512_bf16 = cpu->avx512 && Bit(extended1.eax, 5);
}

std::string ModelName() {
  std::string name;
  for (unsigned leaf = 0x80000002U; leaf <= 0x80000004U; ++leaf) {
    const CpuidRegisters r = Cpuid(leaf);
    for (const unsigned word : {r.eax, r.ebx, r.ecx, r.edx}) {
      char bytes[sizeof word];
      std::memcpy(bytes, &word, sizeof word);
      name.append(bytes, sizeof word);
    }
  }
  name.resize(std::strlen(name.c_str()));  // padded with NULs
  const size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

#elif defined(__aarch64__)

void DetectInstructionSets(CpuFeatures* cpu) {
  const unsigned long caps = getauxval(AT_HWCAP);
  cpu->neon = (caps & HWCAP_ASIMD) != 0;
  cpu->neon_fp16 = (caps & HWCAP_ASIMDHP) != 0;
  cpu->neon_dotprod = (caps & HWCAP_ASIMDDP) != 0;
  cpu->neon_i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}

std::string ModelName() { return CpuinfoField("model name"); }

#else

void DetectInstructionSets(CpuFeatures*) {}

std::string ModelName() { return CpuinfoField("model name"); }

#endif

CpuFeatures Detect() {
  CpuFeatures cpu;
  DetectInstructionSets(&cpu);
  cpu.model_name = ModelName();
  if (cpu.model_name.empty()) cpu.model_name = "unknown CPU";
  const MachineLimits limits = ReadMachineLimits();
  cpu.cores = limits.cores;
  cpu.ram_bytes = limits.ram_bytes;
  return cpu;
}

}  // namespace

const CpuFeatures& GetCpuFeatures() {
  static const CpuFeatures& cpu = *new CpuFeatures(Detect());
  return cpu;
}

std::string InstructionSets(const CpuFeatures& cpu) {
  std::string out;
  const auto add = [&out](bool present, const char* name) {
    if (!present) return;
    if (!out.empty()) out += ' ';
    out += name;
  };
  add(cpu.avx2, "AVX2");
  add(cpu.fma, "FMA");
  add(cpu.f16c, "F16C");
  add(cpu.bmi2, "BMI2");
  add(cpu.avx_vnni, "AVX-VNNI");
  add(cpu.avx512 && !cpu.avx512_bf16, "AVX-512 (F BW DQ VL VNNI VBMI)");
  add(cpu.avx512_bf16, "AVX-512 (F BW DQ VL VNNI VBMI BF16)");
  add(cpu.neon, "NEON");
  add(cpu.neon_fp16, "FP16");
  add(cpu.neon_dotprod, "DotProd");
  add(cpu.neon_i8mm, "I8MM");
  return out.empty() ? "baseline" : out;
}

}  // namespace fathom
