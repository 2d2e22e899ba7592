#include "apps/bench_roof.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "apps/bench_spread.h"
#include "apps/flags.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/topology.h"

namespace fathom {
namespace {

// Long enough for the best of several passes with all threads, short enough to be part of every run.
constexpr double kReadRoofSeconds = 0.8;
constexpr double kPeakRoofSeconds = 0.3;

// Of the roofs between steps: threads have their share of the work often enough, and a decode step of a large model
// takes several times as long.
constexpr uint64_t kSampleThreadBytes = uint64_t{128} << 20;
constexpr double kSamplePeakSeconds = 0.01;
constexpr std::chrono::milliseconds kSamplePause{200};

PeakRates MedianPeak(const std::vector<PeakRates>& peaks) {
  const auto median = [&](double PeakRates::*rate) {
    std::vector<double> values;
    values.reserve(peaks.size());
    for (const PeakRates& peak : peaks) values.push_back(peak.*rate);
    return SpreadOf(std::move(values)).median;
  };
  return {median(&PeakRates::f32_flops), median(&PeakRates::int8_ops), median(&PeakRates::bf16_flops)};
}

}  // namespace

WorkRates RatesOf(const Work& work, double seconds, const Roof& roof) {
  WorkRates rates;
  rates.bytes_per_second = work.weight_bytes / seconds;
  rates.flops_per_second = work.flops / seconds;
  rates.bandwidth_share = rates.bytes_per_second / roof.read_bytes_per_second;
  rates.compute_share =
      (work.f32_ops / roof.peak.f32_flops + work.int8_ops / roof.peak.int8_ops + work.fp8_ops / roof.peak.fp8_flops()) /
      seconds;
  return rates;
}

void AddRoofFlag(CLI::App& app, std::optional<int64_t>* mib) {
  CLI::Option* option = app.add_option(
      "--roof-mib", *mib, "MiB of memory that are read as the roof (default: eight times the last-level caches)");
  AcceptWhole(option->type_name("N"), 4, uint64_t{1} << 24);
}

Result<std::unique_ptr<ReadBuffer>> MakeRoofBuffer(ThreadPool& pool, const std::optional<int64_t>& mib) {
  const uint64_t ram = GetCpuFeatures().ram_bytes;
  const uint64_t bytes =
      mib ? static_cast<uint64_t>(*mib) << 20 : RoofBufferBytes(LastLevelCacheBytes(AllowedCpus()), ram);
  if (mib && ram != 0 && bytes > ram / 2) {
    return InvalidArgument(
        StrCat("--roof-mib is ", *mib, "; accepted are 4 to ", ram >> 21, ", half of this machine's memory"));
  }
  auto buffer = std::make_unique<ReadBuffer>(bytes);
  buffer->Fill(pool);
  return buffer;
}

Result<Roof> MeasureRoof(ThreadPool& pool, const ReadBuffer& buffer) {
  Roof roof;
  FATHOM_ASSIGN_OR_RETURN(roof.read_by_threads, MeasureReadBandwidthByThreads(pool, kReadRoofSeconds, buffer));
  roof.read_bytes_per_second = roof.read_by_threads.back().bytes_per_second;
  roof.peak = MeasureRoofPeak(pool);
  return roof;
}

PeakRates MeasureRoofPeak(ThreadPool& pool) { return MeasurePeak(pool, kPeakRoofSeconds); }

RoofProbe::RoofProbe(ThreadPool& pool, std::unique_ptr<ReadBuffer> buffer) : pool_(pool), buffer_(std::move(buffer)) {}

void RoofProbe::Sample(RoofSamples* samples) {
  if (!samples->empty() && std::chrono::steady_clock::now() - last_ < kSamplePause) return;
  if (buffer_ != nullptr) {
    const auto threads = static_cast<uint64_t>(pool_.threads());
    samples->read_bytes_per_second.push_back(buffer_->ReadNext(pool_, threads * kSampleThreadBytes));
  }
  samples->peaks.push_back(MeasurePeak(pool_, kSamplePeakSeconds));
  last_ = std::chrono::steady_clock::now();
}

Roof RoofBeside(const RoofSamples& samples, const Roof& run) {
  Roof roof = run;
  if (!samples.read_bytes_per_second.empty()) {
    roof.read_bytes_per_second = SpreadOf(samples.read_bytes_per_second).median;
  }
  if (!samples.peaks.empty()) roof.peak = MedianPeak(samples.peaks);
  return roof;
}

std::string SamplesText(const RoofSamples& samples) {
  std::string reads;
  if (!samples.read_bytes_per_second.empty()) {
    const Spread rate = SpreadOf(samples.read_bytes_per_second);
    reads = StrFormat("reads %.1f GB/s (%.1f .. %.1f); ", rate.median / kGiga, rate.min / kGiga, rate.max / kGiga);
  }
  return StrCat(reads, PeakText(MedianPeak(samples.peaks)));
}

Json SamplesJson(const RoofSamples& samples) {
  if (samples.empty()) return {};
  const bool reads = !samples.read_bytes_per_second.empty();
  const PeakRates peak = MedianPeak(samples.peaks);
  return Json::Object({{"read_bytes_per_s", reads ? SpreadJson(SpreadOf(samples.read_bytes_per_second)) : Json()},
                       {"f32_flop_per_s", Json::Double(peak.f32_flops)},
                       {"int8_op_per_s", Json::Double(peak.int8_ops)},
                       {"bf16_flop_per_s", peak.bf16_flops > 0 ? Json::Double(peak.bf16_flops) : Json()}});
}

Result<double> MeasureTokenReads(ThreadPool& pool, const ModelConfig& config, const ModelWeights& weights) {
  constexpr double kSeconds = 0.5;
  constexpr size_t kFewest = 5;
  std::mt19937_64 random(5);
  std::vector<double> rates;
  Progress progress("measuring how fast a token's weights are read", 0, Progress::Unit::kBytes);
  const auto stop = std::chrono::steady_clock::now() + std::chrono::duration<double>(kSeconds);
  while (rates.size() < kFewest || std::chrono::steady_clock::now() < stop) {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
    const std::vector<std::span<const uint8_t>> ranges = WeightsOfToken(config, weights, random);
    double bytes = 0;
    for (const std::span<const uint8_t> range : ranges) bytes += static_cast<double>(range.size());
    rates.push_back(bytes / SecondsToRead(pool, ranges));
    progress.Add(static_cast<uint64_t>(bytes));
  }
  return SpreadOf(std::move(rates)).median;
}

std::string WrapList(std::string_view text, std::string_view separator, size_t columns) {
  std::string out;
  while (text.size() > columns) {
    // The last place that fits, or else the first one there is.
    size_t end = text.find_last_of(",;", columns - 1);
    if (end == std::string_view::npos) end = text.find_first_of(",;", columns);
    if (end == std::string_view::npos || end + 1 == text.size()) break;
    out += StrCat(text.substr(0, end + 1), separator);
    text.remove_prefix(end + 1);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  }
  return out + std::string(text);
}

std::string ReadRoofText(const Roof& roof) {
  std::string threads;
  for (const ThreadBandwidth& rate : roof.read_by_threads) {
    threads += StrFormat("%s%d: %.1f", threads.empty() ? "" : ", ", rate.threads, rate.bytes_per_second / kGiga);
  }
  return StrFormat("reads %.1f GB/s (threads %s)", roof.read_bytes_per_second / kGiga, threads.c_str());
}

std::string PeakText(const PeakRates& peak) {
  const std::string bf16 = peak.bf16_flops > 0 ? StrFormat("; %.1f GFLOP/s BF16", peak.bf16_flops / kGiga) : "";
  return StrCat(StrFormat("%.1f GFLOP/s float32; %.1f Gop/s int8", peak.f32_flops / kGiga, peak.int8_ops / kGiga),
                bf16);
}

Json RoofJson(const Roof& roof) {
  std::vector<Json> by_threads;
  by_threads.reserve(roof.read_by_threads.size());
  for (const ThreadBandwidth& rate : roof.read_by_threads) {
    by_threads.push_back(
        Json::Object({{"threads", Json::Int(rate.threads)}, {"bytes_per_s", Json::Double(rate.bytes_per_second)}}));
  }
  return Json::Object(
      {{"read_bytes_per_s", Json::Double(roof.read_bytes_per_second)},
       {"read_bytes_per_s_by_threads", Json::Array(std::move(by_threads))},
       {"token_bytes_per_s", roof.token_bytes_per_second > 0 ? Json::Double(roof.token_bytes_per_second) : Json()},
       {"large_page_share", roof.large_page_share ? Json::Double(*roof.large_page_share) : Json()},
       {"f32_flop_per_s", Json::Double(roof.peak.f32_flops)},
       {"int8_op_per_s", Json::Double(roof.peak.int8_ops)},
       {"bf16_flop_per_s", roof.peak.bf16_flops > 0 ? Json::Double(roof.peak.bf16_flops) : Json()}});
}

}  // namespace fathom
