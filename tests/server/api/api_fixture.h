// api_fixture.h - an engine with a model for the tests of the API, sinks that record, and exchanges without sockets.
#ifndef FATHOM_TESTS_SERVER_API_API_FIXTURE_H_
#define FATHOM_TESTS_SERVER_API_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "model/model.h"
#include "server/api/answer_replay.h"
#include "server/api/generation.h"
#include "server/http/http.h"
#include "tests/support/tiny_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

inline constexpr std::chrono::minutes kSilence{2};

// What a sink heard, choice by choice.
struct RecordedChoice {
  std::string reasoning;
  std::string content;
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;
  };
  std::vector<Call> calls;
  std::vector<TokenReport> tokens;
  std::optional<ChoiceEnd> end;
};

class RecordingSink : public AnswerSink {
 public:
  bool OnText(int choice, AnswerPart part, std::string_view text) override {
    RecordedChoice& recorded = choices[choice];
    (part == AnswerPart::kReasoning ? recorded.reasoning : recorded.content) += text;
    return ++events != stop_after_events;
  }
  bool OnToken(int choice, const TokenReport& report) override {
    choices[choice].tokens.push_back(report);
    return true;
  }
  bool OnPromptLogprobs(const PromptLogprobs& logprobs) override {
    prompt_tokens.insert(prompt_tokens.end(), logprobs.tokens.begin(), logprobs.tokens.end());
    return true;
  }
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override {
    EXPECT_EQ(static_cast<size_t>(index), choices[choice].calls.size());
    choices[choice].calls.push_back({std::string(id), std::string(name), {}});
    return true;
  }
  bool OnArguments(int choice, int index, std::string_view json) override {
    choices[choice].calls.at(static_cast<size_t>(index)).arguments += json;
    return true;
  }
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override {
    EXPECT_FALSE(choices[choice].end);
    choices[choice].end = end;
    return true;
  }
  void End(const AnswerTotals& given) override { Finish(given, std::nullopt); }
  void Fail(const ApiError& given) override { Finish({}, given); }

  // False if nothing came in time.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, kSilence, [&] { return done_; });
  }

  // Read after Wait().
  std::map<int, RecordedChoice> choices;
  std::vector<GeneratedToken> prompt_tokens;
  AnswerTotals totals;
  std::optional<ApiError> error;
  int events = 0;
  int stop_after_events = -1;

 private:
  void Finish(const AnswerTotals& given, const std::optional<ApiError>& fault) {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(done_) << "ended twice";
    totals = given;
    error = fault;
    done_ = true;
    ended_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
};

// An exchange that keeps what is written.
class FakeExchange : public HttpExchange {
 public:
  explicit FakeExchange(std::string path = "/", std::string body = "") {
    request_.method = "POST";
    request_.path = std::move(path);
    request_.body = std::move(body);
    request_.id = "req-test";
  }

  const HttpRequest& request() const override { return request_; }
  HttpRequest& mutable_request() { return request_; }
  void Respond(HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(done_) << "answered twice";
    response_ = std::move(response);
    done_ = true;
    ended_.notify_all();
  }
  void StartStream(int status, HttpHeaders headers, std::string heartbeat) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(done_ || streaming_);
    streaming_ = true;
    response_.status = status;
    response_.headers = std::move(headers);
    heartbeat_ = std::move(heartbeat);
  }
  bool Write(std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(streaming_ && !done_);
    response_.body += bytes;
    return ++writes_ <= max_writes_;
  }
  void End() override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(streaming_ && !done_);
    done_ = true;
    ended_.notify_all();
  }
  void OnDisconnect(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    disconnect_ = std::move(callback);
  }

  // Waits for the end.
  const HttpResponse& response() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(ended_.wait_for(lock, kSilence, [&] { return done_; })) << "no answer";
    return response_;
  }
  Json json() {
    Result<Json> parsed = ParseJson(response().body);
    EXPECT_TRUE(parsed.ok()) << response().body;
    return parsed.ok() ? *parsed : Json();
  }
  // The data of every SSE event; comments left out.
  std::vector<std::string> events() {
    std::vector<std::string> out;
    const std::string& body = response().body;
    for (size_t at = 0; at < body.size();) {
      const size_t end = body.find("\n\n", at);
      if (end == std::string::npos) {
        ADD_FAILURE() << "an event is not ended: " << body.substr(at);
        break;
      }
      const std::string event = body.substr(at, end - at);
      if (event.starts_with("data: ")) out.push_back(event.substr(6));
      at = end + 2;
    }
    return out;
  }
  const std::string& heartbeat() const { return heartbeat_; }
  void Disconnect() {
    if (disconnect_) disconnect_();
  }
  void set_max_writes(int writes) { max_writes_ = writes; }

 private:
  HttpRequest request_;
  std::mutex mutex_;
  std::condition_variable ended_;
  HttpResponse response_;
  std::string heartbeat_;
  std::function<void()> disconnect_;
  bool streaming_ = false;
  bool done_ = false;
  int writes_ = 0;
  int max_writes_ = 1 << 30;
};

// A model directory with an engine, kept for all tests of a program.
struct TestEngine {
  explicit TestEngine(const std::string& directory, std::unique_ptr<Tokenizer> other_tokenizer = nullptr,
                      EngineOptions options = {}) {
    Result<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(directory);
    FATHOM_CHECK(opened.ok());
    checkpoint = std::move(*opened);
    tokenizer = std::move(other_tokenizer);
    if (tokenizer == nullptr) {
      Result<std::unique_ptr<Tokenizer>> loaded = Tokenizer::Load(directory + "/tokenizer.json");
      FATHOM_CHECK(loaded.ok());
      tokenizer = std::move(*loaded);
    }
    pool = std::make_unique<ThreadPool>(1);
    model = std::make_unique<Model>(checkpoint->config(), checkpoint->weights(), ModelOptions{}, *pool);
    Result<std::unique_ptr<Engine>> started = Engine::Create(*model, *tokenizer, options);
    FATHOM_CHECK(started.ok());
    engine = std::move(*started);
  }

  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Model> model;
  std::unique_ptr<Engine> engine;
};

// Nano: 11.8 M parameters, real answers, all control tokens.
inline TestEngine& NanoEngine() {
  static TestEngine* const engine = new TestEngine(std::string(FATHOM_SOURCE_DIR) + "/models/nano");
  return *engine;
}
inline ServedModel NanoModel() {
  ServedModel model;
  model.name = "nano";
  model.aliases = {"other-name"};
  model.directory = std::string(FATHOM_SOURCE_DIR) + "/models/nano";
  model.created = 1700000000;
  model.stop_tokens = {1};
  model.parameters = 17;
  model.hidden_size = 256;
  model.bytes = 17;
  return model;
}

// Random weights, a vocabulary of the 256 bytes, no control tokens.
inline TestEngine& RandomEngine() {
  static TestEngine* const engine = [] {
    Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(TinyTokenizerJson({}, {}).Dump(), "tiny");
    FATHOM_CHECK(tokenizer.ok());
    return new TestEngine(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-full", std::move(*tokenizer));
  }();
  return *engine;
}
inline ServedModel RandomModel() {
  ServedModel model;
  model.name = "random";
  return model;
}

inline Json ParseTestJson(std::string_view text) {
  Result<Json> json = ParseJson(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : Json();
}

}  // namespace fathom

#endif  // FATHOM_TESTS_SERVER_API_API_FIXTURE_H_
