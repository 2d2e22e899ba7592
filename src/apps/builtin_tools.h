// builtin_tools.h - tools that a model in `chat` can call without anybody's help: offline and harmless.
//
//   calculator(expression)   numbers, + - * / and parentheses
//   get_time(timezone)       the time now in a time zone or city, see world_clock.h
//
// Names, parameters and descriptions are among those that the shipped model has learnt from (corpus/tool_tasks.cc).
// Arguments come from a model: whatever is wrong with them becomes a result that begins with "error: ", so that the
// model can react.
#ifndef FATHOM_APPS_BUILTIN_TOOLS_H_
#define FATHOM_APPS_BUILTIN_TOOLS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

// The `function` objects of the chat API.
const std::vector<Json>& BuiltinToolSchemas();

// The result of a call; `arguments` is an object.
std::string CallBuiltinTool(std::string_view name, const Json& arguments);

// The value as text: "5", "0.3". Computed in double precision and shown with 15 digits; integers below 2^53 exactly.
// Errors: what is no such expression, division by zero, values out of range, more than 1000 bytes, nesting beyond 100.
Result<std::string> Calculate(std::string_view expression);

}  // namespace fathom

#endif  // FATHOM_APPS_BUILTIN_TOOLS_H_
