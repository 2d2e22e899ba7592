#include "base/term.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

namespace fathom {
namespace {

// Written in one piece, so that lines of different processes do not mix inside a line either.
void WriteAll(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads stderr: nothing sensible is left to do
    text.remove_prefix(static_cast<size_t>(written));
  }
}

struct LiveLine {
  std::mutex mutex;
  std::string text;
};

// Never destroyed: threads may still log while the process exits.
LiveLine& Live() {
  static LiveLine& live = *new LiveLine;
  return live;
}

constexpr std::string_view kEraseLine = "\r\033[K";

}  // namespace

bool IsTerminal(int fd) {
  if (isatty(fd) == 0) return false;
  const char* term = std::getenv("TERM");
  return term != nullptr && *term != '\0' && std::strcmp(term, "dumb") != 0;
}

bool UseColour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  return IsTerminal(fd) && (no_colour == nullptr || *no_colour == '\0');
}

void KeepStandardStreams() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDONLY);
  if (fd >= 0) close(fd);
}

int TerminalWidth(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void WriteStderr(std::string_view text) {
  LiveLine& live = Live();
  const std::lock_guard lock(live.mutex);
  if (live.text.empty()) {
    WriteAll(text);
    return;
  }
  std::string out(kEraseLine);
  out.append(text).append(live.text);
  WriteAll(out);
}

void SetLiveLine(std::string_view line) {
  LiveLine& live = Live();
  const std::lock_guard lock(live.mutex);
  if (line == live.text) return;
  live.text = line;
  std::string out(kEraseLine);
  out.append(line);
  WriteAll(out);
}

}  // namespace fathom
