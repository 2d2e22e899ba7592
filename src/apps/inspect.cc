#include "apps/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/flags.h"
#include "apps/inspect_report.h"
#include "apps/model_options.h"
#include "base/bandwidth.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/verify_data.h"

namespace fathom {
namespace {

constexpr char kInspectFooter[] = R"(Examples:
  fathom inspect /models/DeepSeek-V4-Flash
  fathom inspect DIR --tensors | grep experts.0.
  fathom inspect DIR --verify             reads all of it: NaN values, expert ids, digests in SHA256SUMS

Opening reads only headers: a second for 160 GB. The bandwidth test takes another second.)";

// Long enough for several passes on a slow machine.
constexpr double kBandwidthSeconds = 1.0;

struct InspectFlags {
  std::string directory;
  std::vector<int64_t> contexts;
  bool tensors = false;
  bool json = false;
  bool verify = false;
  int threads = GetCpuFeatures().cores;
};

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Json VerifyJson(const DataReport& report) {
  std::vector<Json> defects;
  for (const std::string& defect : report.defects) defects.push_back(Json::String(defect));
  return Json::Object({{"bytes", Json::Int(static_cast<int64_t>(report.bytes))},
                       {"tensors", Json::Int(static_cast<int64_t>(report.tensors))},
                       {"digests", Json::Int(static_cast<int64_t>(report.digests))},
                       {"defects", Json::Array(std::move(defects))}});
}

// `json` gets the report under "verify" if it is not null; otherwise it is printed.
int Verify(const Checkpoint& checkpoint, const InspectFlags& flags, Json* json) {
  InstallInterruptHandler();
  Progress progress("reading weights", DataBytes(checkpoint), Progress::Unit::kBytes);
  const Result<DataReport> report = VerifyData(checkpoint, flags.threads, &progress);
  if (!report.ok()) return Fail(report.status());
  progress.Finish();
  if (json != nullptr) {
    json->Set("verify", VerifyJson(*report));
  } else {
    for (const std::string& defect : report->defects) Print(defect + "\n");
    Print(StrCat(
        HumanBytes(report->bytes), " in ", report->tensors, " tensors read, ",
        report->digests == 0 ? "no digests (there is no SHA256SUMS)" : StrCat(report->digests, " digests compared"),
        report->defects.empty() ? ": sound\n" : "\n"));
  }
  if (report->defects.empty()) return 0;
  const size_t count = report->defects.size();
  return Fail(DataLoss(StrCat(flags.directory, ": ", count, count == 1 ? " defect" : " defects",
                              " found, the first: ", report->defects.front())));
}

int Run(InspectFlags flags) {
  if (flags.directory.empty()) {
    Result<DefaultModel> found = FindDefaultModel();
    if (!found.ok()) return Fail(found.status());
    flags.directory = found->directory;
  }
  Result<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(flags.directory);
  if (!opened.ok()) return Fail(opened.status());
  const Checkpoint& checkpoint = **opened;
  if (flags.tensors) {
    Print(flags.json ? TensorListJson(checkpoint).DumpPretty() + "\n" : TensorListText(checkpoint));
    return 0;
  }
  flags.contexts.insert(flags.contexts.end(), {int64_t{8} << 10, int64_t{128} << 10, int64_t{1} << 20});
  std::sort(flags.contexts.begin(), flags.contexts.end());
  flags.contexts.erase(std::unique(flags.contexts.begin(), flags.contexts.end()), flags.contexts.end());
  InspectReport report = MakeInspectReport(checkpoint, flags.contexts, {GetCpuFeatures().ram_bytes, flags.threads});
  if (!flags.json) {
    Print(InspectText(checkpoint, report) + "\n");
    std::fflush(stdout);  // the measurement takes its time where others compute
  }
  report.machine.read_bandwidth = MeasureReadBandwidth(flags.threads, kBandwidthSeconds);
  if (!flags.json) {
    Print(MachineText(report));
    if (!flags.verify) return 0;
    Print("\n");
    std::fflush(stdout);
    return Verify(checkpoint, flags, nullptr);
  }
  Json json = InspectJson(checkpoint, report);
  const int exit_code = flags.verify ? Verify(checkpoint, flags, &json) : 0;
  if (exit_code != 130) Print(json.DumpPretty() + "\n");
  return exit_code;
}

}  // namespace

int InspectMain(int argc, char** argv) {
  CLI::App app("Says what a checkpoint is, what a token costs, and whether it fits this machine.", "fathom inspect");
  app.footer(kInspectFooter);
  InspectFlags flags;
  app.add_option("DIR", flags.directory,
                 "checkpoint directory: config.json and safetensors shards (default: the model that chat uses)");
  app.add_option("--context", flags.contexts, "also the cache of a context of this many tokens")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  app.add_option("--threads", flags.threads, "threads that read (default: all cores)")->check(CLI::Range(1, 1024));
  app.add_flag("--tensors", flags.tensors, "list all tensors instead");
  app.add_flag("--json", flags.json, "for programs");
  app.add_flag("--verify", flags.verify, "also read all data and look for defects");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(std::move(flags));
}

}  // namespace fathom
