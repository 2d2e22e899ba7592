// server.h - the parts of `fathom serve` put together: HTTP, keys, routes, protocols, logs.
//
//   FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<Server> server, Server::Start(config, std::move(authenticator)));
//   ...load the model; meanwhile every request is answered with 503 "Loading model"...
//   FATHOM_RETURN_IF_ERROR(server->Attach(engine, tokenizer, model, about));
//   while (!stop) server->Tick();  // about once a second
//   server->Drain(std::chrono::seconds(30));
//   server->Stop();
//   engine.reset();  // its last events still go to the server's logs
#ifndef FATHOM_SERVER_SERVER_H_
#define FATHOM_SERVER_SERVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "server/api/generation.h"
#include "server/authenticator.h"
#include "server/serve_config.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

class Server {
 public:
  // Listens from now on. An error names the address or the file that is not accepted.
  static Result<std::unique_ptr<Server>> Start(const ServeConfig& config, std::unique_ptr<Authenticator> authenticator);
  // After Stop(), and after the engine has ended.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the routes that need a model. The engine must end between Stop() and the
  // server's end, the tokenizer may outlive both. `machine` is shown on the page: an object of what
  // the model and the machine are.
  Status Attach(Engine* engine, const Tokenizer* tokenizer, ServedModel model, Json machine);

  uint16_t port() const;
  // "http://127.0.0.1:8000"
  std::string url() const;
  bool needs_keys() const;

  // Housekeeping: keys read again when their file has changed, token counts saved.
  void Tick();
  // What SIGHUP asks for: keys and TLS certificate read again, the audit log opened again. What was done, in words;
  // what was not is logged.
  std::string Reload();
  // No new requests; running answers get `limit` to finish. True if all did.
  bool Drain(std::chrono::milliseconds limit);
  // Closes all connections, which cancels what they asked for. No handler runs any more.
  void Stop();

 private:
  Server();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_SERVER_H_
