#include "server/usage_limits.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxUsageFileBytes = 16 << 20;
constexpr double kMinuteSeconds = 60;

int SecondsToMidnight(UtcTime now) {
  const auto midnight = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1);
  return static_cast<int>(std::chrono::ceil<std::chrono::seconds>(midnight - now).count());
}

}  // namespace

Status UsageLimits::Load(const Now& now) {
  const std::lock_guard lock(mutex_);
  day_ = FormatUtcDay(now.calendar);
  if (file_.empty()) return {};
  const Result<std::string> text = ReadFile(file_, kMaxUsageFileBytes);
  if (!text.ok()) return text.status().code() == ErrorCode::kNotFound ? Status() : text.status();
  const Result<Json> json = ParseJson(*text);
  if (!json.ok()) return DataLoss(StrCat(file_, ": ", json.status().message()));
  const Json* day = json->Find("day");
  const Json* tokens = json->Find("tokens");
  if (day == nullptr || !day->is_string() || tokens == nullptr || !tokens->is_object()) {
    return DataLoss(StrCat(file_, ": has no day and tokens"));
  }
  if (day->string() != day_) return {};
  for (const auto& [key_id, count] : tokens->members())
    tokens_[key_id] = std::max<int64_t>(0, count.AsInt().value_or(0));
  return {};
}

Status UsageLimits::Save() {
  std::vector<Json::Member> tokens;
  std::string day;
  {
    const std::lock_guard lock(mutex_);
    if (!changed_ || file_.empty()) return {};
    changed_ = false;
    day = day_;
    for (const auto& [key_id, count] : tokens_) tokens.emplace_back(key_id, Json::Int(count));
  }
  const Json json = Json::Object({{"day", Json::String(day)}, {"tokens", Json::Object(std::move(tokens))}});
  Status status = WriteFileAtomically(file_, json.Dump() + "\n", 0600);
  if (!status.ok()) {
    const std::lock_guard lock(mutex_);
    changed_ = true;
  }
  return status;
}

std::optional<UsageLimits::Refusal> UsageLimits::Admit(const ApiKey& key, const Now& now) {
  const std::lock_guard lock(mutex_);
  BeginDay(now);
  if (key.tokens_per_day > 0 && tokens_[key.id] >= key.tokens_per_day) {
    return Refusal{StrCat("the key '", key.name, "' has used ", tokens_[key.id], " of its ", key.tokens_per_day,
                          " tokens of today; the day ends at midnight UTC"),
                   SecondsToMidnight(now.calendar)};
  }
  if (key.requests_per_minute <= 0) return std::nullopt;
  const auto most = static_cast<double>(key.requests_per_minute);
  const auto [entry, is_new] = buckets_.try_emplace(key.id, Bucket{most, now.steady});
  Bucket& bucket = entry->second;
  const double seconds = std::chrono::duration<double>(now.steady - bucket.filled_at).count();
  bucket.requests = std::min(most, bucket.requests + seconds * most / kMinuteSeconds);
  bucket.filled_at = now.steady;
  if (bucket.requests < 1) {
    const double wait = (1 - bucket.requests) * kMinuteSeconds / most;
    return Refusal{
        StrCat("the key '", key.name, "' may send ", key.requests_per_minute, " requests per minute and has done so"),
        std::max(1, static_cast<int>(std::ceil(wait)))};
  }
  bucket.requests -= 1;
  return std::nullopt;
}

void UsageLimits::Charge(const std::string& key_id, int64_t tokens, const Now& now) {
  const std::lock_guard lock(mutex_);
  BeginDay(now);
  if (tokens <= 0) return;
  tokens_[key_id] += tokens;
  changed_ = true;
}

int64_t UsageLimits::tokens_today(const std::string& key_id, const Now& now) {
  const std::lock_guard lock(mutex_);
  BeginDay(now);
  const auto found = tokens_.find(key_id);
  return found == tokens_.end() ? 0 : found->second;
}

void UsageLimits::BeginDay(const Now& now) {
  std::string today = FormatUtcDay(now.calendar);
  if (today == day_) return;
  day_ = std::move(today);
  tokens_.clear();
  changed_ = true;
}

}  // namespace fathom
