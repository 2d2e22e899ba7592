#include "train/torch/signal_stack.h"

#include <omp.h>
#include <signal.h>

#include "base/check.h"

namespace fathom {

void TakeSignalsAside() {
  // With AVX-512 a frame has about 3 KB. Never freed: a signal may come while the process ends.
  static constexpr size_t kStackBytes = size_t{64} * 1024;
  alignas(64) static char memory[kStackBytes];
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = kStackBytes;
  FATHOM_CHECK(sigaltstack(&stack, nullptr) == 0);
#pragma omp parallel
  {
    if (omp_get_thread_num() != 0) {
      sigset_t set;
      sigemptyset(&set);
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
      FATHOM_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
    }
  }
}

}  // namespace fathom
