// Which tables there are and how one is chosen.
#include <set>

#include "base/cpu_features.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

TEST(Dispatch, ReferenceIsFirstAndNamesDiffer) {
  const std::vector<const KernelTable*> tables = SupportedKernels();
  ASSERT_FALSE(tables.empty());
  EXPECT_EQ(tables.front(), &ReferenceKernels());
  std::set<std::string> names;
  for (const KernelTable* table : tables) EXPECT_TRUE(names.insert(table->name).second) << table->name;
}

TEST(Dispatch, ProcessorsWithVectorsGetTheirTable) {
  const std::string best = SupportedKernels().back()->name;
  const CpuFeatures& cpu = GetCpuFeatures();
  if (cpu.avx512_bf16) {
    // Which of them is fastest depends on the processor.
    const std::vector<const KernelTable*> tables = SupportedKernels();
    std::set<std::string> last_three;
    for (size_t n = tables.size() - 3; n < tables.size(); ++n) last_three.insert(tables[n]->name);
    EXPECT_EQ(last_three, std::set<std::string>({"avx512", "avx512_bf16", "avx512_bf16_panels"}));
  } else if (cpu.avx512) {
    EXPECT_EQ(best, "avx512");
  } else if (cpu.avx2) {
    EXPECT_EQ(best, "avx2");
  } else if (cpu.neon_dotprod) {
    EXPECT_EQ(best, "neon");
  } else {
    EXPECT_EQ(best, "reference");
  }
}

TEST(Dispatch, EveryTableIsComplete) {
  for (const KernelTable* table : SupportedKernels()) {
    EXPECT_NE(table->quantize_fp8, nullptr) << table->name;
    EXPECT_NE(table->quantize_int8, nullptr) << table->name;
    EXPECT_NE(table->matmul_fp4, nullptr) << table->name;
    EXPECT_NE(table->matmul_fp4_f32, nullptr) << table->name;
    EXPECT_NE(table->matmul_fp8, nullptr) << table->name;
    EXPECT_NE(table->matmul_bf16, nullptr) << table->name;
    EXPECT_NE(table->matmul_f32, nullptr) << table->name;
    EXPECT_NE(table->sum_of_squares, nullptr) << table->name;
    EXPECT_NE(table->swiglu, nullptr) << table->name;
    EXPECT_NE(table->hc_post, nullptr) << table->name;
    EXPECT_NE(table->attend, nullptr) << table->name;
    EXPECT_NE(table->index_scores, nullptr) << table->name;
    EXPECT_NE(table->largest_logit, nullptr) << table->name;
    EXPECT_NE(table->softmax_weights, nullptr) << table->name;
    EXPECT_NE(table->select_at_least, nullptr) << table->name;
  }
}

TEST(Dispatch, SelectsByName) {
  for (const KernelTable* table : SupportedKernels()) {
    EXPECT_TRUE(SelectKernels(table->name));
    EXPECT_EQ(&Kernels(), table);
  }
  EXPECT_FALSE(SelectKernels("sse9"));
  EXPECT_FALSE(SelectKernels(""));
  EXPECT_EQ(&Kernels(), SupportedKernels().back()) << "an unknown name changes nothing";
  EXPECT_TRUE(SelectKernels("reference"));
  EXPECT_TRUE(SelectKernels("auto"));
  EXPECT_EQ(&Kernels(), SupportedKernels().back());
}

}  // namespace
}  // namespace fathom
