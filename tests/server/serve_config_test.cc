#include "server/serve_config.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>

#include "base/strings.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

const ServeOption& Option(std::string_view name) {
  for (const ServeOption& option : ServeOptions()) {
    if (option.name == name) return option;
  }
  ADD_FAILURE() << name;
  return ServeOptions()[0];
}

std::string FileError(const std::string& text) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "serve.json", text);
  ServeConfig config;
  const Status status = ApplyConfigFile(directory / "serve.json", &config);
  return status.ok() ? "accepted" : status.message().substr(directory.path().size() + 1);
}

TEST(ServeConfig, EveryOptionHasOneNameInThreeSpellings) {
  std::set<std::string> names;
  for (const ServeOption& option : ServeOptions()) EXPECT_TRUE(names.insert(option.name).second) << option.name;
  EXPECT_EQ(Option("max-sequences").key(), "max_sequences");
  EXPECT_EQ(Option("max-sequences").environment(), "FATHOM_SERVE_MAX_SEQUENCES");
}

TEST(ServeConfig, FileThenEnvironmentThenFlags) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "serve.json",
                R"({"port": 1, "host": "a", "max_body": "4MiB", "cors": ["x", "y"], "page": false, "drain": 5})");
  ServeConfig config;
  ASSERT_TRUE(ApplyConfigFile(directory / "serve.json", &config).ok());
  EXPECT_EQ(config.port, 1);
  EXPECT_EQ(config.max_body_bytes, 4 << 20);
  EXPECT_EQ(config.cors, (std::vector<std::string>{"x", "y"}));
  EXPECT_FALSE(config.page);
  const std::map<std::string, const char*> variables = {{"FATHOM_SERVE_PORT", "2"}, {"FATHOM_SERVE_PAGE", "on"}};
  const auto get = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second;
  };
  ASSERT_TRUE(ApplyEnvironment(get, &config).ok());
  EXPECT_EQ(config.port, 2);
  EXPECT_TRUE(config.page);
  ASSERT_TRUE(SetOption(Option("port"), "3", "--port", &config).ok());
  EXPECT_EQ(config.port, 3);
  EXPECT_EQ(config.host, "a");
  EXPECT_EQ(config.drain_s, 5);
}

TEST(ServeConfig, ErrorsSayWhereWhatAndWhatIsAccepted) {
  EXPECT_EQ(FileError(R"({"prot": 1})"),
            "serve.json: there is no option 'prot'; `fathom serve --help` lists them (write _ for -)");
  EXPECT_EQ(FileError(R"({"port": 65536})"), "serve.json: port is '65536'; accepted is 0 to 65535");
  EXPECT_EQ(FileError(R"({"port": true})"), "serve.json: port is true; accepted is a number");
  EXPECT_EQ(FileError(R"({"host": 1})"), "serve.json: host is 1; accepted is a string");
  EXPECT_EQ(FileError(R"({"page": "maybe"})"), "serve.json: page is 'maybe'; accepted is true or false");
  EXPECT_EQ(FileError(R"({"cors": [1]})"), "serve.json: cors holds 1; accepted are strings without commas");
  EXPECT_EQ(FileError("[]"), "serve.json: holds no JSON object");
  EXPECT_EQ(FileError("{").substr(0, 12), "serve.json: ");
  ServeConfig config;
  EXPECT_EQ(SetOption(Option("heartbeat"), "1.5", "--heartbeat", &config).message(),
            "--heartbeat is '1.5'; accepted is 1 to 3600 seconds");
  EXPECT_EQ(SetOption(Option("reasoning-field"), "x", "FATHOM_SERVE_REASONING_FIELD", &config).message(),
            "FATHOM_SERVE_REASONING_FIELD is 'x'; accepted are reasoning_content, both");
}

TEST(ServeConfig, BytesInAllSpellings) {
  const auto bytes = [](const char* text) {
    ServeConfig config;
    return SetOption(Option("cache-ram"), text, "--cache-ram", &config).ok() ? config.cache_ram_bytes : -1;
  };
  EXPECT_EQ(bytes("4096"), 4096);
  EXPECT_EQ(bytes("2KB"), 2000);
  EXPECT_EQ(bytes("1.5 GiB"), int64_t{3} << 29);
  EXPECT_EQ(bytes("3TB"), 3'000'000'000'000);
  for (const char* text : {"", "GB", "1 XB", "-1", "1e3", "99999999TB", "0x10", "1..5GB"})
    EXPECT_EQ(bytes(text), -1) << text;
}

TEST(ServeConfig, AnAddressForOthersNeedsKeysOrAWord) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "localhost", "::1"}) {
    EXPECT_TRUE(CheckTogether({.host = host}, false).ok()) << host;
  }
  for (const char* host : {"0.0.0.0", "192.168.1.5", "::", "example"}) {
    EXPECT_FALSE(CheckTogether({.host = host}, false).ok()) << host;
    EXPECT_TRUE(CheckTogether({.host = host}, true).ok()) << host;
    EXPECT_TRUE(CheckTogether({.host = host, .allow_anyone = true}, false).ok()) << host;
  }
  EXPECT_FALSE(CheckTogether({.tls_cert = "a"}, false).ok());
  EXPECT_FALSE(CheckTogether({.tls_key = "a"}, false).ok());
  EXPECT_FALSE(CheckTogether({.max_sequences = 64, .step_tokens = 32}, false).ok());
  EXPECT_FALSE(CheckTogether({.max_body_bytes = 2048, .max_bodies_bytes = 2047}, false).ok());
  EXPECT_TRUE(CheckTogether({.max_body_bytes = 2048, .max_bodies_bytes = 2048}, false).ok());
  EXPECT_FALSE(CheckTogether({.audit_text = true}, false).ok());
}

TEST(ServeConfig, WhatIsInForceCanBeReadBack) {
  const TemporaryDirectory directory;
  ServeConfig config;
  config.port = 77;
  config.cors = {"a", "b"};
  WriteTestFile(directory / "serve.json", ConfigJson(config).Dump());
  ServeConfig again;
  ASSERT_TRUE(ApplyConfigFile(directory / "serve.json", &again).ok());
  EXPECT_EQ(ConfigJson(again).Dump(), ConfigJson(config).Dump());
}

// In the same order, with the same words; and no rows but these.
TEST(ServeConfig, TheManualsTableIsTheListOfOptions) {
  std::string expected;
  for (const ServeOption& option : ServeOptions()) expected += StrCat("--", option.name, ": ", option.help, "\n");
  std::string rows;
  std::istringstream manual(ReadTestFile(FATHOM_SOURCE_DIR "/docs/operations.md"));
  for (std::string line; std::getline(manual, line);) {
    if (!line.starts_with("| `--")) continue;
    const size_t name_end = line.find("` |");
    const size_t help = line.find(" | ", name_end + 3);
    ASSERT_TRUE(name_end != std::string::npos && help != std::string::npos && line.ends_with(" |")) << line;
    rows += StrCat(line.substr(3, name_end - 3), ": ", line.substr(help + 3, line.size() - help - 5), "\n");
  }
  EXPECT_EQ(rows, expected);
}

// What the text names is an option of `fathom serve`, of its keys, or of another program that it names.
TEST(ServeConfig, TheManualNamesNoOtherOptions) {
  std::set<std::string> known = {"config",   "help",    "no-page", "scope", "tokens-per-day", "requests-per-minute",
                                 "priority", "expires",                      // of `fathom serve keys`
                                 "all",      "only",    "test",    "long"};  // of `fathom test` and engine_bench
  for (const ServeOption& option : ServeOptions()) known.insert(std::string(option.name));
  const std::string manual = ReadTestFile(FATHOM_SOURCE_DIR "/docs/operations.md");
  for (size_t at = manual.find("--"); at != std::string::npos; at = manual.find("--", at + 2)) {
    const size_t end = manual.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at + 2);
    const std::string name = manual.substr(at + 2, end - at - 2);
    const bool flag = !name.empty() && name[0] != '-' && (at == 0 || manual[at - 1] == ' ' || manual[at - 1] == '`');
    EXPECT_TRUE(!flag || known.contains(name)) << "--" << name;
  }
}

}  // namespace
}  // namespace fathom
