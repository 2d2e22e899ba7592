#include "server/http/http_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/server/http/http_fixture.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int StatusOverIpv6(uint16_t port) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(port);
  int status = 0;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    static constexpr std::string_view kRequest = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char answer[16] = "";
    if (send(fd, kRequest.data(), kRequest.size(), 0) > 0 && recv(fd, answer, 12, MSG_WAITALL) == 12) {
      status = std::atoi(answer + 9);
    }
  }
  close(fd);
  return status;
}

TEST_F(HttpServerTest, LocalhostIsBothLoopbackAddresses) {
  Start({.host = "localhost"});
  EXPECT_EQ(Fetch(port(), "GET", "/echo").status, 200);
  const auto handler = [](const std::shared_ptr<HttpExchange>&) {};
  if (!HttpServer::Start({.host = "::1", .port = 0}, handler).ok()) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_EQ(StatusOverIpv6(port()), 200);
}

#if !defined(__SANITIZE_THREAD__)  // it cannot start threads after a fork

// In a network of its own with 8 ports to choose from, of which `taken` are somebody else's at ::1. What the server
// says about a start at localhost, "" if it started at a port that is free at both addresses; "skip" if such a network
// cannot be had. Runs in a process of its own.
std::string StartAmongTakenPorts(int taken) {
  constexpr uint16_t kFirst = 40000;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return "skip";
  std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
  if (!(range << kFirst << " " << kFirst + 7 << std::flush)) return "skip";
  ifreq loopback = {};
  loopback.ifr_name[0] = 'l';
  loopback.ifr_name[1] = 'o';
  loopback.ifr_flags = IFF_UP;
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0) return "skip";
  const auto handler = [](const std::shared_ptr<HttpExchange>&) {};
  std::vector<std::unique_ptr<HttpServer>> others;
  for (int index = 0; index < taken; ++index) {
    auto other = HttpServer::Start({.host = "::1", .port = static_cast<uint16_t>(kFirst + index)}, handler);
    if (!other.ok()) return "skip";
    others.push_back(std::move(*other));
  }
  const auto server = HttpServer::Start({.host = "localhost", .port = 0}, handler);
  if (!server.ok()) return server.status().message();
  return (*server)->port() >= kFirst + taken ? "" : StrCat("started at ", (*server)->port());
}

std::string InAProcess(const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const std::string text = work() + "\n";
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char byte = 0;
  while (read(ends[0], &byte, 1) == 1) text += byte;
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return text;  // with its line's end, if the process came so far
}

TEST_F(HttpServerTest, LocalhostTakesAPortThatIsFreeAtBothAddresses) {
  const std::string started = InAProcess([] { return StartAmongTakenPorts(7); });
  if (started == "skip\n") GTEST_SKIP() << "no network of its own to be had";
  EXPECT_EQ(started, "\n");
  const std::string refused = InAProcess([] { return StartAmongTakenPorts(8); });
  EXPECT_NE(refused.find("cannot listen on "), std::string::npos) << refused;
}

#endif

TEST_F(HttpServerTest, DrainLetsRunningAnswersFinish) {
  Start();
  HttpClient idle(port());
  idle.SendRequest("GET", "/echo");
  idle.Read();
  HttpClient busy(port());
  busy.SendRequest("GET", "/hold");
  const auto held = TakeHeld(1);
  EXPECT_FALSE(server_->Drain(milliseconds(50)));
  EXPECT_TRUE(idle.WaitForClose());
  std::thread finishes([&] {
    std::this_thread::sleep_for(milliseconds(100));
    held[0]->Respond({200, {}, "done"});
  });
  EXPECT_TRUE(server_->Drain(seconds(20)));
  finishes.join();
  const ClientResponse response = busy.Read();
  EXPECT_EQ(response.body, "done");
  EXPECT_TRUE(busy.WaitForClose());
  EXPECT_FALSE(HttpClient(port()).connected());
}

TEST_F(HttpServerTest, ExchangesMayOutliveTheServer) {
  Start();
  HttpClient client(port());
  client.SendRequest("GET", "/hold-stream");
  const auto held = TakeHeld(1);
  server_.reset();
  EXPECT_FALSE(held[0]->Write("late"));
  held[0]->End();
  EXPECT_EQ(disconnects(), 1);
}

TEST_F(HttpServerTest, LimitsTheNumberOfConnections) {
  Start({.max_connections = 2});
  HttpClient first(port());
  HttpClient second(port());
  first.SendRequest("GET", "/echo");
  second.SendRequest("GET", "/echo");
  EXPECT_EQ(first.Read().status, 200);
  EXPECT_EQ(second.Read().status, 200);
  HttpClient third(port());
  EXPECT_NE(third.ReadAll().find(" 503 "), std::string::npos);
}

TEST_F(HttpServerTest, TwoHundredStreamsAtOnce) {
  Start();
  std::vector<HttpClient> clients;
  for (int index = 0; index < 200; ++index) {
    clients.emplace_back(port());
    ASSERT_TRUE(clients.back().SendRequest("GET", "/hold-stream"));
  }
  const auto held = TakeHeld(200);
  std::vector<std::thread> writers;
  for (size_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int event = 0; event < 50; ++event) {
        for (size_t at = writer; at < held.size(); at += 4) held[at]->Write(StrCat("data: ", event, "\n\n"));
      }
      for (size_t at = writer; at < held.size(); at += 4) held[at]->End();
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::string expected;
  for (int event = 0; event < 50; ++event) expected += StrCat("data: ", event, "\n\n");
  for (HttpClient& client : clients) EXPECT_EQ(client.Read().body, expected);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

TEST_F(HttpServerTest, AThousandSilentStreamsCostLittle) {
  Start();
  std::vector<HttpClient> clients;
  clients.reserve(1000);
  const int64_t before = ResidentBytes();
  for (int index = 0; index < 1000; ++index) {
    clients.emplace_back(port());
    if (!clients.back().connected()) GTEST_SKIP() << "this machine allows too few open files";
    ASSERT_TRUE(clients.back().SendRequest("GET", "/hold-stream"));
  }
  const auto held = TakeHeld(1000);
  for (HttpClient& client : clients) ASSERT_EQ(client.ReadHead().status, 200);
  const int64_t bytes = ResidentBytes() - before;  // of server and clients together
  std::printf("1000 silent streams: %.1f MB\n", static_cast<double>(bytes) / 1e6);
  EXPECT_LT(bytes, int64_t{50} * 1000 * 1000);
}
#endif

TEST(HttpServerErrors, NamesWhatItCannotListenOn) {
  const auto handler = [](const std::shared_ptr<HttpExchange>&) {};
  const auto first = HttpServer::Start({.port = 0}, handler);
  ASSERT_TRUE(first.ok());
  const uint16_t port = (*first)->port();
  const auto second = HttpServer::Start({.port = port}, handler);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(StrCat("127.0.0.1 port ", port)), std::string::npos);
  EXPECT_FALSE(HttpServer::Start({.host = "example", .port = 0}, handler).ok());
  const auto tls =
      HttpServer::Start({.port = 0, .tls_certificate = "/nowhere/cert.pem", .tls_key = "/nowhere/key.pem"}, handler);
  ASSERT_FALSE(tls.ok());
  EXPECT_NE(tls.status().message().find("/nowhere/cert.pem"), std::string::npos);
  EXPECT_FALSE(HttpServer::Start({.port = 0, .tls_certificate = "/nowhere/cert.pem"}, handler).ok());
}

}  // namespace
}  // namespace fathom
