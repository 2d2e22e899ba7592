// bench_roof.h - what the machine can do at best, measured in the run that is compared with it.
#ifndef FATHOM_APPS_BENCH_ROOF_H_
#define FATHOM_APPS_BENCH_ROOF_H_

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/bench_cost.h"
#include "base/bandwidth.h"
#include "base/json.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/peak.h"
#include "model/config.h"
#include "model/weights.h"

namespace fathom {

inline constexpr double kGiga = 1e9;

struct Roof {
  double read_bytes_per_second = 0;  // all threads together
  std::vector<ThreadBandwidth> read_by_threads;
  // Of the weights of a token, where they lie: spread over more memory than page tables in the caches reach, in pages
  // as the system gives them. 0: not measured.
  double token_bytes_per_second = 0;
  // Of all weights that are in memory, how many lie in pages of 2 MB. No value: not known.
  std::optional<double> large_page_share = std::nullopt;
  PeakRates peak;  // of Kernels()
};

// Work in rates, and what a machine that does nothing else than read the weights at full speed, or multiply at full
// speed, would need of the time.
struct WorkRates {
  double bytes_per_second = 0;
  double flops_per_second = 0;
  double bandwidth_share = 0;
  double compute_share = 0;

  // The roof that leaves less, and the share of it.
  const char* bound() const { return bandwidth_share >= compute_share ? "reads" : "arithmetic"; }
  double roof_share() const { return bandwidth_share >= compute_share ? bandwidth_share : compute_share; }
};
WorkRates RatesOf(const Work& work, double seconds, const Roof& roof);

// The flag --roof-mib: how much memory is read to see how fast that goes; none: RoofBufferBytes() of this machine.
void AddRoofFlag(CLI::App& app, std::optional<int64_t>* mib);
// That memory, filled, with progress on stderr. An error names the flag where it is more than half of the machine's.
Result<std::unique_ptr<ReadBuffer>> MakeRoofBuffer(ThreadPool& pool, const std::optional<int64_t>& mib);
// With the threads of `pool` and the kernel table in use. Takes about a second, more where caches are large.
// kCancelled after Ctrl-C.
Result<Roof> MeasureRoof(ThreadPool& pool, const ReadBuffer& buffer);
// The arithmetic part alone, after another table was chosen.
PeakRates MeasureRoofPeak(ThreadPool& pool);

// Roofs that were measured again and again, beside what is compared with them.
struct RoofSamples {
  std::vector<double> read_bytes_per_second;  // empty: reads were not
  std::vector<PeakRates> peaks;

  bool empty() const { return peaks.empty(); }
};
// `run` with the medians of the samples in the places of what they measured.
Roof RoofBeside(const RoofSamples& samples, const Roof& run);

// Neighbours take memory and cores from one second to the next: between the steps of a phase roofs are measured as long
// as a part of a step, not at their best but as they are.
class RoofProbe {
 public:
  // With the threads of `pool` and the kernel table in use; `buffer`, filled, null: arithmetic only.
  RoofProbe(ThreadPool& pool, std::unique_ptr<ReadBuffer> buffer);

  // Adds a sample, which takes about 20 ms, if `samples` has none or the last one was long enough ago not to make a run
  // much longer.
  void Sample(RoofSamples* samples);

 private:
  ThreadPool& pool_;
  const std::unique_ptr<ReadBuffer> buffer_;
  std::chrono::steady_clock::time_point last_;
};

// Bytes per second of a loop that only reads what a token reads, by the median of about half a second of tokens with
// different experts. All weights should be in memory. kCancelled after Ctrl-C.
Result<double> MeasureTokenReads(ThreadPool& pool, const ModelConfig& config, const ModelWeights& weights);

// "reads 13.1 GB/s (threads 1: 8.9, 2: 13.1)".
std::string ReadRoofText(const Roof& roof);
// A list in lines of at most 96 columns where it can be broken behind a comma or a semicolon, with `separator` (a line
// end, and what the next line begins with) between them.
std::string WrapList(std::string_view text, std::string_view separator, size_t columns = 96);
// "472.8 GFLOP/s float32; 880.7 Gop/s int8", and "; 940.1 GFLOP/s BF16" where there are such instructions.
std::string PeakText(const PeakRates& peak);

// "reads 13.1 GB/s (12.0 .. 13.3); 472.8 GFLOP/s float32; 880.7 Gop/s int8", by the medians.
std::string SamplesText(const RoofSamples& samples);

// {read_bytes_per_s {min, median, max} (null: not measured), f32_flop_per_s, int8_op_per_s, bf16_flop_per_s (null:
// there is none)}, medians. Null without samples.
Json SamplesJson(const RoofSamples& samples);

// {read_bytes_per_s, read_bytes_per_s_by_threads [{threads, bytes_per_s}], token_bytes_per_s, large_page_share (either
// null: not known), f32_flop_per_s, int8_op_per_s, bf16_flop_per_s (null: there is none)}
Json RoofJson(const Roof& roof);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_ROOF_H_
