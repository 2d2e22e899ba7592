// TLS of `fathom serve`: the real program with certificates that the tests make.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "base/strings.h"
#include "tests/support/serve_process.h"
#include "tests/support/tls_client.h"

namespace fathom {
namespace {

const std::string kNanoDirectory = FATHOM_SOURCE_DIR "/models/nano";

// Writes cert.pem and key.pem for `name`.
bool MakeCertificate(const TemporaryDirectory& directory, const std::string& name) {
  const RunResult result = RunProgram({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                       "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", directory / "key.pem",
                                       "-out", directory / "cert.pem", "-days", "2", "-subj", "/CN=" + name});
  return result.exit_code == 0;
}

std::string PostText(std::string_view path, std::string_view body) {
  return StrCat("POST ", path, " HTTP/1.1\r\nHost: x\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string SubjectShownAt(uint16_t port) {
  HttpClient socket(port);
  return TlsClient(&socket).subject();
}

TEST(ServeTls, AnswersARequest) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(MakeCertificate(directory, "localhost"));
  const ServeProcess server(
      {"--model", kNanoDirectory, "--tls-cert", directory / "cert.pem", "--tls-key", directory / "key.pem"});
  EXPECT_NE(server.log().find("https://127.0.0.1:"), std::string::npos);
  HttpClient socket(server.port());
  TlsClient client(&socket);
  ASSERT_TRUE(client.Send(PostText(
      "/v1/chat/completions", R"({"messages":[{"role":"user","content":"Hello!"}],"temperature":0,"max_tokens":64})")));
  const std::string answer = client.ReadUntil("help you?");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer << server.log();
  EXPECT_NE(answer.find("Hello! How can I help you?"), std::string::npos) << answer;
}

TEST(ServeTls, HangUpRenewsTheCertificateForNewConnectionsOnly) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(MakeCertificate(directory, "before"));
  ServeProcess server({"--model", kNanoDirectory, "--tls-cert", directory / "cert.pem", "--tls-key",
                       directory / "key.pem", "--audit-log", directory / "audit"});
  EXPECT_NE(SubjectShownAt(server.port()).find("before"), std::string::npos);
  HttpClient socket(server.port());
  TlsClient running(&socket);
  // A stream that goes on for long: Nano's end token is forbidden.
  ASSERT_TRUE(running.Send(
      PostText("/v1/completions", R"({"prompt":"a b","stream":true,"logit_bias":{"1":-100},"max_tokens":2000})")));
  EXPECT_NE(running.ReadUntil("data: ").find(" 200 "), std::string::npos);
  ASSERT_TRUE(MakeCertificate(directory, "after"));
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForLog("fathom serve: read the TLS files again, opened the audit log again\n"))
      << server.log();
  EXPECT_NE(SubjectShownAt(server.port()).find("after"), std::string::npos);
  EXPECT_NE(running.ReadUntil("[DONE]").find("data: [DONE]"), std::string::npos);
  // A file that cannot be used changes nothing.
  WriteTestFile(directory / "cert.pem", "no PEM at all\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForLog("the TLS certificate is not read again")) << server.log();
  ASSERT_TRUE(server.WaitForLog("fathom serve: opened the audit log again\n")) << server.log();
  EXPECT_NE(SubjectShownAt(server.port()).find("after"), std::string::npos);
  ASSERT_TRUE(running.Send(PostText("/tokenize", R"({"content":"a"})")));
  EXPECT_NE(running.ReadUntil("tokens").find(" 200 "), std::string::npos);
}

}  // namespace
}  // namespace fathom
