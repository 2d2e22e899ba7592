// exchange_state.h - what a connection and the caller who answers share of one request.
//
// The caller appends from any thread; the connection, on the I/O thread, is woken once for all that has gathered and
// takes it in one piece.
#ifndef FATHOM_SERVER_HTTP_EXCHANGE_STATE_H_
#define FATHOM_SERVER_HTTP_EXCHANGE_STATE_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "server/http/http.h"

namespace fathom {

class ExchangeState {
 public:
  // How the answer is framed; follows from the request.
  struct Framing {
    bool head = false;       // HEAD: no body is sent
    bool chunked = true;     // HTTP/1.1: streams are sent in chunks; otherwise they end with the connection
    bool keep_alive = true;  // as the client asked; told in the answer
    size_t max_unsent = 0;   // bytes of a stream
  };
  using Clock = std::chrono::steady_clock;

  // `wake` makes the connection call Take(); it may be called from any thread.
  ExchangeState(HttpRequest request, const Framing& framing, std::function<void()> wake);

  const HttpRequest& request() const { return request_; }

  // ---- of the caller (see HttpExchange)
  void Respond(const HttpResponse& response);
  void StartStream(int status, const HttpHeaders& headers, std::string heartbeat);
  bool Write(std::string_view bytes);
  void End();
  void OnDisconnect(std::function<void()> callback);
  // Answers with 500, or breaks a stream off, unless the answer is complete.
  void Abandon();

  // ---- of the connection
  struct Output {
    std::string bytes;      // framed, to be sent now
    bool complete = false;  // nothing follows
    bool broken = false;    // close the connection instead
  };
  Output Take();
  // The client has gone or is being closed: calls the callback, if the answer is not complete.
  void Disconnect();
  // Everything taken has been sent.
  void Sent(size_t bytes);
  // Appends the heartbeat to a stream in which nothing happened since `before`.
  void Heartbeat(Clock::time_point before);
  // The answer must end the connection (drain).
  void ForbidKeepAlive();

  bool keep_alive() const;
  bool slow_reader() const;

 private:
  std::string Head(int status, const HttpHeaders& headers, bool has_length, size_t length) const;
  void AppendChunk(std::string_view bytes);
  void Wake(std::unique_lock<std::mutex>* lock);

  const HttpRequest request_;
  const bool head_;
  const bool chunked_;
  const size_t max_unsent_;
  const std::function<void()> wake_;

  mutable std::mutex mutex_;
  bool keep_alive_;
  bool started_ = false;  // a head was written
  bool streaming_ = false;
  bool complete_ = false;
  bool gone_ = false;  // the client; writes come to nothing
  bool broken_ = false;
  bool slow_ = false;
  bool woken_ = false;        // and not yet taken
  size_t in_flight_ = 0;      // taken and not yet sent
  size_t largest_write_ = 0;  // of those over max_unsent_: one of them alone says nothing about the reader
  std::string pending_;       // framed
  std::string heartbeat_;
  Clock::time_point last_write_;
  std::function<void()> on_disconnect_;
};

// "Not Found" of 404; "" for codes without a name here.
std::string_view HttpReason(int status);

// The answer of the server itself: a JSON body in OpenAI's shape.
HttpResponse HttpErrorResponse(int status, std::string_view message);

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_EXCHANGE_STATE_H_
