#include "server/http/http_server.h"

#include <thread>
#include <utility>
#include <vector>

#include "server/http/http_core.h"

namespace fathom {
namespace {

class Server : public HttpServer {
 public:
  explicit Server(std::shared_ptr<HttpCore> core) : core_(std::move(core)) {
    for (int worker = 0; worker < core_->options().workers; ++worker) {
      threads_.emplace_back([core = core_] { core->work().Run(); });
    }
    threads_.emplace_back([core = core_] { core->io().run(); });
  }
  ~Server() override {
    core_->work().Stop();
    core_->Close();
    for (std::thread& thread : threads_) thread.join();
  }

  uint16_t port() const override { return core_->port(); }
  HttpServerStats stats() const override { return core_->stats(); }
  bool Drain(std::chrono::milliseconds limit) override { return core_->Drain(limit); }
  Status ReloadTls() override { return core_->ReloadTls(); }

 private:
  const std::shared_ptr<HttpCore> core_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options, HttpHandler handler) {
  auto core = std::make_shared<HttpCore>(options, std::move(handler));
  FATHOM_RETURN_IF_ERROR(core->Listen());
  core->Run();
  return std::unique_ptr<HttpServer>(std::make_unique<Server>(std::move(core)));
}

}  // namespace fathom
