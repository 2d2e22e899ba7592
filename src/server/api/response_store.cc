#include "server/api/response_store.h"

#include <algorithm>
#include <ctime>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "server/api/record_log.h"
#include "server/api/record_writer.h"

namespace fathom {

// What a node of each map and the list costs beside the bytes of its strings, rounded up.
static constexpr int64_t kResponseNodeBytes = 128;

using ResponsePtr = std::shared_ptr<const StoredResponse>;

namespace {

constexpr uint32_t kMaxResponseRecordBytes = 80 << 20;  // twice the longest response, as JSON in JSON, and the rest
constexpr size_t kMaxUnwrittenBytes = size_t{96} << 20;

std::string OwnedKey(std::string_view owner, std::string_view id) { return StrCat(owner.size(), ":", owner, id); }

// `hidden`: kept for the responses that continue it only.
std::string PutRecord(const StoredResponse& response, bool hidden) {
  std::vector<Json> items;
  for (const std::string& id : response.item_ids) items.push_back(Json::String(id));
  return Json::Object({{"put", Json::String(response.id)},
                       {"owner", Json::String(response.owner)},
                       {"created", Json::Int(response.created)},
                       {"previous", Json::String(response.previous ? response.previous->id : "")},
                       {"hidden", Json::Bool(hidden)},
                       {"items", Json::Array(std::move(items))},
                       {"input", Json::String(response.input)},
                       {"response", Json::String(response.response)}})
      .Dump();
}

std::string DeleteRecord(std::string_view owner, std::string_view id) {
  return Json::Object({{"delete", Json::String(std::string(id))}, {"owner", Json::String(std::string(owner))}}).Dump();
}

std::string RecordText(const Json& record, std::string_view key) {
  const Json* value = record.Find(key);
  return value != nullptr && value->is_string() ? value->string() : std::string();
}

}  // namespace

// A conversation may be long, and each part would free the one before it from inside.
StoredResponse::~StoredResponse() {
  if (live_bytes_) *live_bytes_ -= bytes();
  if (previous == nullptr) return;
  thread_local std::vector<ResponsePtr>* freed = nullptr;
  if (freed != nullptr) {
    freed->push_back(std::move(previous));
    return;
  }
  std::vector<ResponsePtr> list;
  list.push_back(std::move(previous));
  freed = &list;
  while (!list.empty()) {
    ResponsePtr last = std::move(list.back());
    list.pop_back();
    last.reset();
  }
  freed = nullptr;
}

int64_t StoredResponse::bytes() const {
  size_t text = sizeof(StoredResponse) + 2 * (id.size() + owner.size()) + input.size() + response.size();
  for (const std::string& item : item_ids) text += 2 * item.size() + owner.size() + sizeof(std::string);
  return static_cast<int64_t>(text) + kResponseNodeBytes * static_cast<int64_t>(2 + item_ids.size());
}

struct ResponseStore::State {
  using Position = std::list<ResponsePtr>::iterator;

  ResponseStoreOptions options;
  mutable std::mutex mutex;
  std::list<ResponsePtr> kept;  // the most recently used first
  std::unordered_map<std::string, Position> by_id;
  std::unordered_map<std::string, Position> by_item;
  std::shared_ptr<std::atomic<int64_t>> live_bytes = std::make_shared<std::atomic<int64_t>>(0);
  int64_t next_number = 0;

  std::unique_ptr<RecordWriter> writer;  // with a file only; the last member, as it reads the others

  int64_t log_limit() const { return 2 * options.max_bytes + (int64_t{1} << 20); }

  void Erase(Position position) {
    const StoredResponse& response = **position;
    by_id.erase(OwnedKey(response.owner, response.id));
    for (const std::string& item : response.item_ids) {
      const auto found = by_item.find(OwnedKey(response.owner, item));
      if (found != by_item.end() && found->second == position) by_item.erase(found);
    }
    kept.erase(position);
  }

  bool Expired(const StoredResponse& response, int64_t now) const { return now - response.created > options.max_age_s; }

  void Shrink(int64_t now) {
    for (auto position = kept.begin(); position != kept.end();) {
      const auto next = std::next(position);
      if (Expired(**position, now)) Erase(position);
      position = next;
    }
    while (!kept.empty() &&
           (*live_bytes > options.max_bytes || static_cast<int64_t>(kept.size()) > options.max_count)) {
      Erase(std::prev(kept.end()));
    }
  }

  // Numbers it and counts its bytes.
  ResponsePtr Adopt(StoredResponse response) {
    response.number_ = next_number++;
    response.live_bytes_ = live_bytes;
    *live_bytes += response.bytes();
    return std::make_shared<StoredResponse>(std::move(response));
  }

  void Insert(const ResponsePtr& response) {
    if (const auto found = by_id.find(OwnedKey(response->owner, response->id)); found != by_id.end()) {
      Erase(found->second);
    }
    kept.push_front(response);
    by_id[OwnedKey(response->owner, response->id)] = kept.begin();
    for (const std::string& item : response->item_ids) by_item[OwnedKey(response->owner, item)] = kept.begin();
  }

  ResponsePtr Use(const std::unordered_map<std::string, Position>& index, const std::string& key, int64_t now) {
    const auto found = index.find(key);
    if (found == index.end()) return nullptr;
    const Position position = found->second;
    if (Expired(**position, now)) {
      Erase(position);
      return nullptr;
    }
    kept.splice(kept.begin(), kept, position);
    return *position;
  }

  // One record of the file; `known` has all responses so far, found or hidden.
  void Load(std::string_view text, std::unordered_map<std::string, ResponsePtr>* known) {
    const Result<Json> record = ParseJson(text);
    if (!record.ok() || !record->is_object()) return;
    const std::string owner = RecordText(*record, "owner");
    if (const std::string id = RecordText(*record, "delete"); !id.empty()) {
      const auto found = by_id.find(OwnedKey(owner, id));
      if (found != by_id.end()) Erase(found->second);
      return;
    }
    StoredResponse response;
    response.id = RecordText(*record, "put");
    response.owner = owner;
    response.input = RecordText(*record, "input");
    response.response = RecordText(*record, "response");
    if (const Json* created = record->Find("created")) response.created = created->AsInt().value_or(0);
    if (const Json* items = record->Find("items"); items != nullptr && items->is_array()) {
      for (const Json& item : items->items()) {
        if (item.is_string()) response.item_ids.push_back(item.string());
      }
    }
    if (response.id.empty()) return;
    if (const std::string previous = RecordText(*record, "previous"); !previous.empty()) {
      const auto found = known->find(OwnedKey(owner, previous));
      if (found == known->end()) return;  // half a conversation would be taken for a whole one
      response.previous = found->second;
    }
    const Json* hidden = record->Find("hidden");
    const ResponsePtr adopted = Adopt(std::move(response));
    (*known)[OwnedKey(owner, adopted->id)] = adopted;
    if (hidden == nullptr || !hidden->is_bool() || !hidden->boolean()) Insert(adopted);
  }

  // All that is kept and what it continues, in the order of arrival: what is continued comes first.
  Status Compact(RecordLog* log) const {
    std::vector<std::pair<ResponsePtr, bool>> responses;  // and whether it is hidden
    {
      const std::lock_guard lock(mutex);
      std::unordered_set<const StoredResponse*> seen;
      for (const ResponsePtr& response : kept) {
        if (seen.insert(response.get()).second) responses.emplace_back(response, false);
      }
      for (const ResponsePtr& response : kept) {
        for (ResponsePtr part = response->previous; part != nullptr && seen.insert(part.get()).second;
             part = part->previous) {
          responses.emplace_back(part, true);
        }
      }
    }
    std::sort(responses.begin(), responses.end(),
              [](const auto& a, const auto& b) { return a.first->number_ > b.first->number_; });
    return log->Rewrite([&]() -> std::optional<std::string> {
      if (responses.empty()) return std::nullopt;
      std::string record = PutRecord(*responses.back().first, responses.back().second);
      responses.pop_back();
      return record;
    });
  }
};

ResponseStore::ResponseStore() : state_(std::make_unique<State>()) {}

ResponseStore::~ResponseStore() = default;

Result<std::unique_ptr<ResponseStore>> ResponseStore::Open(const ResponseStoreOptions& options) {
  std::unique_ptr<ResponseStore> store(new ResponseStore);
  State& state = *store->state_;
  state.options = options;
  if (options.file.empty()) return store;
  std::unique_ptr<RecordLog> log;
  bool deletions = false;
  {
    std::unordered_map<std::string, ResponsePtr> known;
    FATHOM_ASSIGN_OR_RETURN(log, RecordLog::Open(options.file, kMaxResponseRecordBytes, [&](std::string_view record) {
                              deletions = deletions || record.starts_with("{\"delete\"");
                              state.Load(record, &known);
                            }));
  }
  if (log->torn_bytes() > 0) {
    Log(LogLevel::kWarning, "the file of stored responses had a damaged end, which was cut off",
        {{"file", options.file}, {"bytes", log->torn_bytes()}});
  }
  if (log->damaged_bytes() > 0) {
    Log(LogLevel::kWarning, "the file of stored responses has damaged records, which were left out",
        {{"file", options.file}, {"bytes", log->damaged_bytes()}});
  }
  const size_t loaded = state.kept.size();
  state.Shrink(static_cast<int64_t>(std::time(nullptr)));
  // What was deleted or is too old leaves the file now, too.
  if (deletions || state.kept.size() < loaded || log->size_bytes() > state.log_limit()) {
    FATHOM_RETURN_IF_ERROR(state.Compact(log.get()));
  }
  state.writer = std::make_unique<RecordWriter>(
      std::move(log), RecordWriterOptions{.what = "stored responses",
                                          .max_queued_bytes = kMaxUnwrittenBytes,
                                          .max_file_bytes = state.log_limit(),
                                          .rewrite = [&state](RecordLog* file) { return state.Compact(file); }});
  return store;
}

void ResponseStore::Put(StoredResponse response, Written then) {
  Status status;
  if (response.bytes() > std::min(kMaxResponseBytes, state_->options.max_bytes)) {
    status = ResourceExhausted(StrCat("a response of ", response.bytes(), " bytes is not stored"));
    return then(status);
  }
  {
    const std::lock_guard lock(state_->mutex);
    const int64_t now = response.created;
    const ResponsePtr adopted = state_->Adopt(std::move(response));
    state_->Insert(adopted);
    state_->Shrink(now);
    if (state_->writer != nullptr) {
      if (state_->writer->Add(PutRecord(*adopted, false), &then)) return;
      status = ResourceExhausted("the file of stored responses is written too slowly");
    }
  }
  then(status);
}

bool ResponseStore::Delete(std::string_view owner, std::string_view id, Written then) {
  Status status;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->by_id.find(OwnedKey(owner, id));
    if (found == state_->by_id.end()) return false;
    state_->Erase(found->second);
    if (state_->writer != nullptr) {
      if (state_->writer->Add(DeleteRecord(owner, id), &then)) return true;
      status = ResourceExhausted("the file of stored responses is written too slowly");
    }
  }
  then(status);
  return true;
}

std::shared_ptr<const StoredResponse> ResponseStore::Find(std::string_view owner, std::string_view id, int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->Use(state_->by_id, OwnedKey(owner, id), now);
}

std::shared_ptr<const StoredResponse> ResponseStore::FindByItem(std::string_view owner, std::string_view item_id,
                                                                int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->Use(state_->by_item, OwnedKey(owner, item_id), now);
}

int64_t ResponseStore::max_input_bytes() const { return std::min(kMaxResponseBytes, state_->options.max_bytes) / 2; }

int64_t ResponseStore::bytes() const { return *state_->live_bytes; }

int64_t ResponseStore::count() const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<int64_t>(state_->kept.size());
}

}  // namespace fathom
