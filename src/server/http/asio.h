// asio.h - the names of Boost.Asio and Beast within this folder.
#ifndef FATHOM_SERVER_HTTP_ASIO_H_
#define FATHOM_SERVER_HTTP_ASIO_H_

// clang-format off
#include <utility>  // first: Boost 1.74's coroutines want it and don't include it
// clang-format on

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>

namespace fathom {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

// For co_await: faults go to `error`.
inline auto Awaiting(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_ASIO_H_
