#include "server/authenticator.h"

#include <gtest/gtest.h>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

HttpRequest RequestWith(HttpHeaders headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  request.id = "r1";
  return request;
}

class AuthenticatorTest : public testing::Test {
 protected:
  std::string Add(ApiKey key) {
    const std::string secret = *store_.Add(std::move(key));
    EXPECT_TRUE(store_.Write(path_).ok());
    return secret;
  }
  std::unique_ptr<Authenticator> Open() {
    Result<std::unique_ptr<Authenticator>> opened = Authenticator::Open(path_, true);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(*opened);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_ / "keys.json";
  KeyStore store_;
};

// The kind of refusal; nothing if the request is allowed.
std::optional<ApiErrorKind> Refusal(const std::variant<Caller, ApiError>& checked) {
  const ApiError* error = std::get_if<ApiError>(&checked);
  return error == nullptr ? std::nullopt : std::optional(error->kind);
}

TEST_F(AuthenticatorTest, WithoutAFileEverybodyMay) {
  const std::unique_ptr<Authenticator> open = std::move(*Authenticator::Open(path_, false));
  EXPECT_FALSE(open->required());
  EXPECT_EQ(Refusal(open->Check(RequestWith({{"authorization", "Bearer anything"}}), Scope::kAdmin)), std::nullopt);
  EXPECT_EQ(Refusal(open->Check(RequestWith({}), Scope::kInference)), std::nullopt);
  EXPECT_EQ(Authenticator::Open(path_, true).status().code(), ErrorCode::kNotFound);
  Add({.name = "a"});
  EXPECT_TRUE(open->ReloadIfChanged().ok());
  EXPECT_TRUE(open->required());
  EXPECT_EQ(Refusal(open->Check(RequestWith({}), Scope::kInference)), ApiErrorKind::kAuthentication);
}

TEST_F(AuthenticatorTest, BothHeadersCarryAKeyAndAuthorizationWins) {
  const std::string key = Add({.name = "a", .priority = 4});
  const std::unique_ptr<Authenticator> auth = Open();
  for (const HttpHeaders& headers :
       {HttpHeaders{{"Authorization", "Bearer " + key}}, HttpHeaders{{"authorization", "bearer  " + key + " "}},
        HttpHeaders{{"X-Api-Key", key}}, HttpHeaders{{"x-api-key", "wrong"}, {"authorization", "Bearer " + key}}}) {
    const auto checked = auth->Check(RequestWith(headers), Scope::kInference);
    ASSERT_EQ(Refusal(checked), std::nullopt);
    EXPECT_EQ(std::get<Caller>(checked).priority, 4);
    EXPECT_EQ(std::get<Caller>(checked).request_id, "r1");
    EXPECT_EQ(auth->NameOf(std::get<Caller>(checked).key_id), "a");
  }
  for (const HttpHeaders& headers : {HttpHeaders{}, HttpHeaders{{"authorization", "Bearer wrong"}, {"x-api-key", key}},
                                     HttpHeaders{{"authorization", key}}, HttpHeaders{{"authorization", "Bearer "}}}) {
    EXPECT_EQ(Refusal(auth->Check(RequestWith(headers), Scope::kInference)), ApiErrorKind::kAuthentication);
  }
  EXPECT_EQ(Refusal(auth->Check(RequestWith({}), Scope::kNone)), std::nullopt);
}

TEST_F(AuthenticatorTest, ScopesAndExpiry) {
  const std::string metrics = Add({.name = "m", .scopes = {.inference = false, .metrics = true}});
  const std::string old = Add({.name = "o", .expires = *ParseUtc("2026-01-01")});
  const std::unique_ptr<Authenticator> auth = Open();
  const HttpRequest request = RequestWith({{"x-api-key", metrics}});
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kMetrics)), std::nullopt);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference)), ApiErrorKind::kPermission);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kAdmin)), ApiErrorKind::kPermission);
  const HttpRequest expired = RequestWith({{"x-api-key", old}});
  EXPECT_EQ(Refusal(auth->Check(expired, Scope::kInference, {.calendar = *ParseUtc("2026-01-01")})),
            ApiErrorKind::kAuthentication);
  EXPECT_EQ(Refusal(auth->Check(expired, Scope::kInference, {.calendar = *ParseUtc("2025-12-31T23:59:59Z")})),
            std::nullopt);
}

TEST_F(AuthenticatorTest, RequestsPerMinuteRefillEvenly) {
  const HttpRequest request = RequestWith({{"x-api-key", Add({.name = "a", .requests_per_minute = 2})}});
  const std::unique_ptr<Authenticator> auth = Open();
  UsageLimits::Now now;
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, now)), std::nullopt);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, now)), std::nullopt);
  const auto refused = auth->Check(request, Scope::kInference, now);
  ASSERT_EQ(Refusal(refused), ApiErrorKind::kRateLimited);
  EXPECT_EQ(std::get<ApiError>(refused).retry_after_s, 30);
  now.steady += std::chrono::seconds(30);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, now)), std::nullopt);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, now)), ApiErrorKind::kRateLimited);
}

TEST_F(AuthenticatorTest, WhoIsOnlyIdentifiedIsNotCounted) {
  const HttpRequest request = RequestWith({{"x-api-key", Add({.name = "a", .requests_per_minute = 1})}});
  const std::unique_ptr<Authenticator> auth = Open();
  for (int times = 0; times < 3; ++times) EXPECT_EQ(Refusal(auth->Identify(request, Scope::kInference)), std::nullopt);
  EXPECT_EQ(Refusal(auth->Identify(request, Scope::kAdmin)), ApiErrorKind::kPermission);
  EXPECT_EQ(Refusal(auth->Identify(RequestWith({{"x-api-key", "wrong"}}), Scope::kInference)),
            ApiErrorKind::kAuthentication);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference)), std::nullopt);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference)), ApiErrorKind::kRateLimited);
  EXPECT_EQ(Refusal(auth->Identify(request, Scope::kInference)), std::nullopt);
}

TEST_F(AuthenticatorTest, TokensPerDaySurviveARestartAndEndAtMidnight) {
  const HttpRequest request = RequestWith({{"x-api-key", Add({.name = "a", .tokens_per_day = 100})}});
  const UsageLimits::Now now;
  std::unique_ptr<Authenticator> auth = Open();
  const auto checked = auth->Check(request, Scope::kInference, now);
  ASSERT_EQ(Refusal(checked), std::nullopt);
  auth->limits().Charge(std::get<Caller>(checked).key_id, 99, now);
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, now)), std::nullopt);
  auth->limits().Charge(std::get<Caller>(checked).key_id, 1, now);
  EXPECT_TRUE(auth->limits().Save().ok());
  auth = Open();
  const auto refused = auth->Check(request, Scope::kInference, now);
  ASSERT_EQ(Refusal(refused), ApiErrorKind::kRateLimited);
  EXPECT_GT(*std::get<ApiError>(refused).retry_after_s, 0);
  EXPECT_LE(*std::get<ApiError>(refused).retry_after_s, 86400);
  const UsageLimits::Now tomorrow = {.calendar = now.calendar + std::chrono::hours(24)};
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference, tomorrow)), std::nullopt);
}

TEST_F(AuthenticatorTest, ADamagedUsageFileIsNoReasonNotToStart) {
  Add({.name = "a"});
  WriteTestFile(path_ + ".usage", "{\"day\": 7");
  EXPECT_TRUE(Open()->required());
}

TEST_F(AuthenticatorTest, AWrongFileLeavesTheOldKeysInForce) {
  const HttpRequest request = RequestWith({{"x-api-key", Add({.name = "a"})}});
  const std::unique_ptr<Authenticator> auth = Open();
  WriteTestFile(path_, "{");
  EXPECT_FALSE(auth->ReloadIfChanged().ok());
  EXPECT_TRUE(auth->ReloadIfChanged().ok()) << "the same fault is reported once";
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference)), std::nullopt);
  ASSERT_TRUE(store_.Remove("a").ok());
  ASSERT_TRUE(store_.Write(path_).ok());
  EXPECT_TRUE(auth->ReloadIfChanged().ok());
  EXPECT_EQ(Refusal(auth->Check(request, Scope::kInference)), ApiErrorKind::kAuthentication) << "no keys: nobody may";
}

}  // namespace
}  // namespace fathom
