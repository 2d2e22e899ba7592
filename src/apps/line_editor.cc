#include "apps/line_editor.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/signals.h"
#include "base/utf8.h"

#ifdef FATHOM_HAVE_LIBEDIT
#include <histedit.h>
#endif

namespace fathom {
namespace {

// One line of standard input, with its newline if it has one; empty at the end.
std::string ReadPlainLine() {
  char* line = nullptr;
  size_t capacity = 0;
  const ssize_t size = getline(&line, &capacity, stdin);
  std::string text = size > 0 ? std::string(line, static_cast<size_t>(size)) : std::string();
  std::free(line);
  return text;
}

// Also on a terminal that cannot move its cursor: there libedit leaves the editing to it.
bool PersonTypes() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

// Whether more input is waiting already: the rest of a paste.
bool InputIsWaiting() {
  constexpr int kPasteGapMs = 5;
  pollfd fd = {STDIN_FILENO, POLLIN, 0};
  return poll(&fd, 1, kPasteGapMs) == 1 && (fd.revents & POLLIN) != 0;
}

}  // namespace

#ifdef FATHOM_HAVE_LIBEDIT

struct LineEditor::Terminal {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string history_file;
  std::string prompt;
};

namespace {

constexpr int kHistoryEntries = 2000;

// The next character. Waits in short pieces: a signal that comes while nobody is inside poll() must not be missed.
int ReadKey(EditLine* /*edit*/, wchar_t* key) {
  constexpr int kPollMs = 50;
  std::string bytes;
  while (!InterruptRequested()) {
    pollfd fd = {STDIN_FILENO, POLLIN, 0};
    if (poll(&fd, 1, kPollMs) <= 0) continue;
    char byte = 0;
    const ssize_t size = read(STDIN_FILENO, &byte, 1);
    if (size == 0) return 0;
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return -1;
    bytes.push_back(byte);
    const Utf8Char character = ReadUtf8(bytes);
    if (character.kind == Utf8Char::Kind::kIncomplete) continue;
    *key = static_cast<wchar_t>(character.code_point);
    return 1;
  }
  return -1;
}

// libedit converts to wide characters by the locale; outside of a UTF-8 one it would refuse everything but ASCII.
void UseUtf8Locale() {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

LineEditor::LineEditor(std::string history_file) : interactive_(PersonTypes()) {
  if (!interactive_) return;
  UseUtf8Locale();
  terminal_ = std::make_unique<Terminal>();
  terminal_->history_file = std::move(history_file);
  EditLine* edit = terminal_->edit = el_init("fathom", stdin, stdout, stderr);
  el_set(edit, EL_CLIENTDATA, terminal_.get());
  el_set(
      edit, EL_PROMPT, +[](EditLine* editing) {
        Terminal* terminal = nullptr;
        el_get(editing, EL_CLIENTDATA, &terminal);
        return terminal->prompt.data();
      });
  el_set(edit, EL_EDITOR, "emacs");
  el_wset(edit, EL_GETCFN, &ReadKey);
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  terminal_->history = history_init();
  HistEvent event;
  history(terminal_->history, &event, H_SETSIZE, kHistoryEntries);
  history(terminal_->history, &event, H_SETUNIQUE, 1);
  el_set(edit, EL_HIST, history, terminal_->history);
  if (!terminal_->history_file.empty()) history(terminal_->history, &event, H_LOAD, terminal_->history_file.c_str());
}

LineEditor::~LineEditor() {
  if (terminal_ == nullptr) return;
  HistEvent event;
  if (!terminal_->history_file.empty()) history(terminal_->history, &event, H_SAVE, terminal_->history_file.c_str());
  history_end(terminal_->history);
  el_end(terminal_->edit);
}

std::optional<std::string> LineEditor::ReadLine(const std::string& prompt, Kind kind) {
  if (terminal_ == nullptr) {
    std::string line = ReadPlainLine();
    if (line.empty()) return std::nullopt;
    return line;
  }
  terminal_->prompt = prompt;
  int size = 0;
  const char* line = el_gets(terminal_->edit, &size);
  while (line == nullptr && InterruptRequested()) {  // Ctrl-C: libedit gives up the line; begin another
    el_reset(terminal_->edit);
    if (kind == Kind::kQuestion) return std::nullopt;
    ClearInterrupt();
    if (InterruptRequested()) return std::nullopt;  // the program is to end
    std::fputc('\n', stdout);                       // what was typed stays in its line
    std::fflush(stdout);
    line = el_gets(terminal_->edit, &size);
  }
  if (line == nullptr || size <= 0) return std::nullopt;
  std::string text(line, static_cast<size_t>(size));
  HistEvent event;
  if (text != "\n" && kind == Kind::kInput) history(terminal_->history, &event, H_ENTER, text.c_str());
  return text;
}

#else  // without libedit: the terminal's own line editing

struct LineEditor::Terminal {};

LineEditor::LineEditor(std::string /*history_file*/) : interactive_(PersonTypes()) {}

LineEditor::~LineEditor() = default;

std::optional<std::string> LineEditor::ReadLine(const std::string& prompt, Kind /*kind*/) {
  if (interactive_) {
    std::fputs(prompt.c_str(), stdout);
    std::fflush(stdout);
  }
  std::string line = ReadPlainLine();
  if (line.empty()) return std::nullopt;
  return line;
}

#endif  // FATHOM_HAVE_LIBEDIT

std::optional<std::string> LineEditor::Read() { return ReadLines("> ", Kind::kInput); }

std::optional<std::string> LineEditor::Ask(const std::string& prompt) { return ReadLines(prompt, Kind::kQuestion); }

std::optional<std::string> LineEditor::ReadLines(const std::string& prompt, Kind kind) {
  std::string text;
  bool continued = false;
  while (true) {
    std::optional<std::string> line = ReadLine(continued ? ". " : prompt, kind);
    if (InterruptRequested()) {
      if (!interactive_ || kind == Kind::kQuestion) return std::nullopt;
      ClearInterrupt();  // Ctrl-C in the moment before the line was begun
      if (InterruptRequested()) return std::nullopt;
    }
    if (!line) {
      if (continued) return text;
      return std::nullopt;
    }
    const bool complete = line->ends_with('\n');
    if (complete) line->pop_back();
    if (line->ends_with('\\')) {
      line->back() = '\n';
      text += *line;
      continued = true;
      continue;
    }
    text += *line;
    if (!complete || !interactive_ || !InputIsWaiting()) return text;
    text += '\n';
    continued = true;
  }
}

}  // namespace fathom
