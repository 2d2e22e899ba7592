// http_fixture.h - an HTTP server whose paths show one behaviour each.
#ifndef FATHOM_TESTS_SERVER_HTTP_HTTP_FIXTURE_H_
#define FATHOM_TESTS_SERVER_HTTP_HTTP_FIXTURE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "server/http/http_server.h"
#include "tests/support/http_client.h"

namespace fathom {

class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpServerOptions options = {}) {
    options.port = 0;
    Result<std::unique_ptr<HttpServer>> server =
        HttpServer::Start(options, [this](std::shared_ptr<HttpExchange> exchange) { Handle(std::move(exchange)); });
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }

  void Handle(std::shared_ptr<HttpExchange> exchange) {
    const HttpRequest& request = exchange->request();
    if (request.path == "/echo") {
      exchange->Respond(
          {200, {{"Content-Type", "text/plain"}}, request.method + " " + request.query + " " + request.body});
    } else if (request.path == "/stream") {
      exchange->StartStream(200, {{"Content-Type", "text/event-stream"}}, ": beat\n\n");
      for (int index = 0; index < 3; ++index) exchange->Write(StrCat("data: ", index, "\n\n"));
      exchange->End();
    } else if (request.path == "/nothing") {
      return;  // dropped
    } else if (request.path == "/throw") {
      throw std::bad_alloc();
    } else if (request.path == "/large") {
      exchange->StartStream(200, {}, "");
      EXPECT_TRUE(exchange->Write(std::string(1000 * 1000, 'x')));
      EXPECT_TRUE(exchange->Write("end"));
      exchange->End();
    } else if (request.path == "/flood") {
      exchange->StartStream(200, {}, "");
      const std::string block(64 * 1024, 'x');
      while (exchange->Write(block)) {
      }
      flood_ended_ = true;
    } else {  // "/hold...": kept until the test lets it go
      if (request.path == "/hold-stream") exchange->StartStream(200, {}, ": beat\n\n");
      exchange->OnDisconnect([this] {
        const std::lock_guard lock(mutex_);
        ++disconnects_;
        changed_.notify_all();
      });
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(exchange));
      changed_.notify_all();
    }
  }

  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), condition);
  }
  // For what no callback tells.
  static bool Eventually(const std::function<bool()>& condition) {
    for (int tries = 0; tries < 2000; ++tries) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  std::vector<std::shared_ptr<HttpExchange>> TakeHeld(size_t count) {
    EXPECT_TRUE(WaitFor([&] { return held_.size() >= count; }));
    const std::lock_guard lock(mutex_);
    return std::exchange(held_, {});
  }
  int disconnects() {
    const std::lock_guard lock(mutex_);
    return disconnects_;
  }
  uint16_t port() const { return server_->port(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  int disconnects_ = 0;
  std::atomic<bool> flood_ended_{false};
  std::unique_ptr<HttpServer> server_;  // last: its threads use the rest
};

}  // namespace fathom

#endif  // FATHOM_TESTS_SERVER_HTTP_HTTP_FIXTURE_H_
