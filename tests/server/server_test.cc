#include "server/server.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/support/http_client.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::unique_ptr<Server> StartLoading(ServeConfig config) {
  config.port = 0;
  Result<std::unique_ptr<Server>> server = Server::Start(config, std::move(*Authenticator::Open("", false)));
  EXPECT_TRUE(server.ok()) << server.status().message();
  return std::move(*server);
}

ClientResponse Get(const Server& server, std::string_view path) {
  HttpClient client(server.port());
  client.SendRequest("GET", path);
  return client.Read();
}

TEST(Server, SaysThatItLoadsTheModelUntilItIsThere) {
  const std::unique_ptr<Server> server = StartLoading({});
  const ClientResponse health = Get(*server, "/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_EQ(ParseJson(health.body)->Find("error")->Find("message")->string(), "Loading model");
  EXPECT_FALSE(health.Header("retry-after").empty());
  HttpClient client(server->port());
  client.SendRequest("POST", "/v1/chat/completions", "{}");
  EXPECT_EQ(client.Read().status, 503);
  client.SendRequest("POST", "/v1/messages", "{}");
  const ClientResponse messages = client.Read();
  EXPECT_EQ(messages.status, 529);
  EXPECT_EQ(ParseJson(messages.body)->Find("error")->Find("type")->string(), "overloaded_error");
  EXPECT_EQ(Get(*server, "/").status, 200);
  EXPECT_NE(Get(*server, "/metrics").body.find("fathom_ready 0\n"), std::string::npos);
}

TEST(Server, ThePageCanBeLeftOut) {
  const std::unique_ptr<Server> server = StartLoading({.page = false});
  EXPECT_EQ(Get(*server, "/").status, 200);
  EXPECT_EQ(Get(*server, "/").body.find("<html"), std::string::npos);
}

TEST(Server, WhatCannotStartSaysWhy) {
  const TemporaryDirectory directory;
  const auto error = [](ServeConfig config) {
    config.port = 0;
    const Result<std::unique_ptr<Server>> server = Server::Start(config, std::move(*Authenticator::Open("", false)));
    return server.ok() ? std::string("started") : server.status().message();
  };
  EXPECT_NE(error({.host = "0.0.0.0"}).find("no API keys"), std::string::npos);
  EXPECT_NE(error({.audit_log = "/nowhere/audit"}).find("/nowhere/audit"), std::string::npos);
  EXPECT_NE(error({.tls_cert = directory / "c", .tls_key = directory / "k"}).find(directory / "c"), std::string::npos);
}

}  // namespace
}  // namespace fathom
