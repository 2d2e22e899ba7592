// utc_time.h - calendar text for logs and key files, always UTC.
#ifndef FATHOM_SERVER_UTC_TIME_H_
#define FATHOM_SERVER_UTC_TIME_H_

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom {

using UtcTime = std::chrono::system_clock::time_point;

// "2026-11-25T08:30:00.123Z"; the second without fractions of a second; the third the day alone.
std::string FormatUtcMillis(UtcTime time);
std::string FormatUtc(UtcTime time);
std::string FormatUtcDay(UtcTime time);

// "2026-11-25" (its first moment) or "2026-11-25T08:30:00Z".
Result<UtcTime> ParseUtc(std::string_view text);

}  // namespace fathom

#endif  // FATHOM_SERVER_UTC_TIME_H_
