#include "server/request_log.h"

#include <utility>

#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

constexpr size_t kMaxAuditTextBytes = 1 << 20;  // of a request, and of an answer
constexpr size_t kMaxRecent = 200;

Json TextJson(const std::string& text) {
  if (IsValidUtf8(text)) return Json::String(text);
  // Bodies are whatever a client sent; a log line stays valid JSON.
  std::string ascii;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    ascii += byte < 0x80 ? std::string(1, c) : StrFormat("\\x%02x", byte);
  }
  return Json::String(std::move(ascii));
}

void AppendUpTo(std::string_view piece, size_t limit, std::string* text) {
  if (text->size() < limit) text->append(piece.substr(0, limit - text->size()));
}

}  // namespace

// The exchange as the handlers see it; what passes is noted in the entry. Handlers and the engine may use it at once.
class RequestLog::TrackedExchange : public HttpExchange {
 public:
  TrackedExchange(std::shared_ptr<HttpExchange> inner, std::shared_ptr<RequestLog> log, std::shared_ptr<Entry> entry)
      : inner_(std::move(inner)), log_(std::move(log)), entry_(std::move(entry)) {}
  ~TrackedExchange() override {
    inner_.reset();  // answers a request that nobody answered
    log_->End(entry_);
  }

  const HttpRequest& request() const override { return inner_->request(); }

  void Respond(HttpResponse response) override {
    entry_->status = response.status;
    AddExtra(&response.headers);
    if (log_->options_.audit_text) Keep(response.body);
    inner_->Respond(std::move(response));
  }

  void StartStream(int status, HttpHeaders headers, std::string heartbeat) override {
    entry_->status = status;
    AddExtra(&headers);
    inner_->StartStream(status, std::move(headers), std::move(heartbeat));
  }

  bool Write(std::string_view bytes) override {
    if (log_->options_.audit_text) Keep(bytes);
    const bool goes_on = inner_->Write(bytes);
    if (!goes_on) entry_->client_left = true;
    return goes_on;
  }

  void End() override { inner_->End(); }
  void OnDisconnect(std::function<void()> callback) override {
    inner_->OnDisconnect([entry = entry_, callback = std::move(callback)] {
      entry->client_left = true;
      callback();
    });
  }

 private:
  void AddExtra(HttpHeaders* headers) const {
    headers->insert(headers->end(), entry_->start.extra.begin(), entry_->start.extra.end());
  }
  void Keep(std::string_view bytes) {
    const std::lock_guard lock(log_->mutex_);
    AppendUpTo(bytes, kMaxAuditTextBytes, &entry_->answer_text);
  }

  std::shared_ptr<HttpExchange> inner_;
  const std::shared_ptr<RequestLog> log_;
  const std::shared_ptr<Entry> entry_;
};

std::shared_ptr<HttpExchange> RequestLog::Track(std::shared_ptr<HttpExchange> exchange, Start start) {
  const HttpRequest& request = exchange->request();
  auto entry = std::make_shared<Entry>();
  entry->start = std::move(start);
  entry->id = request.id;
  entry->peer = request.peer;
  entry->method = request.method;
  entry->path = request.path;
  entry->time = std::chrono::system_clock::now();
  entry->began = std::chrono::steady_clock::now();
  if (options_.audit_text && audit_ != nullptr) AppendUpTo(request.body, kMaxAuditTextBytes, &entry->request_text);
  {
    const std::lock_guard lock(mutex_);
    running_[entry->id] = entry;
  }
  return std::make_shared<TrackedExchange>(std::move(exchange), shared_from_this(), std::move(entry));
}

void RequestLog::SetCaller(const std::string& request_id, const Caller& caller) {
  const std::lock_guard lock(mutex_);
  if (const auto found = running_.find(request_id); found != running_.end()) {
    found->second->start.key_id = caller.key_id;
  }
}

void RequestLog::OnFirstToken(double seconds_since_submit) { metrics_.FirstToken(seconds_since_submit); }
void RequestLog::OnToken(double seconds_since_last) { metrics_.NextToken(seconds_since_last); }

void RequestLog::OnFinished(const GenerationRecord& record) {
  metrics_.Finished(record);
  if (!record.caller.key_id.empty()) {
    authenticator_.limits().Charge(record.caller.key_id, record.usage.prompt_tokens + record.usage.completion_tokens,
                                   {});
  }
  const std::lock_guard lock(mutex_);
  recent_.push_front({std::chrono::system_clock::now(), record});
  if (recent_.size() > kMaxRecent) recent_.pop_back();
  if (const auto found = running_.find(record.caller.request_id); found != running_.end()) {
    found->second->generations.push_back(record);
  }
}

void RequestLog::End(const std::shared_ptr<Entry>& entry) {
  metrics_.CountRequest(entry->start.route, entry->status);
  Json line;
  {
    const std::lock_guard lock(mutex_);
    running_.erase(entry->id);
    if (audit_ == nullptr || !entry->start.audited) return;
    line = AuditLine(*entry);
  }
  audit_->Write(line);
}

Json RequestLog::AuditLine(const Entry& entry) const {
  Usage usage;
  int64_t reasoning_tokens = 0;
  Timings timings;
  std::string user;
  std::string finish;
  std::string error;
  for (const GenerationRecord& record : entry.generations) {
    usage.prompt_tokens += record.usage.prompt_tokens;
    usage.cached_tokens += record.usage.cached_tokens;
    usage.replayed_tokens += record.usage.replayed_tokens;
    usage.completion_tokens += record.usage.completion_tokens;
    reasoning_tokens += record.reasoning_tokens;
    timings = record.timings;
    user = record.caller.user;
    finish = record.finish;
    error = record.error;
  }
  const auto total = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - entry.began).count();
  const auto milliseconds = [](double ms) { return Json::Number(StrFormat("%.1f", ms)); };
  Json line = Json::Object({{"time", Json::String(FormatUtcMillis(entry.time))},
                            {"id", Json::String(entry.id)},
                            {"peer", Json::String(entry.peer)},
                            {"key", Json::String(authenticator_.NameOf(entry.start.key_id))},
                            {"key_id", Json::String(entry.start.key_id)},
                            {"user", TextJson(user)},
                            {"method", TextJson(entry.method)},
                            {"route", Json::String(entry.start.route)},
                            {"status", Json::Int(entry.status)},
                            {"total_ms", milliseconds(total)}});
  if (!entry.generations.empty()) {
    line.Set("model", Json::String(options_.model_name));
    line.Set("prompt_tokens", Json::Int(usage.prompt_tokens));
    line.Set("cached_tokens", Json::Int(usage.cached_tokens));
    line.Set("completion_tokens", Json::Int(usage.completion_tokens));
    line.Set("reasoning_tokens", Json::Int(reasoning_tokens));
    line.Set("queue_ms", milliseconds(timings.queue_ms));
    line.Set("prefill_ms", milliseconds(timings.prefill_ms));
    line.Set("decode_ms", milliseconds(timings.decode_ms));
    line.Set("finish", Json::String(finish));
  }
  if (!error.empty()) line.Set("error", TextJson(error));
  if (entry.client_left) line.Set("client_left", Json::Bool(true));
  if (options_.audit_text) {
    line.Set("request", TextJson(entry.request_text));
    line.Set("answer", TextJson(entry.answer_text));
  }
  return line;
}

Json RequestLog::RecentGenerations() const {
  std::vector<Json> items;
  const std::lock_guard lock(mutex_);
  for (const Recent& recent : recent_) {
    const GenerationRecord& record = recent.record;
    const int64_t missed = record.usage.prompt_tokens - record.usage.cached_tokens;
    items.push_back(Json::Object({{"time", Json::String(FormatUtcMillis(recent.time))},
                                  {"request_id", Json::String(record.caller.request_id)},
                                  {"key", Json::String(authenticator_.NameOf(record.caller.key_id))},
                                  {"kind", Json::String(record.kind)},
                                  {"prompt_tokens", Json::Int(record.usage.prompt_tokens)},
                                  {"cached_tokens", Json::Int(record.usage.cached_tokens)},
                                  {"replayed_tokens", Json::Int(record.usage.replayed_tokens)},
                                  {"missed_tokens", Json::Int(missed)},
                                  {"reason", Json::String(record.cache_note)},
                                  {"finish", Json::String(record.finish)}}));
  }
  return Json::Object({{"object", Json::String("list")}, {"data", Json::Array(std::move(items))}});
}

}  // namespace fathom
