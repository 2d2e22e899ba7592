#include "engine/engine_stats.h"

#include <algorithm>

namespace fathom {

const char* RequestStateName(RequestInfo::State state) {
  switch (state) {
    case RequestInfo::State::kWaiting:
      return "waiting";
    case RequestInfo::State::kPreempted:
      return "preempted";
    case RequestInfo::State::kReading:
      return "reading";
    case RequestInfo::State::kAnswering:
      return "answering";
  }
  return "";
}

double EstimateWaitSeconds(int64_t ahead, int64_t places, double service_seconds) {
  return static_cast<double>(ahead) * service_seconds / static_cast<double>(std::max(int64_t{1}, places));
}

}  // namespace fathom
