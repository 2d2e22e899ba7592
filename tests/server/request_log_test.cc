#include "server/request_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// An exchange without a network.
class FakeExchange : public HttpExchange {
 public:
  explicit FakeExchange(HttpRequest request) : request_(std::move(request)) {}
  const HttpRequest& request() const override { return request_; }
  void Respond(HttpResponse response) override { answer = std::move(response); }
  void StartStream(int status, HttpHeaders headers, std::string) override { answer = {status, std::move(headers), ""}; }
  bool Write(std::string_view bytes) override {
    answer.body += bytes;
    return !client_left;
  }
  void End() override {}
  void OnDisconnect(std::function<void()>) override {}

  HttpResponse answer;
  bool client_left = false;

 private:
  const HttpRequest request_;
};

class RequestLogTest : public testing::Test {
 protected:
  void Open(bool with_text) {
    auth_ = std::move(*Authenticator::Open("", false));
    audit_ = std::move(*AuditLog::Open(path_));
    log_ = std::make_shared<RequestLog>(auth_.get(), &metrics_, audit_.get(),
                                        RequestLog::Options{.model_name = "nano", .audit_text = with_text});
  }
  std::shared_ptr<FakeExchange> Exchange(const std::string& id) {
    return std::make_shared<FakeExchange>(HttpRequest{.method = "POST",
                                                      .path = "/v1/chat/completions",
                                                      .query = "",
                                                      .headers = {},
                                                      .body = "{\"q\":1}",
                                                      .peer = "127.0.0.1",
                                                      .id = id});
  }
  std::vector<Json> Lines() {
    std::vector<Json> lines;
    std::istringstream text(ReadTestFile(path_));
    for (std::string line; std::getline(text, line);) lines.push_back(*ParseJson(line));
    return lines;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "audit.jsonl";
  std::unique_ptr<Authenticator> auth_;
  std::unique_ptr<AuditLog> audit_;
  ServerMetrics metrics_;
  std::shared_ptr<RequestLog> log_;
};

TEST_F(RequestLogTest, ALineHoldsWhatTheEngineReportedAndNoText) {
  Open(false);
  const auto inner = Exchange("r1");
  auto tracked = log_->Track(inner, {.route = "/v1/chat/completions", .extra = {{"X", "y"}}});
  tracked->StartStream(200, {}, "");
  EXPECT_TRUE(tracked->Write("secret answer"));
  log_->OnFinished({.kind = "chat",
                    .caller = {.user = "ann", .request_id = "r1"},
                    .usage = {.prompt_tokens = 10, .cached_tokens = 4, .replayed_tokens = 2, .completion_tokens = 3},
                    .reasoning_tokens = 1,
                    .timings = {},
                    .finish = "stop",
                    .cache_note = "new prompt"});
  EXPECT_TRUE(Lines().empty()) << "not over yet";
  tracked.reset();
  const std::vector<Json> lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].Find("route")->string(), "/v1/chat/completions");
  EXPECT_EQ(lines[0].Find("user")->string(), "ann");
  EXPECT_EQ(lines[0].Find("status")->AsInt(), 200);
  EXPECT_EQ(lines[0].Find("cached_tokens")->AsInt(), 4);
  EXPECT_EQ(lines[0].Find("finish")->string(), "stop");
  EXPECT_EQ(lines[0].Find("answer"), nullptr);
  EXPECT_EQ(ReadTestFile(path_).find("secret"), std::string::npos);
  EXPECT_EQ(inner->answer.headers.back().second, "y");
  const Json recent = log_->RecentGenerations();
  const Json& first = recent.Find("data")->items().at(0);
  EXPECT_EQ(first.Find("missed_tokens")->AsInt(), 6);
  EXPECT_EQ(first.Find("replayed_tokens")->AsInt(), 2);
  EXPECT_EQ(first.Find("reason")->string(), "new prompt");
}

TEST_F(RequestLogTest, TextIsKeptWhenAskedForAndInvalidUtf8DoesNotBreakTheLine) {
  Open(true);
  auto tracked = log_->Track(Exchange("r1"), {.route = "other"});
  tracked->Respond({400, {}, "bad \xff byte"});
  tracked.reset();
  ASSERT_EQ(Lines().size(), 1U);
  EXPECT_EQ(Lines()[0].Find("request")->string(), "{\"q\":1}");
  EXPECT_EQ(Lines()[0].Find("answer")->string(), "bad \\xff byte");
}

TEST_F(RequestLogTest, AClientThatLeavesIsNoted) {
  Open(false);
  const auto inner = Exchange("r1");
  inner->client_left = true;
  auto tracked = log_->Track(inner, {.route = "x"});
  tracked->StartStream(200, {}, "");
  EXPECT_FALSE(tracked->Write("a"));
  tracked.reset();
  EXPECT_TRUE(Lines().at(0).Find("client_left")->boolean());
}

TEST_F(RequestLogTest, RotationGoesOnInANewFile) {
  Open(false);
  log_->Track(Exchange("r1"), {.route = "a"})->Respond({200, {}, ""});
  ASSERT_EQ(std::rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  log_->Track(Exchange("r2"), {.route = "b"})->Respond({200, {}, ""});
  ASSERT_TRUE(audit_->Reopen().ok());
  log_->Track(Exchange("r3"), {.route = "c"})->Respond({200, {}, ""});
  ASSERT_EQ(Lines().size(), 1U);
  EXPECT_EQ(Lines()[0].Find("route")->string(), "c");
  const std::string old = ReadTestFile(path_ + ".1");
  EXPECT_EQ(std::count(old.begin(), old.end(), '\n'), 2);
}

TEST(AuditLog, AFullDiskLosesLinesAndNothingElse) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  const std::unique_ptr<AuditLog> log = std::move(*AuditLog::Open("/dev/full"));
  log->Write(Json::Object());
  log->Write(Json::Object());
  EXPECT_EQ(log->lost_lines(), 2);
  EXPECT_FALSE(AuditLog::Open("/nowhere/audit").ok());
}

}  // namespace
}  // namespace fathom
