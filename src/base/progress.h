// progress.h - says how far something long has come.
//
//   Progress progress("reading weights", total_bytes, Progress::Unit::kBytes);
//   for (...) progress.Add(chunk.size());
//   progress.Finish();
//
// Silent for the first two seconds, so short work prints nothing. After that: on a terminal one live line with share,
// rate and time left, refreshed ten times a second; elsewhere (a log, CI) one plain line every five seconds, and a
// closing line from Finish(). All on stderr. Nothing runs in the background: lines appear only from Update/Add, so call
// them at least a few times a second.
#ifndef FATHOM_BASE_PROGRESS_H_
#define FATHOM_BASE_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace fathom {

class Progress {
 public:
  enum class Unit { kItems, kBytes, kTokens };

  // Where lines go and what time it is; the default is stderr and the monotonic clock. Tests replace it.
  struct Console {
    bool terminal = false;
    int width = 80;
    std::function<double()> now_seconds;
    std::function<void(std::string_view)> set_live_line;  // used when `terminal`
    std::function<void(std::string_view)> write_line;     // without newline
  };

  // `what` is a phrase like "reading weights". `total` 0 means the end is unknown: no share, no time left.
  Progress(std::string what, uint64_t total, Unit unit);
  Progress(std::string what, uint64_t total, Unit unit, Console console);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Takes the live line away; without Finish() (an error, an interrupt) there is no closing line.
  ~Progress();

  // `done` of `total` so far; values below an earlier one are ignored. Both are thread-safe and cost a clock read
  // except when a line is due.
  void Update(uint64_t done);
  void Add(uint64_t delta);

  // Ends with one line of what was done in how long, if anything was shown before. Not concurrently with the others.
  void Finish();

 private:
  void Report(uint64_t done);

  const std::string what_;
  const uint64_t total_;
  const Unit unit_;
  const Console console_;
  const double start_seconds_;
  std::atomic<uint64_t> done_{0};
  std::atomic<double> due_seconds_;
  std::mutex mutex_;  // one reporter at a time
  bool shown_ = false;
  bool finished_ = false;
};

// The text of a progress line after `seconds`:
// "reading weights: 42 %, 67.3 GB of 160 GB, 2.10 GB/s, 44 s left". Cut to `width` columns (what_ is ASCII).
std::string FormatProgress(std::string_view what, uint64_t done, uint64_t total, Progress::Unit unit, double seconds,
                           int width);

// "44 s", "3 min 20 s", "2 h 05 min".
std::string HumanDuration(double seconds);

}  // namespace fathom

#endif  // FATHOM_BASE_PROGRESS_H_
