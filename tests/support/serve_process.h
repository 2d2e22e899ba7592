// serve_process.h - a running `fathom serve` for tests, and a client that knows no more than HTTP/1.1.
//
//   ServeProcess server({"--model", model});
//   const WebAnswer answer = Fetch(server.port(), "GET", "/health");
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

struct WebAnswer {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;  // chunks put together

  // The value of a header (any case); empty if it is absent.
  std::string Header(std::string_view name) const;
};
std::ostream& operator<<(std::ostream& stream, const WebAnswer& answer);

using WebHeaders = std::vector<std::pair<std::string, std::string>>;

// One request on a connection of its own.
WebAnswer Fetch(uint16_t port, std::string_view method, std::string_view path, const WebHeaders& headers = {},
                std::string_view body = {});
std::string RequestText(std::string_view method, std::string_view path, const WebHeaders& headers,
                        std::string_view body);
WebAnswer ParseAnswer(const std::string& bytes);

// A connection by hand.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Send(std::string_view bytes) const;
  // Reads until all that was read contains `text`; false if the other side closes before.
  bool ReadUntil(std::string_view text);
  // Everything until the other side closes.
  const std::string& ReadAll();
  const std::string& received() const { return received_; }
  int fd() const { return fd_; }

 private:
  bool ReadSome();
  int fd_;
  std::string received_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_SERVE_PROCESS_H_
