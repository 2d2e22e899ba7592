#include "server/key_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

TEST(KeyStore, AKeyIsFoundAndTheFileHoldsOnlyItsHash) {
  const TemporaryDirectory directory;
  const std::string path = directory / "keys.json";
  KeyStore store;
  const Result<std::string> laptop = store.Add({.name = "laptop"});
  const Result<std::string> robot = store.Add({.name = "robot",
                                               .scopes = {.inference = false, .metrics = true, .admin = true},
                                               .tokens_per_day = 5000,
                                               .requests_per_minute = 60,
                                               .priority = -3,
                                               .expires = *ParseUtc("2030-01-02T03:04:05Z")});
  ASSERT_TRUE(laptop.ok() && robot.ok());
  EXPECT_NE(*laptop, *robot);
  EXPECT_EQ(laptop->size(), 3U + 8 + 1 + 64);
  ASSERT_TRUE(store.Write(path).ok());

  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(ReadTestFile(path).find(laptop->substr(12)), std::string::npos) << "the secret part";

  const Result<KeyStore> read = KeyStore::Read(path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_NE(read->Find(*laptop), nullptr);
  EXPECT_EQ(read->Find(*laptop)->name, "laptop");
  const ApiKey* key = read->Find(*robot);
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(ScopesText(key->scopes), "metrics,admin");
  EXPECT_EQ(key->tokens_per_day, 5000);
  EXPECT_EQ(key->requests_per_minute, 60);
  EXPECT_EQ(key->priority, -3);
  EXPECT_EQ(FormatUtc(*key->expires), "2030-01-02T03:04:05Z");
}

TEST(KeyStore, AlmostRightKeysAreNotFound) {
  KeyStore store;
  const std::string key = *store.Add({.name = "a"});
  std::string other = key;
  other.back() = other.back() == '0' ? '1' : '0';
  for (const std::string& text : {std::string(), std::string("fk-"), key.substr(0, key.size() - 1), key + "0", other,
                                  key.substr(3), "fk-00000000" + key.substr(11)}) {
    EXPECT_EQ(store.Find(text), nullptr) << text;
  }
  EXPECT_NE(store.Find(key), nullptr);
}

TEST(KeyStore, NamesAreUniqueAndCanBeRemoved) {
  KeyStore store;
  const std::string key = *store.Add({.name = "a"});
  EXPECT_FALSE(store.Add({.name = "a"}).ok());
  EXPECT_FALSE(store.Add({.name = ""}).ok());
  EXPECT_FALSE(store.Add({.name = "line\nbreak"}).ok());
  EXPECT_EQ(store.Remove("b").code(), ErrorCode::kNotFound);
  EXPECT_TRUE(store.Remove("a").ok());
  EXPECT_EQ(store.Find(key), nullptr);
}

TEST(KeyStore, BrokenFilesAreErrorsThatNameTheEntry) {
  const TemporaryDirectory directory;
  const std::string path = directory / "keys.json";
  KeyStore store;
  ASSERT_TRUE(store.Add({.name = "a"}).ok());
  ASSERT_TRUE(store.Write(path).ok());
  const std::string good = ReadTestFile(path);
  const auto message = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    WriteTestFile(path, text);
    const Result<KeyStore> read = KeyStore::Read(path);
    return read.ok() ? std::string("accepted") : read.status().message();
  };
  EXPECT_NE(message("\"inference\"", "\"root\"").find("keys[0]: a scope is 'root'"), std::string::npos);
  EXPECT_NE(message("\"sha256\": \"", "\"sha256\": \"x").find("keys[0]: id, salt and sha256"), std::string::npos);
  EXPECT_NE(message("\"tokens_per_day\": 0", "\"tokens_per_day\": -1").find("tokens_per_day is -1"), std::string::npos);
  EXPECT_NE(message("\"name\": \"a\"", "\"name\": 7").find("keys[0]: name is no string"), std::string::npos);
  EXPECT_NE(message("{", "[").find(path), std::string::npos);
  WriteTestFile(path, "{}");
  EXPECT_EQ(KeyStore::Read(path).status().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(KeyStore::Read(directory / "absent").status().code(), ErrorCode::kNotFound);
}

TEST(UtcTime, TextAndBack) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2026-11-25T08:30:59Z", "2028-02-29T23:59:59Z"}) {
    EXPECT_EQ(FormatUtc(*ParseUtc(text)), text);
  }
  EXPECT_EQ(FormatUtcDay(*ParseUtc("2027-06-30")), "2027-06-30");
  EXPECT_EQ(FormatUtcMillis(*ParseUtc("2027-06-30") + std::chrono::milliseconds(7)), "2027-06-30T00:00:00.007Z");
  for (const char* text :
       {"", "2027", "2027-13-01", "2027-02-29", "2027-06-30T24:00:00Z", "2027-06-30 12:00", "0000-01-01"}) {
    EXPECT_FALSE(ParseUtc(text).ok()) << text;
  }
}

}  // namespace
}  // namespace fathom
