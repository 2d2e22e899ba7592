// term.h - what standard error and standard output are connected to, and the one live line at the bottom of stderr.
//
// Everything that writes to stderr while a progress line may be showing goes through WriteStderr, so that messages
// push the live line down instead of tearing it. Thread-safe.
#ifndef FATHOM_BASE_TERM_H_
#define FATHOM_BASE_TERM_H_

#include <string_view>

namespace fathom {

// Whether `fd` is a terminal that understands cursor movement (TERM=dumb does not). For escape sequences and lines that
// change; whether a person is there isatty() says.
bool IsTerminal(int fd);

// Whether escape sequences for colour may be written to `fd`: a terminal, and NO_COLOR is unset or empty.
bool UseColour(int fd);

// Opens /dev/null under the numbers of standard streams that are closed: otherwise the next file that is opened would
// have such a number, and get what is printed. Before anything else is opened.
void KeepStandardStreams();

// Columns of the terminal behind `fd`; 80 where that is unknown.
int TerminalWidth(int fd);

// Writes `text` (complete lines, with their newlines) to stderr, above the live line if there is one.
void WriteStderr(std::string_view text);

// Shows `line` (no newline, shorter than the terminal's width) as the live line of stderr; empty takes it away.
// Only for terminals: ask IsTerminal(2) first.
void SetLiveLine(std::string_view line);

}  // namespace fathom

#endif  // FATHOM_BASE_TERM_H_
