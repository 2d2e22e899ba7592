#include "server/api/anthropic_routes.h"

#include <gtest/gtest.h>

#include "server/api/openai_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

std::shared_ptr<FakeExchange> GetModel(ServedModel model, const std::string& path) {
  GenerationService service(*NanoEngine().engine, *NanoEngine().tokenizer, std::move(model), nullptr, nullptr);
  Router router;
  AddOpenAiRoutes(&router, &service, {});
  AddAnthropicRoutes(&router, &service, {});
  auto exchange = std::make_shared<FakeExchange>(path, "");
  exchange->mutable_request().headers = {{"anthropic-version", "2023-06-01"}};
  const Router::Match match = router.Find("GET", path);
  EXPECT_NE(match.route, nullptr) << path;
  if (match.route != nullptr) match.route->handler(exchange, {});
  return exchange;
}

TEST(AnthropicRoutes, AModelIsFoundByAnIdWithSlashes) {
  ServedModel strict = NanoModel();
  strict.any_name = false;
  strict.aliases = {"vendor/name"};
  for (const char* base : {"/v1", "/anthropic/v1"}) {
    const std::string prefix = std::string(base) + "/models/";
    const auto found = GetModel(strict, prefix + "vendor/name");
    EXPECT_EQ(found->response().status, 200) << base;
    const Json model = found->json();
    EXPECT_EQ(model.Find("type")->string(), "model");
    EXPECT_EQ(model.Find("id")->string(), "vendor/name");
    EXPECT_EQ(model.Find("display_name")->string(), "vendor/name");
    EXPECT_EQ(model.Find("created_at")->string(), "2023-11-14T22:13:20Z");
    const auto other = GetModel(strict, prefix + "claude");
    EXPECT_EQ(other->response().status, 404) << base;
    EXPECT_EQ(other->json().Find("error")->Find("type")->string(), "not_found_error");
    EXPECT_EQ(GetModel(NanoModel(), prefix + "claude")->json().Find("id")->string(), "claude");
  }
}

}  // namespace
}  // namespace fathom
