// stopwatch.h - adds the time of its life to a sum.
#ifndef FATHOM_ENGINE_STOPWATCH_H_
#define FATHOM_ENGINE_STOPWATCH_H_

#include <chrono>

namespace fathom {

class Stopwatch {
 public:
  explicit Stopwatch(double* seconds) : seconds_(seconds) {}
  ~Stopwatch() { *seconds_ += this->seconds(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Since its beginning.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  double* const seconds_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_STOPWATCH_H_
