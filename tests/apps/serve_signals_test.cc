// How `fathom serve` ends: the real program, signals, and streams of every protocol that are running meanwhile.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/serve_process.h"

namespace fathom {
namespace {

struct StreamCase {
  const char* path;
  const char* body;   // %d: tokens to generate
  const char* ended;  // in the last event of an answer that came to its end
  const char* failed;
};
// Greedy answers of random weights: they go on as long as they may.
constexpr StreamCase kStreams[] = {
    {"/v1/chat/completions",
     R"({"messages":[{"role":"user","content":"Hello!"}],"temperature":0,"stream":true,"max_tokens":%d})",
     "data: [DONE]", R"(data: {"error":)"},
    {"/v1/completions", R"({"prompt":"Hello!","temperature":0,"stream":true,"max_tokens":%d})", "data: [DONE]",
     R"(data: {"error":)"},
    {"/v1/responses", R"({"input":"Hello!","temperature":0,"stream":true,"max_output_tokens":%d})",
     "event: response.incomplete", "event: response.failed"},
    {"/v1/messages",
     R"({"messages":[{"role":"user","content":"Hello!"}],"temperature":0,"stream":true,"max_tokens":%d})",
     "event: message_stop", "event: error"},
};

// Streams of all protocols, begun: each has sent something of its answer.
class RunningStreams {
 public:
  RunningStreams(uint16_t port, int max_tokens) {
    for (const StreamCase& stream : kStreams) {
      auto& client = clients_.emplace_back(std::make_unique<HttpClient>(port, std::chrono::seconds(120)));
      char body[256];
      std::snprintf(body, sizeof body, stream.body, max_tokens);
      client->SendRequest("POST", stream.path, body);
    }
    for (size_t index = 0; index < clients_.size(); ++index) {
      const ClientResponse head = clients_[index]->ReadHead();
      EXPECT_EQ(head.status, 200) << kStreams[index].path << head;
      EXPECT_TRUE(clients_[index]->ReadSome()) << kStreams[index].path;
    }
  }
  // What stream `index` sends until its end.
  std::string Rest(size_t index) {
    std::string rest;
    while (const std::optional<std::string> some = clients_[index]->ReadSome()) rest += *some;
    return rest;
  }

 private:
  std::vector<std::unique_ptr<HttpClient>> clients_;
};

size_t Times(const std::string& text, std::string_view part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

// Running and waiting.
int64_t Requests(uint16_t port) {
  const Result<Json> engine = ParseJson(Ask(port, "GET", "/debug/engine").body);
  if (!engine.ok()) return 0;
  return engine->Find("running")->AsInt().value_or(0) + engine->Find("waiting")->AsInt().value_or(0);
}

TEST(ServeSignals, ATerminatedServerFinishesRunningAnswersOfEveryProtocol) {
  ServeProcess server({"--model", SyntheticModelDirectory(), "--drain", "100"});
  RunningStreams streams(server.port(), 200);
  server.Signal(SIGTERM);
  for (size_t index = 0; index < std::size(kStreams); ++index) {
    const std::string rest = streams.Rest(index);
    EXPECT_EQ(Times(rest, kStreams[index].ended), 1u) << kStreams[index].path << "\n" << rest;
    EXPECT_EQ(Times(rest, kStreams[index].failed), 0u) << kStreams[index].path << "\n" << rest;
  }
  EXPECT_EQ(server.Wait(), 0) << server.log();
  EXPECT_NE(server.log().find("fathom serve: ended\n"), std::string::npos) << server.log();
}

TEST(ServeSignals, AnswersThatAreCutOffAfterTheDrainTimeSaySo) {
  ServeProcess server({"--model", SyntheticModelDirectory(), "--drain", "0"});
  RunningStreams streams(server.port(), 4000);
  HttpClient whole(server.port(), std::chrono::seconds(120));
  whole.SendRequest("POST", "/v1/chat/completions",
                    R"({"messages":[{"role":"user","content":"Hi"}],"temperature":0,"max_tokens":4000})");
  for (int tries = 0; tries < 1000 && Requests(server.port()) <= std::ssize(kStreams); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (Requests(server.port()) <= std::ssize(kStreams)) GTEST_SKIP() << "an answer has come to its end already";
  server.Signal(SIGTERM);
  for (size_t index = 0; index < std::size(kStreams); ++index) {
    const std::string rest = streams.Rest(index);
    EXPECT_EQ(Times(rest, kStreams[index].ended), 0u) << kStreams[index].path << "\n" << rest;
    EXPECT_EQ(Times(rest, kStreams[index].failed), 1u) << kStreams[index].path << "\n" << rest;
  }
  const ClientResponse refused = whole.Read();
  EXPECT_EQ(refused.status, 503) << refused;
  EXPECT_FALSE(refused.Header("retry-after").empty());
  EXPECT_EQ(server.Wait(), 0) << server.log();
  EXPECT_NE(server.log().find("answers that were still running were cut off\n"), std::string::npos) << server.log();
}

TEST(ServeSignals, AFileThatMayNotGrowIsAFullDiskAndNoMore) {
  const TemporaryDirectory directory;
  ServeProcess server({"--model", SyntheticModelDirectory(), "--cache-dir", directory / "cache"});
  const rlimit limit = {4096, 4096};  // more than the log, less than a kept prefix
  ASSERT_EQ(prlimit(server.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  std::string words;
  for (int word = 0; word < 300; ++word) words += "Hello! ";
  const std::string body = StrCat(R"({"prompt":")", words, R"(","max_tokens":2})");
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/completions", {}, body).status, 200);
  EXPECT_TRUE(server.WaitForLog("prefixes cannot be written to disk")) << server.log();
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/completions", {}, body).status, 200);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0) << server.log();
}

TEST(ServeSignals, ASecondSignalEndsTheServerAtOnce) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServeProcess server({"--model", SyntheticModelDirectory(), "--drain", "3600"});
    RunningStreams streams(server.port(), 4000);
    server.Signal(SIGTERM);
    ASSERT_TRUE(server.WaitForLog("no new requests")) << server.log();
    server.Signal(signal);
    EXPECT_EQ(server.Wait(), 128 + signal) << server.log();
    for (size_t index = 0; index < std::size(kStreams); ++index) {
      EXPECT_EQ(Times(streams.Rest(index), kStreams[index].ended), 0u) << kStreams[index].path;
    }
  }
}
}  // namespace
}  // namespace fathom
