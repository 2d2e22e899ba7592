// line_editor.h - lines from whoever sits in front of the program.
//
// On a terminal: editing, history kept in a file, a prompt; Ctrl-C empties the line. A trailing backslash or more
// pasted lines continue the input. Otherwise lines of standard input, without prompt; a trailing backslash continues
// there too.
#ifndef FATHOM_APPS_LINE_EDITOR_H_
#define FATHOM_APPS_LINE_EDITOR_H_

#include <memory>
#include <optional>
#include <string>

namespace fathom {

class LineEditor {
 public:
  // `history_file` may be empty: nothing is kept.
  explicit LineEditor(std::string history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Whether a person types; false for pipes and files.
  bool interactive() const { return interactive_; }

  // The next input, perhaps of several lines, without the last newline. Nothing at its end (Ctrl-D), or when a signal
  // interrupted reading (base/signals.h).
  std::optional<std::string> Read();

  // An answer to a question: `prompt` stands in front of it on a terminal, and it is not kept in the history. Here
  // Ctrl-C gives up the question; the signal's flag stays set.
  std::optional<std::string> Ask(const std::string& prompt);

 private:
  struct Terminal;
  enum class Kind { kInput, kQuestion };

  std::optional<std::string> ReadLines(const std::string& prompt, Kind kind);
  std::optional<std::string> ReadLine(const std::string& prompt, Kind kind);

  const bool interactive_;
  std::unique_ptr<Terminal> terminal_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_LINE_EDITOR_H_
