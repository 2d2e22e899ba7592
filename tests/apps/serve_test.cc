// `fathom serve` as its users see it: the real program, real sockets, Nano's answers.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "base/json.h"
#include "base/strings.h"
#include "server/serve_config.h"
#include "tests/server/prometheus_lint.h"
#include "tests/support/serve_process.h"

namespace fathom {
namespace {

const std::string kNano = FATHOM_SOURCE_DIR "/models/nano";
constexpr const char* kHello = R"({"messages":[{"role":"user","content":"Hello!"}],"temperature":0,"max_tokens":64})";

Json JsonOf(const ClientResponse& answer) {
  const Result<Json> json = ParseJson(answer.body);
  EXPECT_TRUE(json.ok()) << answer;
  return json.ok() ? *json : Json();
}

// The member at "a.b.0.c".
Json At(const Json& json, const std::string& path) {
  const Json* at = &json;
  std::istringstream keys(path);
  for (std::string key; at != nullptr && std::getline(keys, key, '.');) {
    if (at->is_array()) {
      const size_t index = std::stoul(key);
      at = index < at->items().size() ? &at->items()[index] : nullptr;
    } else {
      at = at->Find(key);
    }
  }
  return at == nullptr ? Json() : *at;
}

std::string FieldText(const Json& json, const std::string& path) {
  const Json value = At(json, path);
  return value.is_string() ? value.string() : value.Dump();
}

// A key made by the command, as the administrator would.
std::string MakeKey(const std::string& file, const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"serve", "keys", "--keys", file, "add"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const RunResult result = RunFathom(all);
  EXPECT_EQ(result.exit_code, 0) << result;
  return result.out.substr(0, result.out.find('\n'));
}

using Lines = std::vector<std::string>;
Lines Bearer(const std::string& key) { return {"Authorization: Bearer " + key}; }

TEST(ServeCommand, AnswersItsOwnRoutesAndAChat) {
  const ServeProcess server({"--model", kNano});
  for (const char* path : {"/health", "/v1/health", "/ready", "/ping"}) {
    const ClientResponse health = Ask(server.port(), "GET", path);
    EXPECT_EQ(health.status, 200) << path << health;
    EXPECT_EQ(health.body, R"({"status":"ok"})");
  }
  EXPECT_EQ(Ask(server.port(), "GET", "/").status, 200);
  EXPECT_EQ(Ask(server.port(), "HEAD", "/").status, 200);
  const ClientResponse chat = Ask(server.port(), "POST", "/v1/chat/completions", {}, kHello);
  EXPECT_EQ(chat.status, 200) << chat;
  EXPECT_EQ(FieldText(JsonOf(chat), "choices.0.message.content"), "Hello! How can I help you?") << chat;
  EXPECT_FALSE(chat.Header("x-request-id").empty()) << chat;
  const Json props = JsonOf(Ask(server.port(), "GET", "/props"));
  EXPECT_EQ(FieldText(props, "model_alias"), "nano");
  EXPECT_EQ(At(props, "default_generation_settings.n_ctx").AsInt(), 8192);
  EXPECT_EQ(JsonOf(Ask(server.port(), "GET", "/slots")).items().size(), 32U);
  const Json model_config = *ParseJson(ReadTestFile(kNano + "/config.json"));
  EXPECT_EQ(At(JsonOf(Ask(server.port(), "GET", "/v1/models")), "data.0.meta.n_embd").AsInt(),
            At(model_config, "hidden_size").AsInt());
  EXPECT_EQ(At(JsonOf(Ask(server.port(), "GET", "/debug/engine")), "running").AsInt(), 0);
  EXPECT_EQ(At(JsonOf(Ask(server.port(), "GET", "/debug/config")), "max_queue").AsInt(), 256);
  EXPECT_EQ(At(JsonOf(Ask(server.port(), "GET", "/debug/cache")), "data").items().size(), 1U);
}

TEST(ServeCommand, SlotsTellWhatTheirRequestsAskedFor) {
  const ServeProcess server({"--model", kNano, "--max-unsent", "64MiB"});  // the answer is not read
  const auto slot = [&] { return At(JsonOf(Ask(server.port(), "GET", "/slots")), "0"); };
  const Json idle = slot();
  EXPECT_EQ(FieldText(idle, "is_processing"), "false");
  EXPECT_EQ(At(idle, "params.n_predict").AsInt(), -1) << idle.Dump();
  EXPECT_EQ(FieldText(idle, "next_token.0.has_next_token"), "false") << idle.Dump();
  HttpClient client(server.port(), std::chrono::seconds(120));
  client.SendRequest("POST", "/completion", R"({"prompt":"a","stream":true,"n_predict":8000,"top_k":7,
                                                "temperature":0,"logit_bias":{"1":-100}})");
  ASSERT_EQ(client.ReadHead().status, 200);
  Json busy = slot();
  for (int tries = 0; tries < 6000 && At(busy, "n_decoded").is_null(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    busy = slot();
  }
  EXPECT_EQ(FieldText(busy, "is_processing"), "true") << busy.Dump();
  EXPECT_EQ(At(busy, "params.n_predict").AsInt(), 8000) << busy.Dump();
  EXPECT_EQ(At(busy, "params.top_k").AsInt(), 7);
  EXPECT_EQ(At(busy, "params.temperature").AsDouble(), 0.0);
  const int64_t decoded = At(busy, "next_token.0.n_decoded").AsInt().value_or(-1);
  EXPECT_GE(decoded, 0) << busy.Dump();
  EXPECT_EQ(At(busy, "next_token.0.n_remain").AsInt(), 8000 - decoded);
  EXPECT_EQ(FieldText(busy, "next_token.0.has_next_token"), "true");
}

// Names that dashboards made for llama.cpp and vLLM look for.
TEST(ServeCommand, MetricsHaveTheNamesOfOtherServers) {
  const ServeProcess server({"--model", kNano});
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", {}, kHello).status, 200);
  const std::string metrics = "\n" + Ask(server.port(), "GET", "/metrics").body;
  for (const char* name : {"llamacpp:prompt_tokens_total",
                           "llamacpp:tokens_predicted_total",
                           "llamacpp:prompt_tokens_seconds",
                           "llamacpp:predicted_tokens_seconds",
                           "llamacpp:prompt_seconds_total",
                           "llamacpp:tokens_predicted_seconds_total",
                           "llamacpp:n_decode_total",
                           "llamacpp:n_busy_slots_per_decode",
                           "llamacpp:requests_processing",
                           "llamacpp:requests_deferred",
                           "llamacpp:kv_cache_usage_ratio",
                           "vllm:num_requests_running",
                           "vllm:num_requests_waiting",
                           "vllm:kv_cache_usage_perc",
                           "vllm:prefix_cache_queries_total",
                           "vllm:prefix_cache_hits_total",
                           "vllm:prompt_tokens_total",
                           "vllm:generation_tokens_total",
                           "vllm:time_to_first_token_seconds_count",
                           "vllm:inter_token_latency_seconds_count",
                           "vllm:e2e_request_latency_seconds_count",
                           "vllm:request_success_total",
                           "vllm:num_preemptions_total"}) {
    const bool plain = metrics.find(StrCat("\n", name, " ")) != std::string::npos;
    const bool labelled = metrics.find(StrCat("\n", name, "{")) != std::string::npos;
    EXPECT_TRUE(plain || labelled) << name;
  }
  // One request alone is one place in every step.
  EXPECT_NE(metrics.find("\nllamacpp:n_busy_slots_per_decode 1\n"), std::string::npos) << metrics;
}

TEST(ServeCommand, MetricsCountWhatHappened) {
  const ServeProcess server({"--model", kNano});
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", {}, kHello).status, 200);
  EXPECT_EQ(Ask(server.port(), "GET", "/no/such/path").status, 404);
  const std::vector<std::string> lines = {
      "fathom_ready 1",
      "vllm:num_requests_running{model_name=\"nano\"} 0",
      "vllm:request_success_total{model_name=\"nano\",finished_reason=\"stop\"} 1",
      "vllm:time_to_first_token_seconds_count{model_name=\"nano\"} 1",
      "fathom_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1",
      "fathom_http_requests_total{route=\"other\",status=\"404\"} 1",
  };
  const auto missing = [&](const std::string& text) {
    std::string out;
    for (const std::string& line : lines) {
      if (text.find(line + "\n") == std::string::npos) out += line + "\n";
    }
    return out;
  };
  // A client can have the last byte of an answer before the server has counted it.
  ClientResponse metrics = Ask(server.port(), "GET", "/metrics");
  constexpr auto kLongest = std::chrono::seconds(30);
  for (const auto begin = std::chrono::steady_clock::now();
       !missing(metrics.body).empty() && std::chrono::steady_clock::now() - begin < kLongest;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    metrics = Ask(server.port(), "GET", "/metrics");
  }
  EXPECT_EQ(missing(metrics.body), "") << metrics.body;
  EXPECT_EQ(metrics.Header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(PrometheusFault(metrics.body), "") << metrics.body;
}

TEST(ServeCommand, ErrorsHaveTheProtocolsShapes) {
  const ServeProcess server({"--model", kNano});
  const ClientResponse unknown = Ask(server.port(), "GET", "/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_FALSE(At(JsonOf(unknown), "error.message").is_null()) << unknown;
  const ClientResponse anthropic = Ask(server.port(), "GET", "/anthropic/nothing");
  EXPECT_EQ(anthropic.status, 404);
  EXPECT_EQ(FieldText(JsonOf(anthropic), "type"), "error") << anthropic;
  const ClientResponse method = Ask(server.port(), "DELETE", "/v1/models");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.Header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", {}, "{").status, 400);
}

TEST(ServeCommand, CorsIsOffUntilOriginsAreNamed) {
  const Lines page = {"Origin: https://a.example"};
  {
    const ServeProcess closed({"--model", kNano});
    EXPECT_EQ(Ask(closed.port(), "GET", "/v1/models", page).Header("access-control-allow-origin"), "");
  }
  const ServeProcess open({"--model", kNano, "--cors", "https://a.example,https://b.example"});
  const ClientResponse models = Ask(open.port(), "GET", "/v1/models", page);
  EXPECT_EQ(models.Header("access-control-allow-origin"), "https://a.example") << models;
  EXPECT_EQ(models.Header("vary"), "Origin");
  const ClientResponse preflight = Ask(open.port(), "OPTIONS", "/v1/chat/completions",
                                       {"Origin: https://b.example", "Access-Control-Request-Method: POST",
                                        "Access-Control-Request-Headers: authorization,x-stainless-os"});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.Header("access-control-allow-headers"), "authorization,x-stainless-os");
  EXPECT_EQ(preflight.Header("allow"), "POST, OPTIONS");
  EXPECT_EQ(Ask(open.port(), "GET", "/v1/models", {"Origin: https://c.example"}).Header("access-control-allow-origin"),
            "");
}

TEST(ServeCommand, KeysScopesAndLimits) {
  const TemporaryDirectory directory;
  const std::string file = directory / "keys.json";
  const std::string user = MakeKey(file, {"user"});
  const std::string admin = MakeKey(file, {"admin", "--scope", "metrics,admin"});
  const std::string slow = MakeKey(file, {"slow", "--requests-per-minute", "1"});
  const std::string poor = MakeKey(file, {"poor", "--tokens-per-day", "1"});
  const std::string old = MakeKey(file, {"old", "--expires", "2020-01-01"});
  const ServeProcess server({"--model", kNano, "--keys", file});
  const auto status = [&](const char* path, const Lines& headers) {
    return Ask(server.port(), "GET", path, headers).status;
  };
  EXPECT_EQ(status("/health", {}), 200);
  EXPECT_EQ(status("/", {}), 200);
  EXPECT_EQ(status("/v1/models", {}), 401);
  EXPECT_EQ(status("/v1/models", Bearer("fk-wrong")), 401);
  EXPECT_EQ(status("/v1/models", Bearer(old)), 401);
  EXPECT_EQ(status("/v1/models", Bearer(user)), 200);
  EXPECT_EQ(status("/v1/models", {"x-api-key: " + user}), 200);
  EXPECT_EQ(status("/metrics", Bearer(user)), 403);
  EXPECT_EQ(status("/debug/engine", Bearer(user)), 403);
  EXPECT_EQ(status("/metrics", Bearer(admin)), 200);
  EXPECT_EQ(status("/debug/engine", Bearer(admin)), 200);
  EXPECT_EQ(status("/v1/models", Bearer(admin)), 403);
  EXPECT_EQ(status("/v1/models", Bearer(slow)), 200);
  const ClientResponse limited = Ask(server.port(), "GET", "/v1/models", Bearer(slow));
  EXPECT_EQ(limited.status, 429);
  EXPECT_FALSE(limited.Header("retry-after").empty()) << limited;
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", Bearer(poor), kHello).status, 200);
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", Bearer(poor), kHello).status, 429);
  const ClientResponse anthropic = Ask(server.port(), "POST", "/v1/messages", {}, "{}");
  EXPECT_EQ(anthropic.status, 401);
  EXPECT_EQ(FieldText(JsonOf(anthropic), "error.type"), "authentication_error") << anthropic;
}

TEST(ServeCommand, WhoMayNotHearsItBeforeTheBodyIsThere) {
  const TemporaryDirectory directory;
  const std::string file = directory / "keys.json";
  const std::string once = MakeKey(file, {"once", "--requests-per-minute", "1"});
  ServeProcess server({"--model", kNano, "--keys", file, "--audit-log", directory / "audit"});
  const auto half = [&](const std::string& path, const std::string& key) {
    HttpClient client(server.port(), std::chrono::seconds(120));
    client.Send(StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nx-api-key: ", key,
                       "\r\nContent-Length: 60000000\r\n\r\n{\"messages\": ["));
    return client.Read();
  };
  const ClientResponse messages = half("/v1/messages", "fk-wrong");
  EXPECT_EQ(messages.status, 401);
  EXPECT_EQ(FieldText(JsonOf(messages), "error.type"), "authentication_error") << messages;
  EXPECT_EQ(FieldText(JsonOf(messages), "type"), "error") << messages;
  const ClientResponse chat = half("/v1/chat/completions", "fk-wrong");
  EXPECT_EQ(chat.status, 401);
  EXPECT_EQ(FieldText(JsonOf(chat), "error.code"), "invalid_api_key") << chat;
  EXPECT_EQ(half("/v1/nothing", once).status, 404);
  EXPECT_EQ(half("/v1/models", once).status, 405);
  // The key's one request is counted once, however it arrives.
  HttpClient client(server.port(), std::chrono::seconds(120));
  const std::string body = kHello;
  client.Send(StrCat("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: ", once,
                     "\r\nContent-Length: ", body.size(), "\r\n\r\n"));
  client.Send(body);
  EXPECT_EQ(client.Read().status, 200);
  server.Signal(SIGTERM);
  ASSERT_EQ(server.Wait(), 0) << server.log();
  const std::string audit = ReadTestFile(directory / "audit");
  EXPECT_EQ(std::count(audit.begin(), audit.end(), '\n'), 5) << audit;
}

TEST(ServeCommand, BodiesOverTheLimitAreRefusedInTheShapeOfTheirPath) {
  const ServeProcess server({"--model", kNano, "--max-body", "4096", "--cors", "https://a.example"});
  const std::string body(5000, ' ');
  const auto send = [&](const char* path) {
    return Ask(server.port(), "POST", path, {"Origin: https://a.example"}, body);
  };
  const ClientResponse messages = send("/v1/messages");
  EXPECT_EQ(messages.status, 413);
  EXPECT_EQ(FieldText(JsonOf(messages), "type"), "error") << messages;
  EXPECT_EQ(FieldText(JsonOf(messages), "error.type"), "request_too_large") << messages;
  EXPECT_EQ(messages.Header("access-control-allow-origin"), "https://a.example") << messages;
  const ClientResponse chat = send("/v1/chat/completions");
  EXPECT_EQ(chat.status, 413);
  EXPECT_EQ(FieldText(JsonOf(chat), "error.type"), "invalid_request_error") << chat;
  EXPECT_EQ(FieldText(JsonOf(chat), "error.code"), "request_too_large") << chat;
  EXPECT_NE(FieldText(JsonOf(chat), "error.message").find("larger than 4096 bytes"), std::string::npos) << chat;
  EXPECT_EQ(chat.Header("access-control-allow-origin"), "https://a.example") << chat;
}

TEST(ServeCommand, KeysAreReadAgainAndLogsReopenedOnHangUp) {
  const TemporaryDirectory directory;
  const std::string file = directory / "keys.json";
  const std::string audit = directory / "audit.jsonl";
  const std::string first = MakeKey(file, {"first"});
  ServeProcess server({"--model", kNano, "--keys", file, "--audit-log", audit});
  const std::string second = MakeKey(file, {"second"});
  EXPECT_EQ(RunFathom({"serve", "keys", "--keys", file, "remove", "first"}).exit_code, 0);
  std::filesystem::rename(audit, audit + ".1");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForLog("read the keys again")) << server.log();
  EXPECT_EQ(Ask(server.port(), "GET", "/v1/models", Bearer(first)).status, 401);
  EXPECT_EQ(Ask(server.port(), "GET", "/v1/models", Bearer(second)).status, 200);
  server.Signal(SIGTERM);  // a request's line may be written after its answer
  ASSERT_EQ(server.Wait(), 0) << server.log();
  std::istringstream lines(ReadTestFile(audit));
  std::map<int64_t, Json> by_status;  // in whatever order they were written
  for (std::string line; std::getline(lines, line);) {
    const Json json = *ParseJson(line);
    by_status[At(json, "status").AsInt().value_or(0)] = json;
  }
  ASSERT_EQ(by_status.size(), 2u);
  ASSERT_TRUE(by_status.contains(401));
  ASSERT_TRUE(by_status.contains(200));
  EXPECT_EQ(FieldText(by_status[200], "key"), "second");
  EXPECT_EQ(FieldText(by_status[200], "route"), "/v1/models");
}

TEST(ServeCommand, TheAuditLogCountsTokensAndHoldsNoText) {
  const TemporaryDirectory directory;
  ServeProcess server({"--model", kNano, "--audit-log", directory / "audit"});
  const std::string body = R"({"messages":[{"role":"user","content":"Hello!"}],"user":"ann","max_tokens":20})";
  EXPECT_EQ(Ask(server.port(), "POST", "/v1/chat/completions", {}, body).status, 200);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  const std::string text = ReadTestFile(directory / "audit");
  EXPECT_EQ(text.find("Hello"), std::string::npos);
  const Json line = *ParseJson(text);
  EXPECT_EQ(FieldText(line, "user"), "ann");
  EXPECT_EQ(FieldText(line, "model"), "nano");
  EXPECT_GT(At(line, "prompt_tokens").AsInt().value_or(0), 0);
  EXPECT_GT(At(line, "completion_tokens").AsInt().value_or(0), 0);
  EXPECT_EQ(FieldText(line, "peer"), "127.0.0.1");
}

TEST(ServeCommand, WhatIsNotAcceptedIsSaid) {
  const TemporaryDirectory directory;
  const auto refused = [&](std::vector<std::string> arguments, const std::string& expected, RunOptions options = {}) {
    arguments.insert(arguments.begin(), "serve");
    options.environment.emplace_back("XDG_STATE_HOME", directory.path());
    options.environment.emplace_back("XDG_CACHE_HOME", directory.path());
    const RunResult result = RunFathom(arguments, options);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(expected), std::string::npos) << expected << "\n" << result;
  };
  refused({"--host", "0.0.0.0"}, "there are no API keys");
  refused({"--port", "70000"}, "--port is '70000'; accepted is 0 to 65535");
  refused({"--no-such-flag"}, "--no-such-flag");
  refused({"--tls-cert", "x"}, "--tls-key");
  refused({"--keys", directory / "absent.json"}, "fathom serve keys add");
  refused({"--config", directory / "absent.json"}, "absent.json");
  WriteTestFile(directory / "serve.json", R"({"prot": 80})");
  refused({"--config", directory / "serve.json"}, "there is no option 'prot'");
  RunOptions options;
  options.environment = {{"FATHOM_SERVE_HEARTBEAT", "never"}};
  refused({}, "FATHOM_SERVE_HEARTBEAT is 'never'", options);
  refused({"--port", "0", "--model", directory.path()}, "config.json");
  refused({"--port", "0", "--model", kNano, "--effort", "enormous"}, "--effort");
}

TEST(ServeCommand, EveryOptionNamesAValueThatItCannotHave) {
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& expected) {
    std::vector<std::string> all = {"serve"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const RunResult result = RunFathom(all);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(expected), std::string::npos) << expected << "\n" << result;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  };
  for (const ServeOption& option : ServeOptions()) {
    const std::string flag = StrCat("--", option.name);
    if (!option.is_flag()) {
      refused({flag, ""}, flag + " is empty; it needs a value");
      continue;
    }
    for (const char* value : {"maybe", "2x", "2"}) {
      refused({StrCat(flag, "=", value)}, StrCat(flag, " is '", value, "'; accepted is true or false"));
    }
  }
  refused({"--no-page=maybe"}, "--page is 'maybe'; accepted is true or false");
  refused({"--no-page=99999999999999999999"}, "accepted is true or false");
  refused({"keys", "add", "x", "--tokens-per-day", "99999999999999999999"},
          "--tokens-per-day is '99999999999999999999'; accepted is a whole number, 0 or more");
  refused({"keys", "add", ""}, "name is empty; it needs a value");
}

TEST(ServeCommand, SwitchesHaveAnOppositeAndTakeWords) {
  const ServeProcess server({"--model", kNano, "--page=off", "--no-strict-names", "--mmap"});
  const Json config = JsonOf(Ask(server.port(), "GET", "/debug/config"));
  EXPECT_EQ(FieldText(config, "page"), "false");
  EXPECT_EQ(FieldText(config, "strict_names"), "false");
  EXPECT_EQ(FieldText(config, "no_mmap"), "false");
}

TEST(ServeCommand, PrefixesOnDiskOutliveARestart) {
  const TemporaryDirectory directory;
  std::string text;
  for (int line = 0; line < 60; ++line) text += "The quick brown fox jumps over the lazy dog. ";
  const std::string body = R"({"messages":[{"role":"system","content":")" + text +
                           R"("},{"role":"user","content":"Hello!"}],"temperature":0,"max_tokens":20})";
  std::string answer;
  for (const bool restarted : {false, true}) {
    ServeProcess server({"--model", kNano, "--cache-dir", directory / "cache"});
    const Json json = JsonOf(Ask(server.port(), "POST", "/v1/chat/completions", {}, body));
    const int64_t prompt = At(json, "usage.prompt_tokens").AsInt().value_or(0);
    const int64_t cached = At(json, "usage.prompt_tokens_details.cached_tokens").AsInt().value_or(-1);
    const std::string message = At(json, "choices.0.message").Dump();
    const Json cache = JsonOf(Ask(server.port(), "GET", "/debug/cache"));
    if (restarted) {
      EXPECT_GE(cached * 100, prompt * 95) << cache.Dump();
      EXPECT_EQ(message, answer);
      EXPECT_NE(FieldText(cache, "data.0.reason").find("from disk"), std::string::npos) << cache.Dump();
    } else {
      EXPECT_EQ(cached, 0);
      EXPECT_NE(FieldText(cache, "data.0.reason").find("nothing that begins like this"), std::string::npos)
          << cache.Dump();
      answer = message;
    }
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0) << server.log();
  }
}

// Nano has 6 layers with a window of 128: a hit without a state reads 5 * 127 + 128 tokens again.
TEST(ServeCommand, WithoutStatesALongPromptIsLeftAnywhereAndAnswersHaveTheSameBits) {
  constexpr int64_t kReplay = 5 * 127 + 128;
  const TemporaryDirectory directory;
  std::string text;
  for (int line = 0; line < 120; ++line) text += "The quick brown fox jumps over the lazy dog. ";
  const auto body = [&](const std::string& question, bool cached) {
    return R"({"messages":[{"role":"system","content":")" + text + R"("},{"role":"user","content":")" + question +
           R"("}],"temperature":0.7,"seed":5,"max_tokens":16,"logprobs":true,"top_logprobs":3,"cache_prompt":)" +
           (cached ? "true}" : "false}");
  };
  for (const bool restarted : {false, true}) {
    ServeProcess server({"--model", kNano, "--cache-dir", directory / "cache", "--state-policy", "recompute"});
    const auto ask = [&](const std::string& question, bool cached) {
      return JsonOf(Ask(server.port(), "POST", "/v1/chat/completions", {}, body(question, cached)));
    };
    if (!restarted) ask("What is two plus two?", true);
    const std::string question = restarted ? "Who are you?" : "What can you do?";
    const Json undisturbed = ask(question, false);
    const Json answer = ask(question, true);
    EXPECT_EQ(At(answer, "choices").Dump(), At(undisturbed, "choices").Dump());
    const int64_t prompt = At(answer, "usage.prompt_tokens").AsInt().value_or(0);
    const int64_t cached = At(answer, "usage.prompt_tokens_details.cached_tokens").AsInt().value_or(0);
    EXPECT_GT(prompt, 2000);
    EXPECT_EQ(cached % 128, 0);
    EXPECT_GT(cached, prompt - 256);
    const Json cache = JsonOf(Ask(server.port(), "GET", "/debug/cache"));
    EXPECT_EQ(At(cache, "data.0.replayed_tokens").AsInt(), kReplay) << cache.Dump();
    const std::string source = restarted ? "from disk" : "from ram";
    EXPECT_NE(FieldText(cache, "data.0.reason").find(source + ", the last 763 of them read again"), std::string::npos)
        << cache.Dump();
    const std::string metrics = Ask(server.port(), "GET", "/metrics").body;
    EXPECT_NE(metrics.find("\nfathom_prefix_replayed_tokens_total 763\n"), std::string::npos);
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0) << server.log();
  }
}

TEST(ServeCommand, TheConfigurationFileIsUsed) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "serve.json", R"({"model_name": "fromfile", "max_queue": 7, "ctx": 512})");
  const ServeProcess server({"--model", kNano, "--config", directory / "serve.json", "--ctx", "1024"},
                            {{"FATHOM_SERVE_MAX_QUEUE", "9"}});
  const Json config = JsonOf(Ask(server.port(), "GET", "/debug/config"));
  EXPECT_EQ(FieldText(config, "model_name"), "fromfile");
  EXPECT_EQ(At(config, "max_queue").AsInt(), 9);
  EXPECT_EQ(At(config, "ctx").AsInt(), 1024);
}

TEST(ServeCommand, KeysAreListedWithoutTheirText) {
  const TemporaryDirectory directory;
  const std::string key = MakeKey(directory / "keys.json", {"one", "--priority", "5", "--expires", "2040-01-01"});
  const RunResult list = RunFathom({"serve", "keys", "--keys", directory / "keys.json", "list"});
  EXPECT_NE(list.out.find("one"), std::string::npos);
  EXPECT_NE(list.out.find("2040-01-01T00:00:00Z"), std::string::npos);
  EXPECT_EQ(list.out.find(key.substr(12)), std::string::npos);
  EXPECT_EQ(RunFathom({"serve", "keys", "--keys", directory / "keys.json", "add", "one"}).exit_code, 2);
  EXPECT_EQ(RunFathom({"serve", "keys", "--keys", directory / "keys.json", "remove", "two"}).exit_code, 2);
  EXPECT_EQ(RunFathom({"serve", "keys"}).exit_code, 2);
}

// Each reads the file, adds its key and writes it: one after the other.
TEST(ServeCommand, KeysMadeAtTheSameTimeAreAllThere) {
  const TemporaryDirectory directory;
  const std::string file = directory / "keys.json";
  std::vector<std::thread> administrators;
  for (int n = 0; n < 12; ++n) {
    administrators.emplace_back([&file, n] { MakeKey(file, {"key" + std::to_string(n)}); });
  }
  for (std::thread& administrator : administrators) administrator.join();
  const RunResult list = RunFathom({"serve", "keys", "--keys", file, "list"});
  for (int n = 0; n < 12; ++n) {
    EXPECT_NE(list.out.find("key" + std::to_string(n) + " "), std::string::npos) << n << "\n" << list.out;
  }
}

}  // namespace
}  // namespace fathom
