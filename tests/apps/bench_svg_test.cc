// Pictures of `fathom bench`.
#include "apps/bench_svg.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "apps/bench_kernel_report.h"
#include "base/strings.h"
#include "tests/apps/bench_results.h"
#include "tests/support/xml.h"

namespace fathom {
namespace {

bool HasText(const std::vector<std::string>& texts, std::string_view part) {
  return std::ranges::any_of(texts, [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

// The texts of a picture that is one.
std::vector<std::string> TextsOf(const std::string& svg) {
  const XmlTexts xml = ReadXml(svg);
  EXPECT_EQ(xml.error, "");
  for (const char* wrong : {"inf", "nan", "=\"-"})
    EXPECT_EQ(svg.find(wrong), std::string::npos) << wrong << "\n" << svg;
  return xml.texts.at("text");
}

// A machine whose roof takes long to say.
Roof ManyThreads() {
  Roof roof;
  roof.read_bytes_per_second = 345.6e9;
  for (int threads = 1; threads <= 1024; threads *= 2) roof.read_by_threads.push_back({threads, 345.6e9});
  roof.peak = {.f32_flops = 12345e9, .int8_ops = 98765e9};
  return roof;
}

KernelMeasurement MeasuredHead(int64_t tokens, int64_t rows) {
  KernelMeasurement measured;
  measured.op.name = "head";
  measured.op.kernel = "matmul_bf16";
  measured.op.type = WeightType::kBf16;
  measured.op.rows = rows;
  measured.op.cols = 4096;
  measured.full_rows = 129280;
  measured.tokens = measured.part_tokens = tokens;
  measured.isa = "avx2";
  measured.seconds = {0.01, 0.01, 0.01};
  return measured;
}

TEST(BenchSvg, ATimeTooShortForTheClockHasNoBar) {
  BenchResult result;
  result.settings = {.context = 0, .prompt = 8, .batch = 1, .generate = 1, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(0);
  result.decode = Measured(0.5);
  const std::vector<std::string> texts = TextsOf(BenchSvg(CutRelease(), {result}));
  EXPECT_EQ(std::ranges::count(texts, std::string("prompt 8, batch 1, prefill")), 2);
  EXPECT_TRUE(HasText(texts, "too short for the clock"));
  EXPECT_TRUE(HasText(texts, "2 tokens/s, "));
  result.decode = Measured(0);
  TextsOf(BenchSvg(CutRelease(), {result}));
}

TEST(BenchSvg, TheMachinesLinesFit) {
  constexpr size_t kColumns = 134;  // 968 px of 7.2
  BenchContext context = CutRelease();
  context.roof = ManyThreads();
  BenchResult result;
  result.settings = {.context = 0, .prompt = 8, .batch = 1, .generate = 0, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(0.5);
  const std::vector<std::string> texts = TextsOf(BenchSvg(context, {result}));
  EXPECT_TRUE(HasText(texts, "a processor, 2 threads, avx2 kernels"));
  EXPECT_TRUE(HasText(texts, "12345.0 GFLOP/s float32"));
  for (const std::string& text : texts) EXPECT_LE(text.size(), kColumns) << text;

  KernelBenchContext kernels;
  kernels.cpu = "a processor";
  kernels.roofs = {{"reference", ManyThreads()}, {"avx2", ManyThreads()}, {"avx512", ManyThreads()}};
  for (const std::string& text : TextsOf(KernelBenchSvg(kernels, {MeasuredHead(1, 129280)}))) {
    EXPECT_LE(text.size(), kColumns) << text;
  }
}

TEST(KernelBenchSvg, WhatWasMeasuredInPartSaysSo) {
  KernelBenchContext context;
  context.roofs = {{"avx2", ManyThreads()}};
  KernelMeasurement attend = MeasuredHead(512, 129280);
  attend.op.name = "attn.window";
  attend.op.kind = KernelKind::kAttend;
  attend.op.rows = attend.full_rows = 64;
  attend.op.over = 128;
  attend.part_tokens = 24;
  const std::vector<std::string> texts = TextsOf(
      KernelBenchSvg(context, {MeasuredHead(1, 129280), MeasuredHead(8, 129280), MeasuredHead(512, 4768), attend}));
  EXPECT_EQ(std::ranges::count(texts, std::string("head")), 1)
      << "one group of bars, though one of them is of fewer rows";
  EXPECT_EQ(std::ranges::count(texts, std::string("matmul_bf16, 129280x4096")), 1);
  const auto ending = [&](std::string_view end) {
    return std::ranges::count_if(texts, [&](const std::string& text) { return text.ends_with(end); });
  };
  EXPECT_EQ(ending(", 10 ms"), 2);
  EXPECT_EQ(ending(", 10 ms, 4768 of 129280 x 4096"), 1);
  EXPECT_EQ(ending(", 10 ms, 24 of 512 tokens"), 1);
}

TEST(KernelBenchSvg, ARoofOfNothingHasNoBars) {
  KernelBenchContext context;
  context.roofs = {{"avx2", {}}};
  const std::vector<std::string> texts = TextsOf(KernelBenchSvg(context, {MeasuredHead(1, 129280)}));
  EXPECT_TRUE(HasText(texts, "head"));
}

}  // namespace
}  // namespace fathom
