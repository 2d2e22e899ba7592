// cache_report.h - what the prefix cache had for a prompt, and why it was not more.
#ifndef FATHOM_CACHE_CACHE_REPORT_H_
#define FATHOM_CACHE_CACHE_REPORT_H_

#include <cstdint>

namespace fathom {

enum class CacheSource : uint8_t { kNone, kRam, kDisk };

enum class CacheMiss : uint8_t {
  kNothing,   // all that could be taken was
  kDisabled,  // the request asked for no cache
  kNoEntry,   // nothing that begins like this is kept for this caller
  kDiverged,  // from the hit on, the prompt differs from all that is kept
  kNoState,   // the prompt agrees further than the last position from which a sequence can continue
  kReplay,    // it agrees, but not further than would have to be read again to continue from there
};

struct CacheReport {
  int64_t hit = 0;       // tokens taken
  int64_t replayed = 0;  // the last of those, which are read again: of them no state is kept
  int64_t common = 0;    // tokens that agree with something kept, at least `hit`
  CacheSource source = CacheSource::kNone;
  CacheMiss miss = CacheMiss::kDisabled;
};

// "none", "ram", "disk"; "nothing", "disabled", "no_entry", "diverged", "no_state", "replay".
constexpr const char* CacheSourceName(CacheSource source) {
  constexpr const char* kNames[] = {"none", "ram", "disk"};
  return kNames[static_cast<int>(source)];
}
constexpr const char* CacheMissName(CacheMiss miss) {
  constexpr const char* kNames[] = {"nothing", "disabled", "no_entry", "diverged", "no_state", "replay"};
  return kNames[static_cast<int>(miss)];
}

}  // namespace fathom

#endif  // FATHOM_CACHE_CACHE_REPORT_H_
