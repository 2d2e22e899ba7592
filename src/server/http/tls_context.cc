#include "server/http/tls_context.h"

#include <openssl/ssl.h>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

namespace ssl = boost::asio::ssl;

constexpr uint64_t kMaxPemBytes = 1 << 20;

int SelectProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                   unsigned int offered_size, void* /*argument*/) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kHttp11, sizeof kHttp11, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::unique_ptr<ssl::context>> MakeTlsContext(const std::string& certificate, const std::string& key) {
  if (certificate.empty() || key.empty()) {
    return InvalidArgument("TLS needs two files: a certificate chain and its private key; only one of them is given");
  }
  FATHOM_ASSIGN_OR_RETURN(const std::string chain, ReadFile(certificate, kMaxPemBytes));
  FATHOM_ASSIGN_OR_RETURN(const std::string private_key, ReadFile(key, kMaxPemBytes));
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                           ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::single_dh_use,
                       error);
  context->use_certificate_chain(boost::asio::buffer(chain), error);
  if (error) return InvalidArgument(StrCat(certificate, ": not a PEM certificate chain: ", error.message()));
  // A key with a passphrase is refused; OpenSSL would ask on the terminal.
  context->set_password_callback([](size_t, ssl::context::password_purpose) { return std::string(); }, error);
  context->use_private_key(boost::asio::buffer(private_key), ssl::context::pem, error);
  if (error || SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return InvalidArgument(StrCat(key, ": not the PEM private key of the certificate in ", certificate));
  }
  // Idle connections keep no TLS buffers.
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), SelectProtocol, nullptr);
  return context;
}

}  // namespace fathom
