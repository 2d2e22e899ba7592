#include "apps/world_clock.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/file.h"

namespace fathom {
namespace {

constexpr std::time_t kWinterNoon = 1705320000;  // 2024-01-15 12:00 UTC
constexpr std::time_t kSummerNoon = 1721044800;  // 2024-07-15 12:00 UTC

std::string At(std::string_view place, std::time_t now = kWinterNoon) {
  const Result<std::string> time = TimeAt(place, now);
  return time.ok() ? *time : "error: " + time.status().message();
}

bool HasDatabase() { return FileExists("/usr/share/zoneinfo/Europe/Berlin"); }

TEST(WorldClock, OffsetsNeedNoDatabase) {
  EXPECT_EQ(At("UTC"), "12:00");
  EXPECT_EQ(At("gmt"), "12:00");
  EXPECT_EQ(At("Z"), "12:00");
  EXPECT_EQ(At("UTC+2"), "14:00");
  EXPECT_EQ(At("-03:30"), "08:30");
  EXPECT_EQ(At("+0545"), "17:45");
  EXPECT_EQ(At("GMT-13"), "23:00");
  for (const char* wrong : {"+", "+15", "+2:5", "+1:60", "+12345", "2", "UTC2", "+1a"}) {
    EXPECT_EQ(At(wrong).rfind("error: there is no time zone or city called", 0), 0u) << wrong;
  }
}

TEST(WorldClock, TheMachinesOwnZone) {
  std::tm time = {};
  localtime_r(&kWinterNoon, &time);
  char text[6];
  std::strftime(text, sizeof text, "%H:%M", &time);
  EXPECT_EQ(At("local"), text);
  EXPECT_EQ(At(""), text);
}

TEST(WorldClock, ZonesHaveTheirSummerTime) {
  if (!HasDatabase()) GTEST_SKIP() << "no time zone database";
  EXPECT_EQ(At("Europe/Berlin"), "13:00");
  EXPECT_EQ(At("Europe/Berlin", kSummerNoon), "14:00");
  EXPECT_EQ(At("america/new_york"), "07:00");
  EXPECT_EQ(At("America/New_York", kSummerNoon), "08:00");
}

TEST(WorldClock, CitiesByTheirNames) {
  if (!HasDatabase()) GTEST_SKIP() << "no time zone database";
  EXPECT_EQ(At("Tokyo"), "21:00");
  EXPECT_EQ(At("new york"), "07:00");
  EXPECT_EQ(At("Boston"), "07:00");
  EXPECT_EQ(At("Geneva"), "13:00");
  EXPECT_EQ(At("München"), "13:00");
  EXPECT_EQ(At("北京"), "20:00");
  EXPECT_EQ(At("La Paz"), "08:00");
}

TEST(WorldClock, OnlyZonesOfTheDatabaseAreRead) {
  for (const char* wrong : {"Atlantis", "../../../etc/passwd", "Europe", "/etc/localtime", "zone.tab", "|", "a\nb"}) {
    EXPECT_EQ(At(wrong).rfind("error: ", 0), 0u) << wrong << " " << At(wrong);
  }
  EXPECT_NE(At("Atlantis").find("accepted are names such as Europe/Berlin"), std::string::npos);
}

TEST(WorldClock, TheEnvironmentIsAsBefore) {
  const char* const before = std::getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  ASSERT_EQ(setenv("TZ", "UTC-1", 1), 0);
  At("Tokyo");
  EXPECT_STREQ(std::getenv("TZ"), "UTC-1");
  EXPECT_EQ(At("local"), "13:00");
  ASSERT_EQ(unsetenv("TZ"), 0);
  At("Tokyo");
  EXPECT_EQ(std::getenv("TZ"), nullptr);
  if (before != nullptr) setenv("TZ", saved.c_str(), 1);
}

}  // namespace
}  // namespace fathom
