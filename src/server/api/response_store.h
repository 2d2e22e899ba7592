// response_store.h - answers of the Responses API that can be fetched, continued and deleted later.
//
// Kept per owner (an API key): nobody finds another's. A response holds on to the one it continues, so that a
// conversation stays whole when an earlier part of it was deleted or evicted; such a part is not found any more.
// Bounded in number, bytes and age; the least recently used go first. With a file, appended to it so that a restart
// keeps them (damaged records are left out). Thread-safe.
#ifndef FATHOM_SERVER_API_RESPONSE_STORE_H_
#define FATHOM_SERVER_API_RESPONSE_STORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom {

struct ResponseStoreOptions {
  int64_t max_bytes = int64_t{64} << 20;
  int64_t max_count = 10'000;
  int64_t max_age_s = int64_t{30} * 86400;
  std::string file = {};  // empty: memory only
};

// Never changed once it is kept.
struct StoredResponse {
  StoredResponse() = default;
  ~StoredResponse();
  StoredResponse(StoredResponse&&) = default;
  StoredResponse& operator=(StoredResponse&&) = default;

  std::string id = {};
  std::string owner = {};
  int64_t created = 0;                                       // Unix time
  std::string input = {};                                    // JSON text: the request's own items, each with an id
  std::string response = {};                                 // JSON text as the client got it
  std::vector<std::string> item_ids = {};                    // of input and output
  std::shared_ptr<const StoredResponse> previous = nullptr;  // what it continues

  int64_t bytes() const;

 private:
  friend class ResponseStore;
  int64_t number_ = 0;                                          // order of arrival
  std::shared_ptr<std::atomic<int64_t>> live_bytes_ = nullptr;  // of the store
};

class ResponseStore {
 public:
  // An answer larger than this is not kept.
  static constexpr int64_t kMaxResponseBytes = int64_t{32} << 20;

  static Result<std::unique_ptr<ResponseStore>> Open(const ResponseStoreOptions& options);
  // Writes what is still to be written.
  ~ResponseStore();

  // Told when a change is in the file, on the store's thread; at once where there is no file.
  using Written = std::function<void(const Status&)>;

  // Keeps a response. An error (not kept in the file, or not at all) costs no more than its being found later.
  void Put(StoredResponse response, Written then);
  // False, and `then` is not called, if there is none.
  bool Delete(std::string_view owner, std::string_view id, Written then);

  // Null if there is none. `now` is Unix time, for the age.
  std::shared_ptr<const StoredResponse> Find(std::string_view owner, std::string_view id, int64_t now);
  // The response one of whose items has that id.
  std::shared_ptr<const StoredResponse> FindByItem(std::string_view owner, std::string_view item_id, int64_t now);

  // An input that is larger than this would leave no place for its answer.
  int64_t max_input_bytes() const;

  // What is kept, including what only continuations hold on to.
  int64_t bytes() const;
  int64_t count() const;

 private:
  ResponseStore();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSE_STORE_H_
