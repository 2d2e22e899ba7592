// serve_process.h - a running `fathom serve` for tests, and one-line requests to it.
//
//   ServeProcess server({"--model", model});
//   const ClientResponse answer = Ask(server.port(), "GET", "/health");
//   server.Signal(SIGTERM);
//   EXPECT_EQ(server.Wait(), 0) << server.log();
#ifndef FATHOM_TESTS_SUPPORT_SERVE_PROCESS_H_
#define FATHOM_TESTS_SUPPORT_SERVE_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/http_client.h"
#include "tests/support/run_binary.h"

namespace fathom {

class ServeProcess {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;
  // Starts `fathom serve --port 0` with more arguments and waits until it is ready; FATHOM_* variables are removed from
  // its environment, its state and cache directories are its own. Fails the test if it does not become ready.
  explicit ServeProcess(const std::vector<std::string>& arguments, const Environment& environment = {});
  // Kills it if it still runs.
  ~ServeProcess();
  ServeProcess(const ServeProcess&) = delete;
  ServeProcess& operator=(const ServeProcess&) = delete;

  uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  void Signal(int number) const;
  // Waits for the end; the exit code, 128 + n after signal n.
  int Wait();
  // Everything it wrote, standard output first.
  std::string log() const;
  // Waits until it has written `text`; false after a while.
  bool WaitForLog(std::string_view text) const;
  // A directory of its own that lives as long as this.
  std::string operator/(std::string_view name) const { return directory_ / name; }

 private:
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

// One request on a connection of its own; headers as lines. Patient enough for a sanitizer.
ClientResponse Ask(uint16_t port, std::string_view method, std::string_view path,
                   const std::vector<std::string>& headers = {}, std::string_view body = {});
std::ostream& operator<<(std::ostream& stream, const ClientResponse& response);

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_SERVE_PROCESS_H_
