// field_paths.h - what the client called the fields of a request that was brought into another shape. Messages name
// fields by their paths in the shape of chat completions; clients look for the field that they sent.
//
//   FieldPaths paths;
//   paths.Add("tools[0].function", "tools[1]");
//   paths.Translate(InvalidArgument("tools[0].function.name is missing"));  // tools[1].name is missing
#ifndef FATHOM_SERVER_API_FIELD_PATHS_H_
#define FATHOM_SERVER_API_FIELD_PATHS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fathom {

class FieldPaths {
 public:
  // `field` and all inside of it were sent as `sent` and inside of that. Of several entries that hold the one with the
  // longest field counts, of equal ones the last.
  void Add(std::string field, std::string sent) { entries_.push_back({std::move(field), std::move(sent)}); }
  void Add(const FieldPaths& more);

  // `text`, which begins with a field's path, with the path that was sent.
  std::string Of(std::string_view text) const;
  // The same error about the field that was sent; a message that begins with no path of an entry stays as it is.
  Status Translate(const Status& status) const;

 private:
  struct Entry {
    std::string field;
    std::string sent;
  };
  std::vector<Entry> entries_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_FIELD_PATHS_H_
