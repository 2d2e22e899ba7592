#include "server/api/json_fields.h"

#include "base/strings.h"
#include "server/api/api_limits.h"

namespace fathom {
namespace {

std::string Describe(const Json& value) {
  switch (value.type()) {
    case Json::Type::kNull:
      return "null";
    case Json::Type::kBool:
      return value.boolean() ? "true" : "false";
    case Json::Type::kNumber:
      return Printable(value.number_text(), 40);
    case Json::Type::kString:
      return StrCat("\"", Printable(value.string(), 60), "\"");
    case Json::Type::kArray:
      return "a list";
    case Json::Type::kObject:
      return "an object";
  }
  return "";
}

}  // namespace

const Json* JsonFields::Find(std::string_view key) const {
  const Json* value = object_.Find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonFields::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : StrCat(path_, ".", key);
}

Status JsonFields::Wrong(std::string_view key, const Json& found, std::string_view expected) const {
  return InvalidArgument(StrCat(PathOf(key), " is ", Describe(found), "; accepted is ", expected));
}

Status JsonFields::Read(std::string_view key, bool* value) const {
  const Json* found = Find(key);
  if (found == nullptr) return {};
  if (!found->is_bool()) return Wrong(key, *found, "true or false");
  *value = found->boolean();
  return {};
}

Status JsonFields::Read(std::string_view key, std::string* value, size_t max_bytes) const {
  const Json* found = Find(key);
  if (found == nullptr) return {};
  if (!found->is_string()) return Wrong(key, *found, "a string");
  if (found->string().size() > max_bytes) {
    return InvalidArgument(
        StrCat(PathOf(key), " has ", found->string().size(), " bytes; accepted are at most ", max_bytes));
  }
  *value = found->string();
  return {};
}

Status JsonFields::Read(std::string_view key, std::optional<double>* value) const {
  const Json* found = Find(key);
  if (found == nullptr) return {};
  *value = found->AsDouble();
  return *value ? Status() : Wrong(key, *found, "a number");
}

Status JsonFields::Read(std::string_view key, std::optional<int64_t>* value, int64_t low, int64_t high) const {
  const Json* found = Find(key);
  if (found == nullptr) return {};
  const std::optional<int64_t> number = found->AsInt();
  if (!number || *number < low || *number > high) {
    std::string expected = "a whole number";
    if (low != std::numeric_limits<int64_t>::min()) {
      expected += high == std::numeric_limits<int64_t>::max() ? StrCat(" of ", low, " or more")
                                                              : StrCat(" from ", low, " to ", high);
    }
    return Wrong(key, *found, expected);
  }
  *value = number;
  return {};
}

Status JsonFields::ReadTexts(std::string_view key, size_t max_count, std::vector<std::string>* value) const {
  const Json* found = Find(key);
  if (found == nullptr) return {};
  const std::string expected = StrCat("a string or a list of at most ", max_count, " strings");
  if (!found->is_string() && !found->is_array()) return Wrong(key, *found, expected);
  const size_t count = found->is_string() ? 1 : found->items().size();
  if (count > max_count) {
    return InvalidArgument(StrCat(PathOf(key), " has ", count, " entries; accepted is ", expected));
  }
  value->clear();
  for (size_t index = 0; index < count; ++index) {
    const Json& text = found->is_string() ? *found : found->items()[index];
    const std::string name = found->is_string() ? std::string(key) : StrCat(key, "[", index, "]");
    if (!text.is_string()) return Wrong(name, text, "a string");
    if (text.string().size() > kMaxStopBytes) {
      return InvalidArgument(
          StrCat(PathOf(name), " has ", text.string().size(), " bytes; accepted are at most ", kMaxStopBytes));
    }
    if (!text.string().empty()) value->push_back(text.string());
  }
  return {};
}

Result<const Json*> JsonFields::ReadObject(std::string_view key) const {
  const Json* found = Find(key);
  if (found != nullptr && !found->is_object()) return Wrong(key, *found, "an object");
  return found;
}

}  // namespace fathom
