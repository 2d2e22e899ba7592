// `fathom verify encoding`.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "apps/encoding_cases.h"
#include "apps/flags.h"
#include "apps/verify.h"
#include "base/file.h"
#include "base/strings.h"

namespace fathom {

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;  // JSON takes up to 50 times that in memory
constexpr size_t kShownEncodingFailures = 10;
constexpr const char* kVerifyEncodingFooter =
    "FILE is shaped like chat_encoding_cases.json of the specification: an object with the list `cases`, each an\n"
    "operation (encode, parse_strict, parse_stream), its input and what is expected. Stream cases run under every "
    "cut.\n"
    "Exit code 0: every case passes; 1: one fails; 2: the file is not usable.";

int Passed(const EncodingReport& report) { return report.cases() - static_cast<int>(report.failures.size()); }

void PrintTable(const EncodingReport& report) {
  std::printf("%-14s %-8s %7s %7s\n", "operation", "dialect", "passed", "total");
  for (const EncodingTally& tally : report.tallies) {
    std::printf("%-14s %-8s %7d %7d%s\n", tally.op.c_str(), tally.dialect.c_str(), tally.passed,
                tally.passed + tally.failed, tally.failed == 0 ? "" : "  FAILED");
  }
  for (size_t i = 0; i < std::min(report.failures.size(), kShownEncodingFailures); ++i) {
    const EncodingFailure& failure = report.failures[i];
    std::printf("\n%s: %s\n", Printable(failure.name).c_str(), failure.reason.c_str());
  }
  if (report.failures.size() > kShownEncodingFailures) {
    std::printf("\nand %zu more\n", report.failures.size() - kShownEncodingFailures);
  }
  std::printf("\n%s: %d of %d cases pass\n", report.ok() ? "PASSED" : "FAILED", Passed(report), report.cases());
}

void PrintJson(const EncodingReport& report) {
  std::vector<Json> groups;
  for (const EncodingTally& tally : report.tallies) {
    groups.push_back(Json::Object({{"op", Json::String(tally.op)},
                                   {"dialect", Json::String(tally.dialect)},
                                   {"passed", Json::Int(tally.passed)},
                                   {"total", Json::Int(tally.passed + tally.failed)}}));
  }
  std::vector<Json> failures;
  for (const EncodingFailure& failure : report.failures) {
    failures.push_back(Json::Object({{"name", Json::String(failure.name)}, {"reason", Json::String(failure.reason)}}));
  }
  const Json json = Json::Object({{"verdict", Json::String(report.ok() ? "passed" : "failed")},
                                  {"passed", Json::Int(Passed(report))},
                                  {"total", Json::Int(report.cases())},
                                  {"groups", Json::Array(std::move(groups))},
                                  {"failures", Json::Array(std::move(failures))}});
  std::printf("%s\n", json.DumpPretty().c_str());
}

Result<EncodingReport> RunFile(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  const Result<Json> document = ParseJson(text, {.allow_nan = true});
  if (!document.ok()) return DataLoss(StrCat(path, ": ", document.status().message()));
  Result<EncodingReport> report = RunEncodingCases(*document);
  if (!report.ok()) return DataLoss(StrCat(path, ": ", report.status().message()));
  return report;
}

}  // namespace

int VerifyEncodingMain(int argc, char** argv) {
  std::string file;
  bool json = false;
  CLI::App app("Runs cases of chat encoding: prompts from messages, answers parsed strictly and as a stream.",
               "fathom verify encoding");
  app.footer(kVerifyEncodingFooter);
  app.add_option("FILE", file, "The cases")->required()->type_name("");
  app.add_flag("--json", json, "The result as one JSON object");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  const Result<EncodingReport> report = RunFile(file);
  if (!report.ok()) return Fail(report.status());
  if (json) {
    PrintJson(*report);
  } else {
    PrintTable(*report);
  }
  return report->ok() ? 0 : 1;
}

}  // namespace fathom
