// eval_report.h - results of an examination as tables (text or Markdown) and as JSON.
#ifndef FATHOM_APPS_EVAL_REPORT_H_
#define FATHOM_APPS_EVAL_REPORT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/eval_exam.h"
#include "apps/eval_items.h"
#include "base/json.h"

namespace fathom {

struct EvalContext {
  std::string model;  // name and directory
  std::string directory;
  std::string suite;
  int64_t items = 0;  // asked for, of each subject
  uint64_t seed = 0;
  double temperature = 0;
  int64_t min_distance = 0;  // EvalSelection's
};

struct Score {
  int64_t right = 0;
  int64_t total = 0;

  void Add(const Score& other);
  double percent() const;  // 0 of nothing
};

inline constexpr std::array<std::string_view, 7> kEvalLanguages = {"en", "zh", "de", "fr", "es", "ja", "-"};

// A subject, or the sum of several.
struct EvalRow {
  std::string name = {};
  bool sum = false;
  Score all = {};
  Score chat = {};
  Score thinking = {};
  std::array<Score, kEvalLanguages.size()> languages = {};  // a language that is none of them counts as the last
};

// Subjects in the order of the items, each group of several followed by its sum; the total last.
std::vector<EvalRow> EvalRows(std::span<const EvalItem> items, std::span<const EvalResult> results);

// By the distance of what is looked up; without those that have none, and without empty ranges.
struct DistanceRow {
  std::string name;  // "512 to 1023"
  Score score;
};
std::vector<DistanceRow> DistanceRows(std::span<const EvalResult> results);

// Drafts accepted, by group, the total last; empty if none were measured.
struct DraftRow {
  std::string name;
  Score score;
};
std::vector<DraftRow> DraftRows(std::span<const EvalItem> items, std::span<const EvalResult> results);

// A sentence about what was asked, then the tables.
std::string EvalText(const EvalContext& context, std::span<const EvalItem> items, std::span<const EvalResult> results);
std::string EvalMarkdown(const EvalContext& context, std::span<const EvalItem> items,
                         std::span<const EvalResult> results);

// Question, expected and given answer of wrong answers, at most `per_subject` of each.
std::string EvalErrors(std::span<const EvalItem> items, std::span<const EvalResult> results, int64_t per_subject);

// See `fathom eval --help`.
Json EvalJson(const EvalContext& context, std::span<const EvalItem> items, std::span<const EvalResult> results);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_REPORT_H_
