#include "apps/world_clock.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr const char* kZoneDirectory = "/usr/share/zoneinfo";
constexpr int kMaxOffsetMinutes = 14 * 60;  // Kiribati

struct Cities {
  std::string_view zone;
  std::string_view names;  // lower case, each between bars
};

// Cities that are no zone of their own, and zones' cities as people spell them.
constexpr Cities kCities[] = {
    {"Asia/Shanghai",
     "|beijing|guangzhou|shenzhen|hangzhou|nanjing|chengdu|wuhan|xi'an|tianjin|suzhou|peking|pékin|"
     "pekín|北京|上海|广州|深圳|杭州|南京|成都|武汉|西安|重庆|天津|苏州|青岛|大连|厦门|china|中国|"},
    {"Asia/Tokyo",
     "|tokio|osaka|kyoto|nagoya|sapporo|kobe|yokohama|东京|東京|大阪|京都|名古屋|札幌|福岡|神戸|横浜|"
     "広島|仙台|奈良|金沢|長崎|沖縄|日本|"},
    {"Asia/Seoul", "|busan|首尔|ソウル|séoul|seúl|"},
    {"Asia/Bangkok", "|曼谷|"},
    {"Asia/Kolkata", "|delhi|new delhi|mumbai|bangalore|bengaluru|chennai|india|"},
    {"Europe/Berlin",
     "|hamburg|munich|münchen|köln|cologne|frankfurt|stuttgart|dresden|leipzig|bremen|bonn|kiel|berlín|"
     "柏林|ベルリン|germany|deutschland|"},
    {"Europe/Vienna", "|wien|graz|salzburg|"},
    {"Europe/Zurich", "|zürich|bern|basel|geneva|genève|genf|"},
    {"Europe/Rome", "|milan|naples|venice|florence|rom|roma|mailand|罗马|ローマ|italy|"},
    {"Europe/Paris", "|lyon|marseille|nice|lille|nantes|toulouse|bordeaux|rennes|dijon|parís|巴黎|パリ|france|"},
    {"Europe/London", "|londres|manchester|edinburgh|伦敦|ロンドン|england|"},
    {"Europe/Lisbon", "|porto|lissabon|lisbonne|lisboa|"},
    {"Europe/Madrid",
     "|barcelona|sevilla|seville|valencia|bilbao|granada|málaga|toledo|córdoba|マドリード|spain|españa|"},
    {"Europe/Athens", "|athen|athènes|atenas|"},
    {"Europe/Prague", "|prag|praga|"},
    {"Europe/Warsaw", "|warschau|krakow|"},
    {"Europe/Brussels", "|bruxelles|brüssel|"},
    {"Europe/Moscow", "|moskau|莫斯科|"},
    {"Europe/Oslo", "|オスロ|"},
    {"Africa/Cairo", "|开罗|カイロ|"},
    {"America/New_York", "|boston|miami|atlanta|philadelphia|washington|nyc|纽约|ニューヨーク|"},
    {"America/Chicago", "|houston|dallas|austin|"},
    {"America/Los_Angeles", "|san francisco|seattle|san diego|las vegas|"},
    {"America/Toronto", "|montréal|montreal|québec|quebec|ottawa|"},
    {"America/Bogota", "|bogotá|"},
    {"America/Guayaquil", "|quito|"},
    {"America/Sao_Paulo", "|são paulo|rio de janeiro|"},
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string ClockText(const std::tm& time) { return StrFormat("%02d:%02d", time.tm_hour, time.tm_min); }

// "utc", "gmt", "z" or nothing, then perhaps an offset: "+2", "-03:30", "+0530". Nothing if it is no such text.
std::optional<int> OffsetMinutes(std::string_view text) {
  bool named = false;
  for (const std::string_view name : {"utc", "gmt", "z"}) {
    if (named || !text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    named = true;
  }
  if (text.empty()) return named ? std::optional<int>(0) : std::nullopt;
  const int sign = text[0] == '-' ? -1 : 1;
  if (text[0] != '+' && text[0] != '-') return std::nullopt;
  std::string digits(text.substr(1));
  if (const size_t colon = digits.find(':'); colon != std::string::npos) {
    if (colon + 3 != digits.size()) return std::nullopt;
    digits.erase(colon, 1);
  }
  const bool all_digits = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!all_digits || digits.empty() || digits.size() > 4) return std::nullopt;
  const int number = std::stoi(digits);
  const int minutes = digits.size() <= 2 ? number * 60 : number / 100 * 60 + number % 100;
  if (minutes > kMaxOffsetMinutes || (digits.size() > 2 && number % 100 >= 60)) return std::nullopt;
  return sign * minutes;
}

// Whether a zone's last part or whole name is `name` (lower case); "posix" and "right" hold copies.
std::optional<std::string> FindInDatabase(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::optional<std::string> found;
  const fs::path root = kZoneDirectory;
  fs::recursive_directory_iterator entry(root, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (entry.depth() == 0 && (file == "posix" || file == "right")) entry.disable_recursion_pending();
    const std::string zone = entry->path().lexically_relative(root).generic_string();
    const bool whole = Lower(zone) == name;
    if (!whole && Lower(file) != name) continue;
    if (!entry->is_regular_file(error)) continue;
    if (whole) return zone;
    if (!found || zone < *found) found = zone;  // whatever the order of the directory
  }
  return found;
}

std::optional<std::string> FindZone(std::string name) {
  for (const Cities& cities : kCities) {
    if (cities.names.find(StrCat("|", name, "|")) != std::string_view::npos) return std::string(cities.zone);
  }
  std::replace(name.begin(), name.end(), ' ', '_');
  return FindInDatabase(name);
}

// The C library knows the rules of a zone only as those of the process.
Result<std::string> TimeInZone(const std::string& zone, std::time_t now) {
  constexpr uint64_t kMaxZoneBytes = 1 << 20;
  const std::string path = StrCat(kZoneDirectory, "/", zone);
  FATHOM_ASSIGN_OR_RETURN(const std::string data, ReadFile(path, kMaxZoneBytes));
  if (!data.starts_with("TZif")) return NotFound(StrCat(zone, " is no time zone"));
  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard lock(mutex);
  const char* const current = std::getenv("TZ");
  const std::optional<std::string> saved = current != nullptr ? std::optional<std::string>(current) : std::nullopt;
  setenv("TZ", (":" + path).c_str(), 1);
  tzset();
  std::tm time = {};
  localtime_r(&now, &time);
  if (saved) {
    setenv("TZ", saved->c_str(), 1);
  } else {
    unsetenv("TZ");
  }
  tzset();
  return ClockText(time);
}

}  // namespace

Result<std::string> TimeAt(std::string_view place, std::time_t now) {
  const std::string name = Lower(place);
  std::tm time = {};
  if (name.empty() || name == "local") {
    localtime_r(&now, &time);
    return ClockText(time);
  }
  if (const std::optional<int> offset = OffsetMinutes(name)) {
    const std::time_t shifted = now + std::time_t{60} * *offset;
    gmtime_r(&shifted, &time);
    return ClockText(time);
  }
  const std::optional<std::string> zone = FindZone(name);
  if (!zone) {
    return NotFound(StrCat("there is no time zone or city called \"", Printable(place, 60),
                           "\"; accepted are names such as Europe/Berlin, large cities, UTC, offsets such as +05:30, "
                           "and local"));
  }
  return TimeInZone(*zone, now);
}

}  // namespace fathom
