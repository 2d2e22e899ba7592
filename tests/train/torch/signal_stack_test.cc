#include "train/torch/signal_stack.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/signals.h"
#include "train/torch/gemm.h"

namespace fathom {
namespace {

// Multiplies, with allocations before, between and after, while signals keep coming.
void MultiplyUnderSignals() {
  signal(SIGHUP, SIG_DFL);  // nohup leaves it ignored
  InstallInterruptHandler();
  TakeSignalsAside();
  // Small and deep: what the kernels multiply that use the stack pointer. Larger sides go by other ones.
  constexpr int64_t kSide = 32;
  constexpr int64_t kDepth = 256;
  const std::vector<float> a(kSide * kDepth, 1.0f);
  const std::vector<float> b(kSide * kDepth, 1.0f);
  std::atomic<bool> done{false};
  const pthread_t self = pthread_self();
  std::thread sender([&] {
    while (!done) {
      pthread_kill(self, SIGHUP);
      usleep(20);
    }
  });
  bool right = true;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::unique_ptr<char[]>> pieces;
    for (size_t size = 16; size <= 8192; size *= 2) pieces.push_back(std::make_unique<char[]>(size));
    std::vector<float> c(kSide * kSide);
    StridedGemm(Product::kNT, kSide, kSide, kDepth, a.data(), kDepth, b.data(), kDepth, c.data(), kSide, false);
    for (const float value : c) right = right && value == static_cast<float>(kDepth);
  }
  done = true;
  sender.join();
  _exit(right && InterruptRequested() ? 7 : 8);
}

// Without a stack of their own, with AVX-512: "free(): invalid size", and a state that nobody can trust.
TEST(SignalStackDeathTest, SignalsDuringProductsDestroyNothing) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(MultiplyUnderSignals(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace fathom
