#include "server/http/http_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <new>
#include <random>
#include <thread>

#include "base/strings.h"
#include "tests/support/http_client.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A server whose paths show one behaviour each.
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
    return changed_.wait_for(lock, seconds(20), condition);
  }
  // For what no callback tells.
  static bool Eventually(const std::function<bool()>& condition) {
    for (int tries = 0; tries < 2000; ++tries) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  std::vector<std::shared_ptr<HttpExchange>> TakeHeld(size_t count) {
    EXPECT_TRUE(WaitFor([&] { return held_.size() >= count; }));
    const std::lock_guard lock(mutex_);
    return std::exchange(held_, {});
  }
  uint16_t port() const { return server_->port(); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<HttpExchange>> held_;
  int disconnects_ = 0;
  std::atomic<bool> flood_ended_{false};
  std::unique_ptr<HttpServer> server_;  // last: its threads use the rest
};

TEST_F(HttpServerTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  HttpClient client(port());
  for (int index = 0; index < 3; ++index) {
    ASSERT_TRUE(client.SendRequest("POST", "/echo?a=%20b", StrCat("body ", index)));
    const ClientResponse response = client.Read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, StrCat("POST a=%20b body ", index));
    EXPECT_EQ(response.Header("Connection"), "keep-alive");
    EXPECT_FALSE(response.Header("x-request-id").empty());
    EXPECT_FALSE(response.Header("Date").empty());
  }
  EXPECT_EQ(server_->stats().connections_total, 1);
  EXPECT_EQ(server_->stats().requests_total, 3);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  HttpClient client(port());
  std::string requests;
  for (int index = 0; index < 20; ++index) requests += StrCat("GET /echo?", index, " HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.Send(requests));
  for (int index = 0; index < 20; ++index) EXPECT_EQ(client.Read().body, StrCat("GET ", index, " "));
}

TEST_F(HttpServerTest, ReadsRequestsThatArriveByteByByte) {
  Start();
  HttpClient client(port());
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.Read().body, "POST  abcde");
}

TEST_F(HttpServerTest, StreamsInChunksAndForOldClientsUntilTheEndOfTheConnection) {
  Start();
  HttpClient client(port());
  client.SendRequest("GET", "/stream");
  const ClientResponse response = client.Read();
  EXPECT_EQ(response.body, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  EXPECT_EQ(response.Header("Content-Type"), "text/event-stream");
  HttpClient old(port());
  old.Send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string all = old.ReadAll();
  EXPECT_NE(all.find("\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n"), std::string::npos) << all;
  EXPECT_EQ(all.find("chunked"), std::string::npos);
}

TEST_F(HttpServerTest, HeadHasNoBodyButItsLength) {
  Start();
  HttpClient client(port());
  client.SendRequest("HEAD", "/echo");
  EXPECT_EQ(client.Read(/*head=*/true).Header("Content-Length"), "6");
  client.SendRequest("GET", "/echo");
  EXPECT_EQ(client.Read().body, "GET  ");  // nothing was left over
}

TEST_F(HttpServerTest, AsksForBodiesThatWaitToBeAskedFor) {
  Start();
  HttpClient client(port());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadHead().status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Read().body, "POST  ok");
}

TEST_F(HttpServerTest, RefusesBodiesAndHeadersOverTheLimit) {
  Start({.max_header_bytes = 4096, .max_body_bytes = 1000});
  HttpClient announced(port());
  announced.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
  const ClientResponse response = announced.Read();
  EXPECT_EQ(response.status, 413);
  EXPECT_NE(response.body.find("larger than 1000 bytes"), std::string::npos) << response.body;
  EXPECT_EQ(response.Header("Connection"), "close");
  HttpClient chunked(port());
  chunked.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2000, 'x'));
  EXPECT_EQ(chunked.Read().status, 413);
  EXPECT_EQ(Fetch(port(), "GET", "/echo", {}, {"X-Long: " + std::string(5000, 'x')}).status, 431);
  const std::vector<std::string> many(101, "X-Short: 1");
  EXPECT_EQ(Fetch(port(), "GET", "/echo", {}, many).status, 400);
  EXPECT_EQ(Fetch(port(), "POST", "/echo", std::string(1000, 'x')).status, 200);
  EXPECT_EQ(server_->stats().rejected, 4);
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  Start();
  for (const char* bytes : {"hello\r\n\r\n", "GET /echo\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
                            "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET echo HTTP/1.1\r\nHost: x\r\n\r\n",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                            "GET /echo HTTP/1.1\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"}) {
    HttpClient client(port());
    client.Send(bytes);
    const ClientResponse response = client.Read();
    EXPECT_EQ(response.status, 400) << bytes;
    EXPECT_NE(response.body.find("invalid_request_error"), std::string::npos) << bytes;
  }
}

// What a proxy and the server could read differently would let one client speak for another.
TEST_F(HttpServerTest, RefusesBodiesOfDoubtfulLength) {
  Start();
  for (const char* header :
       {"Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity", "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5"}) {
    HttpClient client(port());
    client.Send(StrCat("POST /echo HTTP/1.1\r\nHost: x\r\n", header, "\r\n\r\n",
                       "0\r\n\r\nGET /echo?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"));
    const ClientResponse response = client.Read();
    EXPECT_TRUE(response.status == 400 || response.status == 501) << header << ": " << response.status;
    EXPECT_EQ(client.ReadAll().find("smuggled"), std::string::npos) << header;
  }
  EXPECT_EQ(server_->stats().requests_total, 0);
}

// Many short lines, each complete: the limit is of all together.
TEST_F(HttpServerTest, LimitsHeadersThatArriveInPieces) {
  Start({.max_header_bytes = 4096});
  HttpClient client(port());
  client.Send("GET /echo HTTP/1.1\r\nHost: x\r\n");
  for (int line = 0; line < 500; ++line) client.Send("X-Header: 0123456789\r\n");
  EXPECT_EQ(client.Read().status, 431);  // without waiting for the header's end
  // A chunked body's lines and trailers are no way around it.
  HttpClient chunked(port());
  chunked.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;");
  for (int piece = 0; piece < 80; ++piece) chunked.Send(StrCat(std::string(1000, 'x'), ";"));
  const int status = chunked.Read().status;
  EXPECT_TRUE(status == 400 || status == 413 || status == 431) << status;
}

TEST_F(HttpServerTest, ReadsAnEmptyChunkedBodyByteByByte) {
  Start();
  HttpClient client(port());
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.Read().body, "POST  ");
}

TEST_F(HttpServerTest, ClosesConnectionsThatDawdle) {
  Start({.header_timeout = seconds(1), .body_timeout = seconds(1), .idle_timeout = seconds(1)});
  HttpClient silent(port());
  HttpClient half_head(port());
  half_head.Send("GET /echo HTTP/1.1\r\n");
  HttpClient half_body(port());
  half_body.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  HttpClient idle(port());
  idle.SendRequest("GET", "/echo");
  EXPECT_EQ(idle.Read().status, 200);
  for (HttpClient* client : {&half_head, &half_body}) {
    const ClientResponse late = client->Read();
    EXPECT_EQ(late.status, 408);
    EXPECT_NE(late.body.find("did not arrive in time"), std::string::npos) << late.body;
  }
  for (HttpClient* client : {&silent, &half_head, &half_body, &idle}) EXPECT_TRUE(client->WaitForClose());
}

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

TEST_F(HttpServerTest, TellsWhenAWaitingClientGoes) {
  Start();
  HttpClient closes(port());
  closes.SendRequest("GET", "/hold");
  HttpClient aborts(port());
  aborts.SendRequest("GET", "/hold-stream");
  HttpClient pipelines(port());
  pipelines.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto held = TakeHeld(3);
  closes.Close();
  aborts.Abort();
  pipelines.Close();
  EXPECT_TRUE(WaitFor([&] { return disconnects_ == 3; }));
  for (const auto& exchange : held) EXPECT_FALSE(exchange->Write("late"));
  bool at_once = false;
  held[0]->OnDisconnect([&] { at_once = true; });
  EXPECT_TRUE(at_once);
  EXPECT_TRUE(Eventually([&] { return server_->stats().exchanges == 0 && server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().disconnects, 3);
}

TEST_F(HttpServerTest, TheNextRequestIsReadAfterTheAnswerOnly) {
  Start();
  HttpClient client(port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?second HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto held = TakeHeld(1);
  std::this_thread::sleep_for(milliseconds(300));  // longer than the watcher's interval
  held[0]->Respond({200, {}, "first"});
  EXPECT_EQ(client.Read().body, "first");
  EXPECT_EQ(client.Read().body, "GET second ");
  EXPECT_EQ(disconnects_, 0);
}

TEST_F(HttpServerTest, DropsClientsThatDoNotRead) {
  Start({.max_unsent_bytes = 256 * 1024});
  HttpClient client(port());
  client.SendRequest("GET", "/flood");
  EXPECT_TRUE(Eventually([&] { return flood_ended_.load() && server_->stats().slow_readers == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(HttpServerTest, OneWriteOverTheLimitIsNoSlowReader) {
  Start({.max_unsent_bytes = 256 * 1024});
  EXPECT_EQ(Fetch(port(), "GET", "/large").body, std::string(1000 * 1000, 'x') + "end");
  EXPECT_EQ(server_->stats().slow_readers, 0);
}

TEST_F(HttpServerTest, SendsHeartbeatsIntoSilentStreams) {
  Start({.heartbeat = seconds(1)});
  HttpClient client(port());
  client.SendRequest("GET", "/hold-stream");
  const auto held = TakeHeld(1);
  EXPECT_EQ(client.ReadHead().status, 200);
  EXPECT_EQ(client.ReadSome(), ": beat\n\n");
  EXPECT_EQ(client.ReadSome(), ": beat\n\n");
  held[0]->Write("data: 1\n\n");
  EXPECT_EQ(client.ReadSome(), "data: 1\n\n");
  held[0]->End();
  EXPECT_EQ(client.ReadSome(), std::nullopt);
}

TEST_F(HttpServerTest, AnswersForHandlersThatForget) {
  Start();
  const ClientResponse response = Fetch(port(), "GET", "/nothing");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(Fetch(port(), "GET", "/throw").status, 500);
  HttpClient client(port());
  client.SendRequest("GET", "/hold-stream");
  EXPECT_EQ(client.ReadHead().status, 200);
  TakeHeld(1).clear();  // a stream that is dropped breaks off, so that nobody takes it for complete
  EXPECT_EQ(client.ReadSome(), std::nullopt);
  EXPECT_TRUE(client.WaitForClose());
}

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
  EXPECT_EQ(disconnects_, 1);
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

// Requests that were changed at random: every one is answered or its connection closed, and nothing is left behind.
TEST_F(HttpServerTest, SurvivesMalformedRequests) {
  Start({.max_header_bytes = 4096, .max_body_bytes = 4096, .header_timeout = seconds(2), .body_timeout = seconds(2)});
  static constexpr std::string_view kSeeds[] = {
      "GET /echo?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"a\": "
      "true}",
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HEAD http://localhost/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  };
  const int count = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 100'000 : 10'000;
  std::mt19937 random(1);
  for (int number = 0; number < count; ++number) {
    std::string bytes(kSeeds[random() % std::size(kSeeds)]);
    for (uint32_t change = random() % 4; change > 0 && !bytes.empty(); --change) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 8);
          break;
        case 2:
          bytes.insert(at, 1 + random() % 3, static_cast<char>(random()));
          break;
        default:
          bytes.resize(at);
      }
    }
    HttpClient client(port());
    ASSERT_TRUE(client.connected()) << number;
    client.Send(bytes);
    random() % 2 == 0 ? client.Close() : client.Abort();
  }
  EXPECT_EQ(Fetch(port(), "GET", "/echo").status, 200);
  EXPECT_TRUE(Eventually([&] { return server_->stats().exchanges == 0 && server_->stats().connections == 0; }));
}

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

// ---- TLS

std::string MakePem(const std::string& arguments, const std::string& directory) {
  EXPECT_EQ(std::system(StrCat("cd '", directory, "' && openssl ", arguments, " 2>/dev/null").c_str()), 0) << arguments;
  return directory;
}

// A client's side over the socket of an HttpClient.
class TlsClient {
 public:
  TlsClient(HttpClient* client, int max_version) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_, max_version);
    SSL_CTX_set_min_proto_version(context_, max_version);
    SSL_CTX_set_security_level(context_, 0);
    const timeval limit{20, 0};
    setsockopt(client->socket(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    tls_ = SSL_new(context_);
    static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(tls_, kOffered, sizeof kOffered - 1);
    SSL_set_fd(tls_, client->socket());
    connected_ = SSL_connect(tls_) == 1;
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
  }

  bool connected() const { return connected_; }
  std::string subject() const {
    X509* certificate = SSL_get1_peer_certificate(tls_);
    char name[256] = "";
    if (certificate != nullptr) X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
    X509_free(certificate);
    return name;
  }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int bytes = 0;
    SSL_get0_alpn_selected(tls_, &name, &bytes);
    return {reinterpret_cast<const char*>(name), bytes};
  }
  bool Send(std::string_view text) { return SSL_write(tls_, text.data(), static_cast<int>(text.size())) > 0; }
  // Until `end` has come.
  std::string ReadUntil(std::string_view end) {
    std::string text;
    char buffer[4096];
    while (text.find(end) == std::string::npos) {
      const int got = SSL_read(tls_, buffer, sizeof buffer);
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  SSL_CTX* context_;
  SSL* tls_ = nullptr;
  bool connected_ = false;
};

class HttpServerTlsTest : public HttpServerTest {
 protected:
  HttpServerTlsTest() {
    MakePem(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 "
        "-subj /CN=localhost",
        directory_.path());
  }
  HttpServerOptions Options() const {
    return {.tls_certificate = directory_ / "cert.pem", .tls_key = directory_ / "key.pem"};
  }
  std::string ErrorOf(const std::string& certificate, const std::string& key) const {
    const auto server = HttpServer::Start(
        {.port = 0, .tls_certificate = directory_ / certificate, .tls_key = directory_ / key}, [](const auto&) {});
    return server.ok() ? "" : server.status().message();
  }

  TemporaryDirectory directory_;
};

TEST_F(HttpServerTlsTest, AnswersStreamsAndNoticesDisconnects) {
  Start(Options());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    HttpClient socket(port());
    {
      TlsClient client(&socket, version);
      ASSERT_TRUE(client.connected());
      EXPECT_EQ(client.protocol(), "http/1.1");
      const std::string body(100 * 1000, 'b');
      for (int request = 0; request < 2; ++request) {
        ASSERT_TRUE(client.Send(
            StrCat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: ", body.size() + 3, "\r\n\r\n", body, "end")));
        EXPECT_NE(client.ReadUntil("bend").find(body), std::string::npos);
      }
      ASSERT_TRUE(client.Send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
      EXPECT_NE(client.ReadUntil("\r\n0\r\n\r\n").find("data: 2\n\n"), std::string::npos);
      ASSERT_TRUE(client.Send("GET /hold-stream HTTP/1.1\r\nHost: x\r\n\r\n"));
      const auto held = TakeHeld(1);
      EXPECT_TRUE(held[0]->Write("data: held\n\n"));
      EXPECT_NE(client.ReadUntil("held").find("held"), std::string::npos);
      const int before = disconnects_;
      socket.Close();
      EXPECT_TRUE(WaitFor([&] { return disconnects_ == before + 1; }));
    }
  }
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(HttpServerTlsTest, RefusesOldVersionsAndPlainText) {
  Start(Options());
  HttpClient old(port());
  EXPECT_FALSE(TlsClient(&old, TLS1_1_VERSION).connected());
  HttpClient plain(port());
  plain.SendRequest("GET", "/echo");
  EXPECT_EQ(plain.Read().status, 0);
  EXPECT_EQ(server_->stats().requests_total, 0);
}

// The subject of the certificate that a new connection is shown.
std::string SubjectAt(uint16_t port) {
  HttpClient socket(port);
  const TlsClient client(&socket, TLS1_3_VERSION);
  return client.subject();
}

TEST_F(HttpServerTlsTest, ReadsItsFilesAgain) {
  Start(Options());
  HttpClient socket(port());
  TlsClient old(&socket, TLS1_3_VERSION);
  ASSERT_TRUE(old.connected());
  EXPECT_NE(SubjectAt(port()).find("localhost"), std::string::npos);
  WriteTestFile(directory_ / "cert.pem", "no PEM at all\n");
  const Status refused = server_->ReloadTls();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find("cert.pem"), std::string::npos);
  EXPECT_NE(SubjectAt(port()).find("localhost"), std::string::npos);
  MakePem(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 "
      "-subj /CN=renewed",
      directory_.path());
  ASSERT_TRUE(server_->ReloadTls().ok());
  EXPECT_TRUE(Eventually([&] { return SubjectAt(port()).find("renewed") != std::string::npos; }));
  ASSERT_TRUE(old.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_NE(old.ReadUntil("GET  ").find(" 200 "), std::string::npos);
}

TEST_F(HttpServerTlsTest, SaysWhichFileIsWrong) {
  MakePem("ecparam -name prime256v1 -genkey -noout -out other.pem", directory_.path());
  MakePem("ec -in key.pem -aes128 -passout pass:secret -out locked.pem", directory_.path());
  WriteTestFile(directory_ / "text.pem", "no PEM at all\n");
  EXPECT_EQ(ErrorOf("cert.pem", "key.pem"), "");
  EXPECT_NE(ErrorOf("text.pem", "key.pem").find("text.pem"), std::string::npos);
  EXPECT_NE(ErrorOf("cert.pem", "text.pem").find("text.pem"), std::string::npos);
  EXPECT_NE(ErrorOf("cert.pem", "other.pem").find("other.pem"), std::string::npos);
  EXPECT_NE(ErrorOf("cert.pem", "locked.pem").find("locked.pem"), std::string::npos);  // and nobody is asked
}

TEST(HttpRequestTest, QueryValues) {
  HttpRequest request;
  request.query = "a=1&b=two%20words+more&flag&c=%zz";
  EXPECT_EQ(request.QueryValue("a"), "1");
  EXPECT_EQ(request.QueryValue("b"), "two words more");
  EXPECT_EQ(request.QueryValue("flag"), "");
  EXPECT_EQ(request.QueryValue("c"), "");
  EXPECT_EQ(request.QueryValue("d"), "");
}

}  // namespace
}  // namespace fathom
