#include "server/api/response_history.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "server/api/json_fields.h"
#include "server/api/random_id.h"

namespace fathom {
namespace {

constexpr size_t kMaxResponseIdBytes = 256;

std::string TextMember(const Json& object, std::string_view key) {
  const Json* value = object.Find(key);
  return value != nullptr && value->is_string() ? value->string() : std::string();
}

// Kept texts are what this server wrote.
std::vector<Json> KeptList(const std::string& text, const char* key) {
  Result<Json> json = ParseJson(text, {.max_depth = 1024});
  if (!json.ok()) return {};
  if (key == nullptr) return json->is_array() ? std::move(json->items()) : std::vector<Json>();
  const Json* list = json->Find(key);
  return list != nullptr && list->is_array() ? list->items() : std::vector<Json>();
}

void AppendItems(std::vector<Json> items, std::vector<Json>* out) {
  std::move(items.begin(), items.end(), std::back_inserter(*out));
}

// From the first response of the conversation to `last`.
std::vector<const StoredResponse*> ChainOf(const StoredResponse& last) {
  std::vector<const StoredResponse*> chain;
  for (const StoredResponse* part = &last; part != nullptr; part = part->previous.get()) chain.push_back(part);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

const char* IdPrefix(const std::string& type) {
  if (type == "reasoning") return "rs_";
  if (type == "function_call") return "fc_";
  if (type == "function_call_output") return "fco_";
  if (type == "custom_tool_call") return "ctc_";
  if (type == "custom_tool_call_output") return "ctco_";
  return "msg_";
}

// An item as it is listed later: with type, id and, for a message whose content is one text, a part.
Json KeptItem(const Json& item) {
  if (!item.is_object()) return item;
  std::string type = TextMember(item, "type");
  if (type.empty()) type = "message";
  std::string id = TextMember(item, "id");
  if (id.empty() || id.size() > kMaxResponseIdBytes) id = RandomId(IdPrefix(type));
  const char* part = TextMember(item, "role") == "assistant" ? "output_text" : "input_text";
  Json kept = Json::Object({{"id", Json::String(std::move(id))}, {"type", Json::String(type)}});
  for (const auto& [key, value] : item.members()) {
    if (key == "id" || key == "type") continue;
    const bool text = type == "message" && key == "content" && value.is_string();
    // Keys are unique since they were parsed, and Set() would search for each of the many that an item may have.
    kept.members().emplace_back(
        key, text ? Json::Array({Json::Object({{"type", Json::String(part)}, {"text", value}})}) : value);
  }
  if (type == "message" && kept.Find("status") == nullptr) kept.Set("status", Json::String("completed"));
  return kept;
}

bool IsReference(const Json& item) {
  if (!item.is_object() || item.Find("id") == nullptr) return false;
  const Json* type = item.Find("type");
  if (type == nullptr || type->is_null()) return item.Find("role") == nullptr && item.Find("content") == nullptr;
  return type->is_string() && type->string() == "item_reference";
}

ApiError NoSuchItem(const std::string& id, const std::string& path, bool stores) {
  return {ApiErrorKind::kNotFound,
          StrCat("Item with id '", Printable(id, 100), "' not found. ",
                 stores ? "Items are kept only of responses that were created with store: true, for a limited time."
                        : "This server stores no responses: send the item itself."),
          path};
}

// Kept items in the place of references. However many references an input has, a response is parsed once and each of
// its items given once, so that the work and the conversation are bounded by what is kept.
class KeptItems {
 public:
  // `store` may be null.
  KeptItems(std::string_view owner, ResponseStore* store, int64_t now) : owner_(owner), store_(store), now_(now) {}

  ApiResult<Json> Take(const std::string& id, const std::string& path) {
    const auto response = store_ != nullptr ? store_->FindByItem(owner_, id, now_) : nullptr;
    if (response == nullptr) return NoSuchItem(id, path, store_ != nullptr);
    ItemsById& items = items_[response];
    if (items.empty()) Read(*response, &items);
    const auto found = items.find(id);
    if (found == items.end()) return NoSuchItem(id, path, true);
    if (!found->second) {
      return ApiError{ApiErrorKind::kInvalidRequest,
                      StrCat("Item with id '", Printable(id, 100), "' comes twice; refer to it once."), path};
    }
    return *std::exchange(found->second, std::nullopt);
  }

 private:
  using ItemsById = std::unordered_map<std::string, std::optional<Json>>;  // nothing: it was given

  static void Read(const StoredResponse& response, ItemsById* items) {
    for (std::vector<Json>& list :
         std::vector{KeptList(response.response, "output"), KeptList(response.input, nullptr)}) {
      for (Json& item : list) items->try_emplace(TextMember(item, "id"), std::move(item));
    }
  }

  const std::string_view owner_;
  ResponseStore* const store_;
  const int64_t now_;
  std::map<std::shared_ptr<const StoredResponse>, ItemsById> items_;
};

ApiError NoPrevious(const std::string& id, bool stores) {
  if (stores) {
    return {ApiErrorKind::kInvalidRequest,
            StrCat("Previous response with id '", Printable(id, 100), "' not found."),
            "previous_response_id",
            {},
            "previous_response_not_found"};
  }
  return {ApiErrorKind::kInvalidRequest,
          "previous_response_id is set, but this server stores no responses (--response-bytes 0): send all items in "
          "input",
          "previous_response_id",
          {},
          "previous_response_not_found"};
}

}  // namespace

ApiResult<ResponseInput> ReadResponseInput(const Json& body, std::string_view owner, ResponseStore* store) {
  ResponseInput input;
  if (!body.is_object()) return input;  // the parser says so
  const JsonFields fields(body);
  const auto now = static_cast<int64_t>(std::time(nullptr));
  std::string previous;
  const Status read = fields.Read("previous_response_id", &previous, kMaxResponseIdBytes);
  if (!read.ok()) return ApiErrorFrom(read);
  if (!previous.empty()) {
    input.previous = store != nullptr ? store->Find(owner, previous, now) : nullptr;
    if (input.previous == nullptr) return NoPrevious(previous, store != nullptr);
    input.earlier = InputItemsOf(*input.previous);
    AppendItems(KeptList(input.previous->response, "output"), &input.earlier);
  }
  const Json* items = fields.Find("input");
  if (items == nullptr) return input;
  if (items->is_string()) {
    input.own.push_back(KeptItem(Json::Object({{"role", Json::String("user")}, {"content", *items}})));
    return input;
  }
  if (!items->is_array()) return input;
  KeptItems kept(owner, store, now);
  for (size_t index = 0; index < items->items().size(); ++index) {
    const Json& item = items->items()[index];
    if (!IsReference(item)) {
      input.own.push_back(KeptItem(item));
      continue;
    }
    ApiResult<Json> found = kept.Take(TextMember(item, "id"), StrCat("input[", index, "]"));
    if (const auto* error = std::get_if<ApiError>(&found)) return *error;
    input.own.push_back(std::move(std::get<Json>(found)));
  }
  return input;
}

std::vector<Json> InputItemsOf(const StoredResponse& response) {
  std::vector<Json> items;
  for (const StoredResponse* part : ChainOf(response)) {
    AppendItems(KeptList(part->input, nullptr), &items);
    if (part != &response) AppendItems(KeptList(part->response, "output"), &items);
  }
  return items;
}

std::vector<std::string> ItemIdsOf(const std::vector<Json>& items) {
  std::vector<std::string> ids;
  for (const Json& item : items) {
    if (std::string id = TextMember(item, "id"); !id.empty()) ids.push_back(std::move(id));
  }
  return ids;
}

ApiResult<ItemPage> ReadItemPage(const HttpRequest& request) {
  ItemPage page;
  if (const std::string limit = request.QueryValue("limit"); !limit.empty()) {
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), page.limit);
    if (error != std::errc() || end != limit.data() + limit.size() || page.limit < 1 || page.limit > kMaxItemsOfPage) {
      return ApiError{
          ApiErrorKind::kInvalidRequest,
          StrCat("limit is \"", Printable(limit, 40), "\"; accepted is a whole number from 1 to ", kMaxItemsOfPage),
          "limit"};
    }
  }
  const std::string order = request.QueryValue("order");
  if (!order.empty() && order != "asc" && order != "desc") {
    return ApiError{ApiErrorKind::kInvalidRequest,
                    StrCat("order is \"", Printable(order, 40), "\"; accepted are \"asc\" and \"desc\""), "order"};
  }
  page.ascending = order == "asc";
  page.after = request.QueryValue("after");
  return page;
}

ApiResult<Json> PageOf(std::vector<Json> items, const ItemPage& page) {
  if (!page.ascending) std::reverse(items.begin(), items.end());
  if (!page.after.empty()) {
    const auto at = std::find_if(items.begin(), items.end(),
                                 [&](const Json& item) { return TextMember(item, "id") == page.after; });
    if (at == items.end()) {
      return ApiError{
          ApiErrorKind::kInvalidRequest,
          StrCat("after is \"", Printable(page.after, 100), "\"; accepted is the id of an item of the list"), "after"};
    }
    items.erase(items.begin(), std::next(at));
  }
  const bool more = static_cast<int64_t>(items.size()) > page.limit;
  if (more) items.resize(static_cast<size_t>(page.limit));
  const auto id_of = [&](const Json* item) { return item == nullptr ? Json() : Json::String(TextMember(*item, "id")); };
  const Json first = id_of(items.empty() ? nullptr : &items.front());
  const Json last = id_of(items.empty() ? nullptr : &items.back());
  return Json::Object({{"object", Json::String("list")},
                       {"data", Json::Array(std::move(items))},
                       {"first_id", first},
                       {"last_id", last},
                       {"has_more", Json::Bool(more)}});
}

}  // namespace fathom
