// tls_client.h - TLS over the socket of an HttpClient, for tests.
#ifndef FATHOM_TESTS_SUPPORT_TLS_CLIENT_H_
#define FATHOM_TESTS_SUPPORT_TLS_CLIENT_H_

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "tests/support/http_client.h"

namespace fathom {

// The client of a TLS connection that speaks one version only.
class TlsClient {
 public:
  TlsClient(HttpClient* client, int version = TLS1_3_VERSION) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_, version);
    SSL_CTX_set_min_proto_version(context_, version);
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

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_TLS_CLIENT_H_
