#include <gtest/gtest.h>

#include <cstdlib>
#include <iterator>
#include <random>

#include "tests/server/http/http_fixture.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HttpConnectionTest : public HttpServerTest {};

TEST_F(HttpConnectionTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  HttpClient client(port());
  for (int index = 0; index < 3; ++index) {
    ASSERT_TRUE(client.SendRequest("POST", "/echo?a=%20b", StrCat("body ", index)));
    const ClientResponse response = client.Read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, StrCat("POST a=%20b body ", index));
    EXPECT_EQ(response.Header("Connection"), "keep-alive");
    EXPECT_FALSE(response.Header("x-request-id").empty());
    EXPECT_EQ(response.Header("request-id"), response.Header("x-request-id"));
    EXPECT_FALSE(response.Header("Date").empty());
  }
  EXPECT_EQ(server_->stats().connections_total, 1);
  EXPECT_EQ(server_->stats().requests_total, 3);
}

TEST_F(HttpConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  Start();
  HttpClient client(port());
  std::string requests;
  for (int index = 0; index < 20; ++index) requests += StrCat("GET /echo?", index, " HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.Send(requests));
  for (int index = 0; index < 20; ++index) EXPECT_EQ(client.Read().body, StrCat("GET ", index, " "));
}

TEST_F(HttpConnectionTest, ReadsRequestsThatArriveByteByByte) {
  Start();
  HttpClient client(port());
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.Read().body, "POST  abcde");
}

TEST_F(HttpConnectionTest, StreamsInChunksAndForOldClientsUntilTheEndOfTheConnection) {
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

TEST_F(HttpConnectionTest, HeadHasNoBodyButItsLength) {
  Start();
  HttpClient client(port());
  client.SendRequest("HEAD", "/echo");
  EXPECT_EQ(client.Read(/*head=*/true).Header("Content-Length"), "6");
  client.SendRequest("GET", "/echo");
  EXPECT_EQ(client.Read().body, "GET  ");  // nothing was left over
}

TEST_F(HttpConnectionTest, AsksForBodiesThatWaitToBeAskedFor) {
  Start();
  HttpClient client(port());
  client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadHead().status, 100);
  client.Send("ok");
  EXPECT_EQ(client.Read().body, "POST  ok");
}

TEST_F(HttpConnectionTest, RefusesBodiesAndHeadersOverTheLimit) {
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

TEST_F(HttpConnectionTest, WhoMayNotSendABodyHearsItBeforeItsEnd) {
  Start({.check_head = [](const HttpRequest& request) -> std::optional<HttpRefusal> {
    if (request.FindHeader("X-Key") != nullptr) return std::nullopt;
    return HttpRefusal{401, StrCat("no key for ", request.path)};
  }});
  for (const char* header :
       {"Content-Length: 60000000", "Transfer-Encoding: chunked", "Content-Length: 5\r\nExpect: 100-continue"}) {
    HttpClient stranger(port());
    stranger.Send(StrCat("POST /echo HTTP/1.1\r\nHost: x\r\n", header, "\r\n\r\n"));
    const ClientResponse response = stranger.Read();
    EXPECT_EQ(response.status, 401) << header;
    EXPECT_NE(response.body.find("no key for /echo"), std::string::npos) << response.body;
    EXPECT_EQ(response.Header("Connection"), "close");
    EXPECT_TRUE(stranger.WaitForClose());
  }
  HttpClient known(port());
  known.Send("POST /echo HTTP/1.1\r\nHost: x\r\nX-Key: 1\r\nContent-Length: 5\r\n\r\n");
  known.Send("whole");
  EXPECT_EQ(known.Read().body, "POST  whole");
  // Nothing is won by refusing what is here already: the handler says what there is to say.
  EXPECT_EQ(Fetch(port(), "POST", "/echo", "whole").status, 200);
  EXPECT_EQ(Fetch(port(), "GET", "/echo").status, 200);
  EXPECT_TRUE(Eventually([&] { return server_->stats().exchanges == 0 && server_->stats().connections == 1; }));
}

TEST_F(HttpConnectionTest, BodiesThatArriveTogetherHaveACommonLimit) {
  Start({.max_body_bytes = 1000, .max_bodies_bytes = 1500});
  static constexpr std::string_view kHead = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
  const std::string most(900, 'x');
  HttpClient first(port());
  first.Send(StrCat(kHead, most));
  ASSERT_TRUE(Eventually([&] { return server_->stats().body_bytes == 900; }));
  HttpClient second(port());
  second.Send(StrCat(kHead, most));
  const ClientResponse response = second.Read();
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("no room"), std::string::npos) << response.body;
  EXPECT_FALSE(response.Header("Retry-After").empty());
  EXPECT_EQ(server_->stats().rejected, 1);
  // One that fits is read, and what has arrived or is given up makes room again.
  EXPECT_EQ(Fetch(port(), "POST", "/echo", std::string(500, 'y')).status, 200);
  first.Send(std::string(100, 'x'));
  EXPECT_EQ(first.Read().status, 200);
  HttpClient third(port());
  third.Send(StrCat(kHead, most));
  ASSERT_TRUE(Eventually([&] { return server_->stats().body_bytes == 900; }));
  third.Close();
  EXPECT_TRUE(Eventually([&] { return server_->stats().body_bytes == 0; }));
  EXPECT_EQ(Fetch(port(), "POST", "/echo", std::string(1000, 'z')).status, 200);
}

TEST_F(HttpConnectionTest, RefusalsHaveTheirOwnHandler) {
  std::atomic<int> handled{0};
  HttpServerOptions options{.max_body_bytes = 10};
  options.refuse = [&](const std::shared_ptr<HttpExchange>& exchange) {
    ++handled;
    const HttpRequest& request = exchange->request();
    exchange->Respond({request.refusal->status, {}, StrCat("refused: ", request.path, " ", request.body.size())});
  };
  Start(options);
  const ClientResponse announced = Fetch(port(), "POST", "/echo?x", std::string(11, 'x'));
  EXPECT_EQ(announced.status, 413);
  EXPECT_EQ(announced.body, "refused: /echo 0");
  HttpClient chunked(port());
  chunked.Send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n01234567");
  EXPECT_EQ(chunked.Read().body, "refused: /echo 0");
  EXPECT_EQ(Fetch(port(), "POST", "/echo", std::string(10, 'x')).body, "POST  xxxxxxxxxx");
  EXPECT_EQ(handled, 2);
}

TEST_F(HttpConnectionTest, RefusesWhatIsNoRequest) {
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
TEST_F(HttpConnectionTest, RefusesBodiesOfDoubtfulLength) {
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
TEST_F(HttpConnectionTest, LimitsHeadersThatArriveInPieces) {
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

TEST_F(HttpConnectionTest, ReadsAnEmptyChunkedBodyByteByByte) {
  Start();
  HttpClient client(port());
  for (const char byte : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) {
    ASSERT_TRUE(client.Send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.Read().body, "POST  ");
}

TEST_F(HttpConnectionTest, ClosesConnectionsThatDawdle) {
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

TEST_F(HttpConnectionTest, TellsWhenAWaitingClientGoes) {
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

TEST_F(HttpConnectionTest, TheNextRequestIsReadAfterTheAnswerOnly) {
  Start();
  HttpClient client(port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?second HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto held = TakeHeld(1);
  std::this_thread::sleep_for(milliseconds(300));  // longer than the watcher's interval
  held[0]->Respond({200, {}, "first"});
  EXPECT_EQ(client.Read().body, "first");
  EXPECT_EQ(client.Read().body, "GET second ");
  EXPECT_EQ(disconnects(), 0);
}

TEST_F(HttpConnectionTest, DropsClientsThatDoNotRead) {
  Start({.max_unsent_bytes = 256 * 1024, .write_timeout = seconds(600)});  // not this limit
  HttpClient client(port());
  client.SendRequest("GET", "/flood");
  EXPECT_TRUE(Eventually([&] { return flood_ended_.load() && server_->stats().slow_readers == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
  // Neither socket took megabytes: the server's is bounded, and the client's grows only when it is read.
  EXPECT_LT(server_->stats().streamed_bytes, 1024 * 1024);
  EXPECT_EQ(server_->stats().disconnects, 0);
}

TEST_F(HttpConnectionTest, AClientThatTakesNothingForTooLongIsASlowReader) {
  Start({.max_unsent_bytes = size_t{64} << 20, .write_timeout = seconds(1)});
  HttpClient client(port());
  client.SendRequest("GET", "/hold-stream");
  const auto held = TakeHeld(1);
  EXPECT_TRUE(held[0]->Write(std::string(size_t{4} << 20, 'x')));
  EXPECT_TRUE(WaitFor([&] { return disconnects_ == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(server_->stats().slow_readers, 1);
  EXPECT_EQ(server_->stats().disconnects, 0);
}

TEST_F(HttpConnectionTest, OneWriteOverTheLimitIsNoSlowReader) {
  Start({.max_unsent_bytes = 256 * 1024, .write_timeout = seconds(600)});  // not this limit
  EXPECT_EQ(Fetch(port(), "GET", "/large").body, std::string(1000 * 1000, 'x') + "end");
  EXPECT_EQ(server_->stats().slow_readers, 0);
}

TEST_F(HttpConnectionTest, SendsHeartbeatsIntoSilentStreams) {
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

TEST_F(HttpConnectionTest, AnswersForHandlersThatForget) {
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

// Requests that were changed at random: every one is answered or its connection closed, and nothing is left behind.
TEST_F(HttpConnectionTest, SurvivesMalformedRequests) {
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

}  // namespace
}  // namespace fathom
