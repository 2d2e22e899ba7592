// json_fields.h - optional fields of a request's JSON object, each checked; errors name the field by its path.
//
//   const JsonFields fields(body);
//   FATHOM_RETURN_IF_ERROR(fields.Read("stream", &stream));
//
// A field that is absent or null leaves the variable as it is.
#ifndef FATHOM_SERVER_API_JSON_FIELDS_H_
#define FATHOM_SERVER_API_JSON_FIELDS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

class JsonFields {
 public:
  // `path` is what messages call the object; empty for the body. `object` must outlive this; no object has no fields.
  explicit JsonFields(const Json& object, std::string path = "") : object_(object), path_(std::move(path)) {}

  // Null if absent or null.
  const Json* Find(std::string_view key) const;
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view key) const;

  Status Read(std::string_view key, bool* value) const;
  Status Read(std::string_view key, std::string* value, size_t max_bytes = kMaxTextBytes) const;
  Status Read(std::string_view key, std::optional<double>* value) const;
  Status Read(std::string_view key, std::optional<int64_t>* value, int64_t low = std::numeric_limits<int64_t>::min(),
              int64_t high = std::numeric_limits<int64_t>::max()) const;
  // A string or a list of strings; empty ones are left out.
  Status ReadTexts(std::string_view key, size_t max_count, std::vector<std::string>* value) const;
  // The member as an object; null if absent, an error if it is something else.
  Result<const Json*> ReadObject(std::string_view key) const;

  // "`path` is a number; accepted is `expected`".
  Status Wrong(std::string_view key, const Json& found, std::string_view expected) const;

  static constexpr size_t kMaxTextBytes = size_t{1} << 30;

 private:
  const Json& object_;
  const std::string path_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_JSON_FIELDS_H_
