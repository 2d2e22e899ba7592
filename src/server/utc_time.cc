#include "server/utc_time.h"

#include <cstdint>
#include <cstdio>

#include "base/strings.h"

namespace fathom {
namespace {

using std::chrono::floor;

struct Parts {
  std::chrono::year_month_day day;
  std::chrono::hh_mm_ss<std::chrono::milliseconds> time;
};

Parts Split(UtcTime time) {
  const auto day = floor<std::chrono::days>(time);
  return {std::chrono::year_month_day(day),
          std::chrono::hh_mm_ss<std::chrono::milliseconds>(floor<std::chrono::milliseconds>(time - day))};
}

std::string DayText(const std::chrono::year_month_day& day) {
  return StrFormat("%04d-%02u-%02u", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                   static_cast<unsigned>(day.day()));
}

// Whether `text` has the form of `pattern`, in which 0 is any digit.
bool HasForm(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool digit = text[at] >= '0' && text[at] <= '9';
    if (pattern[at] == '0' ? !digit : text[at] != pattern[at]) return false;
  }
  return true;
}

int NumberAt(std::string_view text, size_t at, size_t digits) {
  int number = 0;
  for (size_t end = at + digits; at < end; ++at) number = number * 10 + (text[at] - '0');
  return number;
}

}  // namespace

std::string FormatUtcDay(UtcTime time) { return DayText(Split(time).day); }

std::string FormatUtc(UtcTime time) {
  const Parts parts = Split(time);
  return StrFormat("%sT%02d:%02d:%02dZ", DayText(parts.day).c_str(), static_cast<int>(parts.time.hours().count()),
                   static_cast<int>(parts.time.minutes().count()), static_cast<int>(parts.time.seconds().count()));
}

std::string FormatUtcMillis(UtcTime time) {
  std::string text = FormatUtc(time);
  text.pop_back();
  return StrFormat("%s.%03dZ", text.c_str(), static_cast<int>(Split(time).time.subseconds().count()));
}

Result<UtcTime> ParseUtc(std::string_view text) {
  const bool has_time = HasForm(text, "0000-00-00T00:00:00Z");
  const Status error = InvalidArgument(StrCat("'", Printable(text, 40), "' is no date; accepted are dates such as ",
                                              "2027-06-30 and times such as 2027-06-30T12:00:00Z (UTC)"));
  if (!has_time && !HasForm(text, "0000-00-00")) return error;
  const std::chrono::year_month_day day(std::chrono::year(NumberAt(text, 0, 4)),
                                        std::chrono::month(static_cast<unsigned>(NumberAt(text, 5, 2))),
                                        std::chrono::day(static_cast<unsigned>(NumberAt(text, 8, 2))));
  if (!day.ok() || day.year() < std::chrono::year(1970) || day.year() > std::chrono::year(2200)) return error;
  UtcTime time{std::chrono::sys_days(day)};
  if (has_time) {
    const int hours = NumberAt(text, 11, 2);
    const int minutes = NumberAt(text, 14, 2);
    const int seconds = NumberAt(text, 17, 2);
    if (hours > 23 || minutes > 59 || seconds > 59) return error;
    time += std::chrono::hours(hours) + std::chrono::minutes(minutes) + std::chrono::seconds(seconds);
  }
  return time;
}

}  // namespace fathom
