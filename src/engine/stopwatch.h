// stopwatch.h - adds the time of its life to a sum.
#ifndef FATHOM_ENGINE_STOPWATCH_H_
#define FATHOM_ENGINE_STOPWATCH_H_

#include <chrono>

namespace fathom {

class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds) {}
  ~Stopwatch() { Add(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Adds what has passed until now, and begins again.
  void Add() {
    const auto now = std::chrono::steady_clock::now();
    *seconds_ += std::chrono::duration<double>(now - begin_).count();
    begin_ = now;
  }
  // Since its beginning.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  double* const seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_STOPWATCH_H_
