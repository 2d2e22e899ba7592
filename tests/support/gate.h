// gate.h - stands in for a slow disk: holds up whoever passes until it is opened.
#ifndef FATHOM_TESTS_SUPPORT_GATE_H_
#define FATHOM_TESTS_SUPPORT_GATE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace fathom {

class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || admitted_ > 0; });
    if (!open_) --admitted_;
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Lets so many pass.
  void Admit(int64_t count) {
    const std::lock_guard lock(mutex_);
    admitted_ += count;
    changed_.notify_all();
  }
  // Waits until so many have come.
  void Await(int64_t count = 1) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(2), [&] { return arrived_ >= count; })) << "nobody came";
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t arrived_ = 0;
  int64_t admitted_ = 0;
  bool open_ = false;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_GATE_H_
