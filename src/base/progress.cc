#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr double kQuietSeconds = 2.0;
constexpr double kLivePeriodSeconds = 0.1;
constexpr double kPlainPeriodSeconds = 5.0;
// A log file has no width; this only bounds the line.
constexpr int kPlainWidth = 200;

double MonotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Progress::Console StderrConsole() {
  Progress::Console console;
  console.terminal = IsTerminal(STDERR_FILENO);
  console.width = console.terminal ? TerminalWidth(STDERR_FILENO) : kPlainWidth;
  console.now_seconds = MonotonicSeconds;
  console.set_live_line = SetLiveLine;
  console.write_line = [](std::string_view line) { WriteStderr(StrCat(line, "\n")); };
  return console;
}

std::string Amount(uint64_t amount, Progress::Unit unit) {
  switch (unit) {
    case Progress::Unit::kBytes:
      return HumanBytes(amount);
    case Progress::Unit::kTokens:
      return StrCat(amount, " tokens");
    case Progress::Unit::kItems:
      break;
  }
  return StrCat(amount);
}

std::string Rate(double per_second, Progress::Unit unit) {
  switch (unit) {
    case Progress::Unit::kBytes:
      return StrCat(HumanBytes(static_cast<uint64_t>(per_second)), "/s");
    case Progress::Unit::kTokens:
      return StrFormat("%.1f tokens/s", per_second);
    case Progress::Unit::kItems:
      break;
  }
  return StrFormat("%.1f/s", per_second);
}

}  // namespace

std::string HumanDuration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (whole < 60) return StrCat(whole, " s");
  if (whole < 3600) return StrFormat("%d min %02d s", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  return StrFormat("%d h %02d min", static_cast<int>(whole / 3600), static_cast<int>(whole / 60 % 60));
}

std::string FormatProgress(std::string_view what, uint64_t done, uint64_t total, Progress::Unit unit, double seconds,
                           int width) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  std::string line = StrCat(what, ": ");
  if (total > 0) {
    // Rounded down: 100 % is said only when everything is done.
    const auto percent =
        static_cast<int>(100.0 * static_cast<double>(std::min(done, total)) / static_cast<double>(total));
    line += StrCat(percent, " %, ", Amount(done, unit), " of ", Amount(total, unit));
  } else {
    line += Amount(done, unit);
  }
  line += StrCat(", ", Rate(rate, unit));
  if (total > done && rate > 0) line += StrCat(", ", HumanDuration(static_cast<double>(total - done) / rate), " left");
  if (width > 0 && line.size() > static_cast<size_t>(width)) line.resize(static_cast<size_t>(width));
  return line;
}

Progress::Progress(std::string what, uint64_t total, Unit unit)
    : Progress(std::move(what), total, unit, StderrConsole()) {}

Progress::Progress(std::string what, uint64_t total, Unit unit, Console console)
    : what_(std::move(what)),
      total_(total),
      unit_(unit),
      console_(std::move(console)),
      start_seconds_(console_.now_seconds()),
      due_seconds_(start_seconds_ + kQuietSeconds) {}

Progress::~Progress() {
  if (shown_ && !finished_ && console_.terminal) console_.set_live_line("");
}

void Progress::Update(uint64_t done) {
  uint64_t before = done_.load(std::memory_order_relaxed);
  while (before < done && !done_.compare_exchange_weak(before, done, std::memory_order_relaxed)) {
  }
  Report(std::max(before, done));
}

void Progress::Add(uint64_t delta) { Report(done_.fetch_add(delta, std::memory_order_relaxed) + delta); }

void Progress::Report(uint64_t done) {
  const double now = console_.now_seconds();
  if (now < due_seconds_.load(std::memory_order_relaxed)) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;                                   // somebody else is writing a line just now
  if (now < due_seconds_.load(std::memory_order_relaxed)) return;  // or has just written it
  const double period = console_.terminal ? kLivePeriodSeconds : kPlainPeriodSeconds;
  due_seconds_.store(now + period, std::memory_order_relaxed);
  // The last column stays free: some terminals wrap when it is written.
  const std::string line = FormatProgress(what_, done, total_, unit_, now - start_seconds_, console_.width - 1);
  shown_ = true;
  if (console_.terminal) {
    console_.set_live_line(line);
  } else {
    console_.write_line(line);
  }
}

void Progress::Finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (!shown_) return;
  if (console_.terminal) console_.set_live_line("");
  const double seconds = console_.now_seconds() - start_seconds_;
  const uint64_t done = done_.load(std::memory_order_relaxed);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0.0;
  console_.write_line(
      StrCat(what_, ": ", Amount(done, unit_), " in ", HumanDuration(seconds), " (", Rate(rate, unit_), ")"));
}

}  // namespace fathom
