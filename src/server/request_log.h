// request_log.h - follows every HTTP request to its end: who, what, how many tokens. Feeds the audit log, the metrics,
// the keys' token counts and the list of recent generations.
//
//   std::shared_ptr<HttpExchange> tracked = log.Track(exchange, {.route = "/v1/models"});
//   handler(tracked, caller);  // what it answers is seen on the way
//
// A request is over when its exchange is dropped. What the engine reports in between finds it by Caller::request_id.
#ifndef FATHOM_SERVER_REQUEST_LOG_H_
#define FATHOM_SERVER_REQUEST_LOG_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/api/generation.h"
#include "server/audit_log.h"
#include "server/authenticator.h"
#include "server/http/http.h"
#include "server/server_metrics.h"

namespace fathom {

class RequestLog : public GenerationObserver, public std::enable_shared_from_this<RequestLog> {
 public:
  struct Options {
    std::string model_name = {};
    bool audit_text = false;
  };
  // What is known of a request before it is handled.
  struct Start {
    std::string route = {};   // of the router; "other" for unknown paths
    std::string key_id = {};  // who, if they were recognised
    bool audited = true;      // false: health checks and the page
    HttpHeaders extra = {};   // headers added to every answer
  };
  // `audit` may be null. All must outlive the log.
  RequestLog(Authenticator* authenticator, ServerMetrics* metrics, AuditLog* audit, Options options)
      : authenticator_(*authenticator), metrics_(*metrics), audit_(audit), options_(std::move(options)) {}

  std::shared_ptr<HttpExchange> Track(std::shared_ptr<HttpExchange> exchange, Start start);
  // After the exchange is tracked: who it turned out to be.
  void SetCaller(const std::string& request_id, const Caller& caller);

  void OnFirstToken(double seconds_since_submit) override;
  void OnToken(double seconds_since_last) override;
  void OnFinished(const GenerationRecord& record) override;

  // The last generations, newest first: how much of each prompt was cached and why not more.
  Json RecentGenerations() const;

 private:
  class TrackedExchange;
  struct Entry {
    Start start;
    std::string id, peer, method, path;
    std::string request_text, answer_text;  // with audit_text
    UtcTime time;
    std::chrono::steady_clock::time_point began;
    std::atomic<int> status{0};  // 0: never answered
    std::atomic<bool> client_left{false};
    std::vector<GenerationRecord> generations;
  };
  struct Recent {
    UtcTime time;
    GenerationRecord record;
  };

  void End(const std::shared_ptr<Entry>& entry);
  Json AuditLine(const Entry& entry) const;

  Authenticator& authenticator_;
  ServerMetrics& metrics_;
  AuditLog* const audit_;
  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> running_;  // by request id
  std::deque<Recent> recent_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_REQUEST_LOG_H_
