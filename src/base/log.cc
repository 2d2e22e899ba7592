#include "base/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames = {"debug", "info", "warning", "error", "off"};

LogLevel LevelFromEnvironment() {
  const char* name = std::getenv("FATHOM_LOG");
  if (name == nullptr || *name == '\0') return LogLevel::kWarning;
  if (const std::optional<LogLevel> level = ParseLogLevel(name)) return *level;
  WriteStderr(StrCat("fathom: FATHOM_LOG is '", Printable(name),
                     "'; accepted are debug, info, warning, error and off. Using warning.\n"));
  return LogLevel::kWarning;
}

std::atomic<LogLevel>& Level() {
  static std::atomic<LogLevel> level{LevelFromEnvironment()};
  return level;
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c == ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void AppendValue(std::string_view text, std::string* out) {
  if (!NeedsQuotes(text)) {
    out->append(text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out->append(StrFormat("\\x%02x", static_cast<unsigned char>(c)));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

std::string UtcNow() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto total_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = static_cast<std::time_t>(total_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                   utc.tm_min, utc.tm_sec, static_cast<int>(total_ms % 1000));
}

}  // namespace

LogField::LogField(std::string_view field_key, double number) : key(field_key), value(StrFormat("%.6g", number)) {}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  for (size_t level = 0; level < kLevelNames.size(); ++level) {
    if (name == kLevelNames[level]) return static_cast<LogLevel>(level);
  }
  return std::nullopt;
}

void SetLogLevel(LogLevel level) { Level().store(level, std::memory_order_relaxed); }

bool LogEnabled(LogLevel level) { return level != LogLevel::kOff && level >= Level().load(std::memory_order_relaxed); }

std::string FormatLogLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = StrCat("level=", kLevelNames[static_cast<size_t>(level)], " msg=");
  AppendValue(message, &line);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    AppendValue(field.value, &line);
  }
  return line;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  WriteStderr(StrCat("time=", UtcNow(), " ", FormatLogLine(level, message, fields), "\n"));
}

}  // namespace fathom
