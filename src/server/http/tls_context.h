// tls_context.h - certificate and key files to a TLS server's settings.
#ifndef FATHOM_SERVER_HTTP_TLS_CONTEXT_H_
#define FATHOM_SERVER_HTTP_TLS_CONTEXT_H_

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"

namespace fathom {

// TLS 1.2 or later, HTTP/1.1 by ALPN. `certificate` is a PEM chain, the server's own first; `key` its private key in
// PEM. An error names the file: it can't be read, is no PEM, or the key belongs to another certificate.
Result<std::unique_ptr<boost::asio::ssl::context>> MakeTlsContext(const std::string& certificate,
                                                                  const std::string& key);

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_TLS_CONTEXT_H_
