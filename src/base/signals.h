// signals.h - Ctrl-C as a flag, a sentence instead of a crash when a mapped file shrinks, and an error instead of a
// signal where a file may not grow.
//
// A command that runs for long calls InstallInterruptHandler() once, looks at InterruptRequested() between steps, and
// returns 130 after tidying up. Whoever does not look is still stopped by the second Ctrl-C.
#ifndef FATHOM_BASE_SIGNALS_H_
#define FATHOM_BASE_SIGNALS_H_

namespace fathom {

// From now on the first SIGINT or SIGTERM only sets the flag; one more while the flag is set ends the process at once
// with 130 (143 for SIGTERM). SIGHUP sets it, too, unless it is ignored (nohup), and never ends the process: a terminal
// that is closed may send several. Blocking system calls return EINTR. A thread with an alternate stack takes them on
// that. Idempotent.
void InstallInterruptHandler();

// Whether Ctrl-C was pressed since the start or the last ClearInterrupt(). Thread-safe; costs a relaxed load.
bool InterruptRequested();

// Forgets Ctrl-C, for a program that goes on (chat stops the answer and not the program). SIGTERM and SIGHUP are meant
// for the program: what they requested stays.
void ClearInterrupt();

// Sets the flag as Ctrl-C would.
void RequestInterrupt();

// From now on SIGHUP only sets a flag, which TakeReloadRequest() returns and clears.
void InstallReloadHandler();
bool TakeReloadRequest();

// From now on a write beyond the limit for files (ulimit -f) fails with EFBIG, as one to a full disk does with ENOSPC,
// and raises no SIGXFSZ, which would end the process in the middle of what it does.
void IgnoreFileSizeSignal();

// Names the mapped file that contains `address`, or returns nullptr. Called inside a signal handler: it may only read
// memory that is never freed, and must not allocate or lock.
using MappedFileName = const char* (*)(const void* address);

// Reading a mapping behind the end of its file raises SIGBUS. Files are checked when they are opened, so this means
// that somebody cut one while it was in use: prints one sentence and exits with 3. Other causes of SIGBUS keep their
// default action.
void InstallMappingFaultHandler(MappedFileName name_of = nullptr);

}  // namespace fathom

#endif  // FATHOM_BASE_SIGNALS_H_
