// response_history.h - the items of a conversation that the Responses API keeps: input that refers to earlier items,
// what a response continues, and pages of input items.
#ifndef FATHOM_SERVER_API_RESPONSE_HISTORY_H_
#define FATHOM_SERVER_API_RESPONSE_HISTORY_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/api_error.h"
#include "server/api/generation.h"
#include "server/api/response_store.h"
#include "server/http/http.h"

namespace fathom {

// What a request's input means together with what is kept.
struct ResponseInput {
  std::vector<Json> earlier = {};                            // input and output of all that the request continues
  std::vector<Json> own = {};                                // the request's own items, each with an id
  std::shared_ptr<const StoredResponse> previous = nullptr;  // what it continues
};

// Reads previous_response_id and input. References to items are replaced by the items. `store` may be null: nothing is
// kept then, and nothing found. What is wrong with the items themselves is left to ParseResponsesRequest().
ApiResult<ResponseInput> ReadResponseInput(const Json& body, std::string_view owner, ResponseStore* store);

// Input of all that `response` continues and its own, without its output.
std::vector<Json> InputItemsOf(const StoredResponse& response);

// The ids of a list of items.
std::vector<std::string> ItemIdsOf(const std::vector<Json>& items);

struct ItemPage {
  int64_t limit = 20;
  bool ascending = false;
  std::string after = {};
};
// limit, order and after of a query.
ApiResult<ItemPage> ReadItemPage(const HttpRequest& request);
// A list as OpenAI's pages are.
ApiResult<Json> PageOf(std::vector<Json> items, const ItemPage& page);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSE_HISTORY_H_
