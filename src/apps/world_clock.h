// world_clock.h - the time of day elsewhere, from the system's time zone database.
#ifndef FATHOM_APPS_WORLD_CLOCK_H_
#define FATHOM_APPS_WORLD_CLOCK_H_

#include <ctime>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom {

// "14:05": the moment `now` on a clock at `place`. Upper and lower case are the same. Accepted are
//   "" and "local"                          the machine's own time zone
//   "UTC", "GMT+1", "+05:30", "UTC-3"       offsets up to 14 hours, east is positive
//   "Europe/Berlin"                         names of the system's database, if it has one (/usr/share/zoneinfo)
//   "Berlin", "New York", "Japan", "東京"   its cities and countries, and some more cities by their usual names
// Sets TZ for a moment: no other thread may change the environment meanwhile.
Result<std::string> TimeAt(std::string_view place, std::time_t now);

}  // namespace fathom

#endif  // FATHOM_APPS_WORLD_CLOCK_H_
