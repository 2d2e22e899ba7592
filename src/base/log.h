// log.h - diagnostics as key=value lines on stderr.
//
//   Log(LogLevel::kInfo, "checkpoint opened", {{"dir", dir}, {"files", files}, {"seconds", seconds}});
//   -> time=2026-11-23T15:07:12.345Z level=info msg="checkpoint opened" dir=/models/flash files=46 seconds=0.81
//
// For whoever wants to know what the program does inside; what a user must read (errors, answers, progress) is not
// logged but printed. The environment variable FATHOM_LOG names the lowest level that is written: debug, info,
// warning (default), error, off. Thread-safe; a line is written whole. Control characters in values are escaped.
#ifndef FATHOM_BASE_LOG_H_
#define FATHOM_BASE_LOG_H_

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace fathom {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// One key=value pair. Keys are snake_case words with their unit: "size_bytes".
struct LogField {
  LogField(std::string_view field_key, std::string_view text) : key(field_key), value(text) {}
  LogField(std::string_view field_key, const char* text) : key(field_key), value(text) {}
  LogField(std::string_view field_key, bool yes) : key(field_key), value(yes ? "true" : "false") {}
  LogField(std::string_view field_key, double number);
  template <typename Integer>
  requires std::is_integral_v<Integer> LogField(std::string_view field_key, Integer number)
      : key(field_key), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// Whether a line of this level would be written; for callers whose fields are expensive.
bool LogEnabled(LogLevel level);

// Overrides FATHOM_LOG from here on.
void SetLogLevel(LogLevel level);

// "debug" ... "off"; nullopt for anything else.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

// The line without time and newline: level=... msg=... key=value ... Strings with spaces, quotes, '=' or control
// characters are quoted.
std::string FormatLogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

}  // namespace fathom

#endif  // FATHOM_BASE_LOG_H_
