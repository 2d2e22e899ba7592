// `fathom verify golden DIR`: the engine against arrays recorded by the reference implementation.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/flags.h"
#include "apps/golden_check.h"
#include "apps/verify.h"
#include "base/cpu_features.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

struct VerifyGoldenFlags {
  std::string folder;
  std::vector<std::string> modes = {"exact", "f32", "product"};
  int threads = GetCpuFeatures().cores;
  std::string isa = "auto";
  bool json = false;
  bool verbose = false;
};

// The folder itself, or the preset folders directly below it.
std::vector<std::string> GoldenFolders(const std::string& folder) {
  const auto holds_golden = [](const std::string& path) {
    return FileExists(path + "/golden.safetensors") || FileExists(path + "/units.safetensors");
  };
  if (holds_golden(folder)) return {folder};
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (holds_golden(entry.path().string())) folders.push_back(entry.path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

void PrintReport(const GoldenReport& report, bool verbose) {
  std::printf(
      "%s  mode %s%s\n", report.folder.c_str(), report.mode.c_str(),
      report.hash != 0 ? StrFormat("  logits hash %016llx", static_cast<unsigned long long>(report.hash)).c_str() : "");
  std::printf("  %-38s %10s %10s %10s   %s\n", "array", "max", "median", "agree", "accepted");
  size_t hidden = 0;
  for (const GoldenRow& row : report.rows) {
    const bool main_row = row.logits || row.ids || row.array.starts_with("layer alone") ||
                          row.array.starts_with("chunked") || report.mode == "units";
    if (row.passed && !verbose && !main_row) {
      ++hidden;
      continue;
    }
    const std::string numbers =
        row.ids ? StrFormat("%10s %10s", "-", "-") : StrFormat("%10.1e %10.1e", row.max, row.median);
    const std::string agreement = row.ids || row.logits ? StrFormat("%10.4f", row.agreement) : StrFormat("%10s", "-");
    std::printf("  %-38s %s %s   %s%s\n", row.array.c_str(), numbers.c_str(), agreement.c_str(), row.limit.c_str(),
                row.passed ? "" : "  FAILED");
  }
  if (hidden > 0) std::printf("  and %zu more arrays within their limits (--verbose lists them)\n", hidden);
  std::printf("  %s\n\n", report.passed() ? "passed" : "FAILED");
}

Json ReportJson(const GoldenReport& report) {
  Json rows = Json::Array();
  for (const GoldenRow& row : report.rows) {
    Json out = Json::Object();
    out.Set("array", Json::String(row.array));
    if (!row.ids) {
      out.Set("max", Json::DoubleOrNull(row.max));
      out.Set("median", Json::DoubleOrNull(row.median));
    }
    if (row.ids || row.logits) out.Set("agreement", Json::Double(row.agreement));
    out.Set("accepted", Json::String(row.limit));
    out.Set("passed", Json::Bool(row.passed));
    rows.items().push_back(std::move(out));
  }
  Json json = Json::Object();
  json.Set("folder", Json::String(report.folder));
  json.Set("mode", Json::String(report.mode));
  json.Set("passed", Json::Bool(report.passed()));
  json.Set("logits_hash", Json::String(StrFormat("%016llx", static_cast<unsigned long long>(report.hash))));
  json.Set("arrays", std::move(rows));
  return json;
}

Status RunFolder(const std::string& folder, const VerifyGoldenFlags& flags, ThreadPool& pool,
                 std::vector<GoldenReport>* reports) {
  const auto keep = [&](GoldenReport report) {
    if (!flags.json) PrintReport(report, flags.verbose);
    reports->push_back(std::move(report));
  };
  if (FileExists(folder + "/units.safetensors")) {
    FATHOM_ASSIGN_OR_RETURN(GoldenReport report, CheckGoldenUnits(folder));
    keep(std::move(report));
  }
  if (!FileExists(folder + "/golden.safetensors")) return {};
  for (const std::string& mode : flags.modes) {
    const GoldenMode golden_mode = mode == "exact"  ? GoldenMode::kExact
                                   : mode == "f32"  ? GoldenMode::kF32
                                   : mode == "int8" ? GoldenMode::kInt8
                                                    : GoldenMode::kProduct;
    FATHOM_ASSIGN_OR_RETURN(GoldenReport report, CheckGoldenFolder(folder, golden_mode, pool));
    keep(std::move(report));
  }
  return {};
}

}  // namespace

int VerifyGoldenMain(int argc, char** argv) {
  VerifyGoldenFlags flags;
  CLI::App app(
      "Runs a folder of golden arrays recorded by the reference implementation (config.json, shards, golden.json,\n"
      "golden.safetensors; or units.safetensors) and compares every array: logits of prefill, decode, chunked prefill\n"
      "and MTP, each layer alone on the file's own input, caches, expert ids and selected rows.\n"
      "Differences are relative to the largest value of an array. 'median' is over rows.\n\n"
      "Modes: exact    no activation quantisation: tests structure, nothing may differ\n"
      "       f32      official quantisation points, float32 between them\n"
      "       product  what `fathom run` computes: f32 with the rotary part of KV rows stored as BF16\n"
      "       int8     product with --activations int8: shows what that changes, and judges only that it does not\n"
      "                depend on how a prompt is cut\n"
      "The file's 'official' arrays (BF16 rounding everywhere) belong to no mode of this engine and are not read.\n\n"
      "Example: fathom verify golden ../shared/reference/golden/tiny-full --mode exact",
      "fathom verify golden");
  app.add_option("DIR", flags.folder, "golden folder, or a folder of such folders")->required();
  app.add_option("--mode", flags.modes, "exact, f32, product, int8 (default: the first three)")
      ->delimiter(',')
      ->check(CLI::IsMember({"exact", "f32", "product", "int8"}));
  app.add_option("--threads", flags.threads, "threads")->check(CLI::Range(1, 1024));
  app.add_option("--isa", flags.isa, "instruction set: auto, or one of the tables this machine supports");
  app.add_flag("--json", flags.json, "print one JSON object");
  app.add_flag("--verbose", flags.verbose, "print every array");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;

  if (!SelectKernels(flags.isa)) {
    std::string names = "auto";
    for (const KernelTable* table : SupportedKernels()) names += StrCat(", ", table->name);
    std::fprintf(stderr, "fathom verify golden: --isa is '%s'; accepted on this machine are %s.\n",
                 Printable(flags.isa).c_str(), names.c_str());
    return 2;
  }
  const std::vector<std::string> folders = GoldenFolders(flags.folder);
  if (folders.empty()) {
    std::fprintf(
        stderr,
        "fathom verify golden: %s: holds neither golden.safetensors nor units.safetensors, nor do its subfolders.\n",
        flags.folder.c_str());
    return 2;
  }
  ThreadPool pool(flags.threads);
  std::vector<GoldenReport> reports;
  for (const std::string& folder : folders) {
    const Status status = RunFolder(folder, flags, pool, &reports);
    if (!status.ok()) {
      std::fprintf(stderr, "fathom verify golden: %s.\n", status.message().c_str());
      return status.exit_code();
    }
  }
  const auto passed = static_cast<size_t>(
      std::count_if(reports.begin(), reports.end(), [](const GoldenReport& r) { return r.passed(); }));
  if (flags.json) {
    Json json = Json::Object();
    json.Set("kernels", Json::String(Kernels().name));
    json.Set("passed", Json::Bool(passed == reports.size()));
    Json list = Json::Array();
    for (const GoldenReport& report : reports) list.items().push_back(ReportJson(report));
    json.Set("reports", std::move(list));
    std::printf("%s\n", json.DumpPretty().c_str());
  } else {
    std::printf("%zu of %zu checks passed (kernels: %s)\n", passed, reports.size(), Kernels().name);
  }
  return passed == reports.size() ? 0 : 1;
}

}  // namespace fathom
