#include "server/serve_config.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

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

TEST(ServeConfig, TheManualHasEveryOption) {
  const std::string manual = ReadTestFile(FATHOM_SOURCE_DIR "/docs/operations.md");
  for (const ServeOption& option : ServeOptions()) {
    EXPECT_NE(manual.find("| `--" + std::string(option.name) + "` |"), std::string::npos) << option.name;
  }
}

}  // namespace
}  // namespace fathom
