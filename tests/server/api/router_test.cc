#include "server/api/router.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/api/api_error.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

Route At(const char* method, const char* path) { return {method, path, Protocol::kOpenAi, Scope::kInference, {}}; }

TEST(Router, FindsByMethodAndPath) {
  Router router;
  router.Add(At("GET", "/v1/models"));
  router.Add(At("GET", "/v1/models/{id}"));
  router.Add(At("GET", "/v1/models/exact"));
  router.Add(At("POST", "/v1/models"));
  ASSERT_NE(router.Find("GET", "/v1/models").route, nullptr);
  EXPECT_EQ(router.Find("HEAD", "/v1/models").route, router.Find("GET", "/v1/models").route);
  EXPECT_EQ(router.Find("POST", "/v1/models").route->method, "POST");
  EXPECT_EQ(router.Find("GET", "/v1/models/any-name").route->path, "/v1/models/{id}");
  EXPECT_EQ(router.Find("GET", "/v1/models/exact").route->path, "/v1/models/exact");
  EXPECT_EQ(router.Find("GET", "/v1/models/").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/v1/models/a/b").route, nullptr);
  router.Add(At("GET", "/v1/models/{id}/items"));
  EXPECT_EQ(router.Find("GET", "/v1/models/a/items").route->path, "/v1/models/{id}/items");
  for (const char* path :
       {"/v1/models//items", "/v1/models/items/", "/v1/models/a/b/items", "/v1/models/items/items/"}) {
    EXPECT_EQ(router.Find("GET", path).route, nullptr) << path;
  }
  EXPECT_EQ(router.Find("GET", "/v1/models/items").route->path, "/v1/models/{id}");
  router.Add(At("GET", "/names/{rest}"));
  router.Add(At("GET", "/names/exact"));
  EXPECT_EQ(router.Find("GET", "/names/a").route->path, "/names/{rest}");
  EXPECT_EQ(router.Find("GET", "/names/a/b").route->path, "/names/{rest}");
  EXPECT_EQ(router.Find("GET", "/names/exact").route->path, "/names/exact");
  EXPECT_EQ(router.Find("GET", "/names/").route, nullptr);
  EXPECT_EQ(router.Find("GET", "/names").route, nullptr);
  EXPECT_TRUE(router.Find("GET", "/v2").allowed_methods.empty());
  const Router::Match wrong = router.Find("DELETE", "/v1/models");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(wrong.allowed_methods, "GET, HEAD, POST, OPTIONS");
}

TEST(Router, ErrorsHaveTheShapeOfTheirProtocol) {
  const struct {
    ApiErrorKind kind;
    int status;
    const char* code;
    int anthropic_status;
    const char* anthropic_type;
  } cases[] = {
      {ApiErrorKind::kInvalidRequest, 400, "invalid_request_error", 400, "invalid_request_error"},
      {ApiErrorKind::kContextTooLong, 400, "context_length_exceeded", 400, "invalid_request_error"},
      {ApiErrorKind::kAuthentication, 401, "invalid_api_key", 401, "authentication_error"},
      {ApiErrorKind::kPermission, 403, "permission_denied", 403, "permission_error"},
      {ApiErrorKind::kNotFound, 404, "not_found", 404, "not_found_error"},
      {ApiErrorKind::kModelNotFound, 404, "model_not_found", 404, "not_found_error"},
      {ApiErrorKind::kMethodNotAllowed, 405, "method_not_allowed", 405, "invalid_request_error"},
      {ApiErrorKind::kTooLarge, 413, "request_too_large", 413, "request_too_large"},
      {ApiErrorKind::kRateLimited, 429, "rate_limit_exceeded", 429, "rate_limit_error"},
      {ApiErrorKind::kInternal, 500, "server_error", 500, "api_error"},
      {ApiErrorKind::kDeadline, 504, "deadline_exceeded", 504, "timeout_error"},
      {ApiErrorKind::kOverloaded, 503, "server_overloaded", 529, "overloaded_error"},
  };
  for (const auto& test : cases) {
    FakeExchange openai;
    RespondError(openai, Protocol::kOpenAi, {test.kind, "It is so.", "n", 7});
    EXPECT_EQ(openai.response().status, test.status);
    const Json answer = openai.json();
    const Json* error = answer.Find("error");
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->Find("code")->string(), test.code);
    EXPECT_EQ(error->Find("param")->string(), "n");
    EXPECT_EQ(error->Find("message")->string(), "It is so.");
    EXPECT_EQ(openai.response().headers.back(), (std::pair<std::string, std::string>("Retry-After", "7")));
    const std::pair<std::string, std::string> never("x-should-retry", "false");
    EXPECT_EQ(std::ranges::count(openai.response().headers, never), test.kind == ApiErrorKind::kDeadline ? 1 : 0);
    FakeExchange anthropic;
    RespondError(anthropic, Protocol::kAnthropic, {test.kind, "It is so."});
    EXPECT_EQ(anthropic.response().status, test.anthropic_status);
    const Json body = anthropic.json();
    EXPECT_EQ(body.Find("type")->string(), "error");
    EXPECT_EQ(body.Find("error")->Find("type")->string(), test.anthropic_type);
    if (test.kind == ApiErrorKind::kContextTooLong) {
      EXPECT_TRUE(body.Find("error")->Find("message")->string().starts_with("prompt is too long"));
    }
  }
}

}  // namespace
}  // namespace fathom
