#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/server/http/http_fixture.h"
#include "tests/support/run_binary.h"
#include "tests/support/tls_client.h"

namespace fathom {
namespace {

std::string MakePem(const std::string& arguments, const std::string& directory) {
  EXPECT_EQ(std::system(StrCat("cd '", directory, "' && openssl ", arguments, " 2>/dev/null").c_str()), 0) << arguments;
  return directory;
}

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
      const int before = disconnects();
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

}  // namespace
}  // namespace fathom
