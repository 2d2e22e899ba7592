#include "base/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace fathom {
namespace {

std::atomic<bool> interrupt_requested{false};
std::atomic<bool> end_requested{false};  // by SIGTERM or SIGHUP
std::atomic<bool> reload_requested{false};
std::atomic<MappedFileName> mapped_file_name{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<MappedFileName>::is_always_lock_free,
              "signal handlers may not lock");

void WriteLiteral(const char* text) {
  // Inside a handler there is nothing to do about a failing write.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

void OnInterrupt(int signal_number) {
  const int saved_errno = errno;
  if (signal_number == SIGTERM) end_requested.store(true, std::memory_order_relaxed);
  if (interrupt_requested.exchange(true, std::memory_order_relaxed)) {
    WriteLiteral("\n");
    _exit(128 + signal_number);
  }
  errno = saved_errno;
}

void OnHangUp(int /*signal_number*/) {
  end_requested.store(true, std::memory_order_relaxed);
  interrupt_requested.store(true, std::memory_order_relaxed);
}

void OnReload(int /*signal_number*/) { reload_requested.store(true, std::memory_order_relaxed); }

void OnBusError(int signal_number, siginfo_t* info, void* /*context*/) {
  if (info->si_code != BUS_ADRERR) {
    // Not a mapping: die as if there were no handler, with the core dump that belongs to it.
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return;
  }
  const MappedFileName name_of = mapped_file_name.load(std::memory_order_relaxed);
  const char* name = name_of != nullptr ? name_of(info->si_addr) : nullptr;
  WriteLiteral("\nfathom: ");
  WriteLiteral(name != nullptr ? name : "a mapped file");
  WriteLiteral(" shrank or could not be read while it was in use; restore it and start again.\n");
  _exit(3);
}

}  // namespace

void InstallInterruptHandler() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  FATHOM_CHECK(sigaction(SIGINT, &action, nullptr) == 0);
  FATHOM_CHECK(sigaction(SIGTERM, &action, nullptr) == 0);
  struct sigaction hang_up {};
  FATHOM_CHECK(sigaction(SIGHUP, nullptr, &hang_up) == 0);
  if (hang_up.sa_handler == SIG_IGN) return;
  action.sa_handler = OnHangUp;
  FATHOM_CHECK(sigaction(SIGHUP, &action, nullptr) == 0);
}

bool InterruptRequested() { return interrupt_requested.load(std::memory_order_relaxed); }

void ClearInterrupt() {
  interrupt_requested.store(end_requested.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void RequestInterrupt() { interrupt_requested.store(true, std::memory_order_relaxed); }

void InstallReloadHandler() {
  struct sigaction action {};
  action.sa_handler = OnReload;
  sigemptyset(&action.sa_mask);
  FATHOM_CHECK(sigaction(SIGHUP, &action, nullptr) == 0);
}

void IgnoreFileSizeSignal() { FATHOM_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); }

bool TakeReloadRequest() { return reload_requested.exchange(false, std::memory_order_relaxed); }

void InstallMappingFaultHandler(MappedFileName name_of) {
  mapped_file_name.store(name_of, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  FATHOM_CHECK(sigaction(SIGBUS, &action, nullptr) == 0);
}

}  // namespace fathom
