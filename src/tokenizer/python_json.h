// python_json.h - JSON exactly as Python's json module reads and writes it.
//
// The official chat encoder is a Python program: schemas and tool arguments reach the model in the form that
// json.dumps(value, ensure_ascii=False) gives them, so a prompt is only right if this text is equal byte for byte.
#ifndef FATHOM_TOKENIZER_PYTHON_JSON_H_
#define FATHOM_TOKENIZER_PYTHON_JSON_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

// What json.loads accepts: one document between white space, with NaN, Infinity and -Infinity as numbers, no byte order
// mark. An escaped lone surrogate becomes U+FFFD. Nesting is limited to kMaxPythonJsonDepth (Python's own limit is near
// 1000). Invalid UTF-8 is an error.
inline constexpr int kMaxPythonJsonDepth = 900;
Result<Json> ParsePythonJson(std::string_view text);

// json.dumps(value, ensure_ascii=False): separators ", " and ": ", integers in full precision, floats as their shortest
// round-trip repr (1.0, 1e-05, 1e+16, NaN, Infinity).
std::string DumpPythonJson(const Json& value);
void AppendPythonJson(const Json& value, std::string* out);

// repr() of a Python float.
std::string PythonFloatRepr(double value);

// Whether Python's `if value:` holds: not null, false, zero, or empty.
bool PythonTruth(const Json& value);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_PYTHON_JSON_H_
