// usage_limits.h - how much each API key has used, and whether it may go on.
//
// Requests per minute are a bucket that holds a minute's worth and refills evenly. Tokens per day are counted when an
// answer ends, so answers that are running at the limit still finish; days are UTC's. The day's counts are kept in a
// file, so a restart forgives nothing. Thread-safe.
#ifndef FATHOM_SERVER_USAGE_LIMITS_H_
#define FATHOM_SERVER_USAGE_LIMITS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/key_store.h"
#include "server/utc_time.h"

namespace fathom {

class UsageLimits {
 public:
  struct Now {
    UtcTime calendar = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
  };
  struct Refusal {
    std::string message;
    int retry_after_s = 0;
  };

  // `file` empty: counts die with the process.
  explicit UsageLimits(std::string file) : file_(std::move(file)) {}
  // Takes over the counts of today. An absent file is no error; after any other the counts are zero.
  Status Load(const Now& now);
  // Writes the counts if they have changed.
  Status Save();

  // Counts a request of `key`, or says why it may not be.
  std::optional<Refusal> Admit(const ApiKey& key, const Now& now);
  void Charge(const std::string& key_id, int64_t tokens, const Now& now);
  int64_t tokens_today(const std::string& key_id, const Now& now);

 private:
  struct Bucket {
    double requests = 0;
    std::chrono::steady_clock::time_point filled_at;
  };
  void BeginDay(const Now& now);

  const std::string file_;
  std::mutex mutex_;
  std::string day_;
  std::map<std::string, int64_t> tokens_;
  std::map<std::string, Bucket> buckets_;
  bool changed_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_USAGE_LIMITS_H_
