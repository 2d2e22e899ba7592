#include "tokenizer/python_json.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace fathom {

namespace {

// int(text) printed again: only "-0" changes.
void AppendNumber(const Json& number, std::string* out) {
  const std::string& text = number.number_text();
  if (number.is_integer()) {
    out->append(text == "-0" ? "0" : text);
    return;
  }
  const std::optional<double> value = number.AsDouble();
  out->append(value ? PythonFloatRepr(*value) : text);
}

}  // namespace

Result<Json> ParsePythonJson(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return DataLoss("JSON begins with a byte order mark");
  return ParseJson(text, {.allow_nan = true, .max_depth = kMaxPythonJsonDepth});
}

std::string PythonFloatRepr(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  // Shortest round-trip digits as d.ddde+-xx, laid out again the way repr() does.
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const size_t mark = text.find('e');
  std::string digits(1, text.front());
  if (mark > 2) digits.append(text.substr(2, mark - 2));
  int exponent = 0;
  const size_t exponent_at = text[mark + 1] == '+' ? mark + 2 : mark + 1;
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);

  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    if (digits.size() > 1) out += StrCat('.', digits.substr(1));
    return out + StrFormat("e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

void AppendPythonJson(const Json& value, std::string* out) {
  switch (value.type()) {
    case Json::Type::kNull:
      out->append("null");
      return;
    case Json::Type::kBool:
      out->append(value.boolean() ? "true" : "false");
      return;
    case Json::Type::kNumber:
      AppendNumber(value, out);
      return;
    case Json::Type::kString:
      AppendJsonString(value.string(), out);
      return;
    case Json::Type::kArray: {
      std::string_view separator;
      out->push_back('[');
      for (const Json& item : value.items()) {
        out->append(separator);
        separator = ", ";
        AppendPythonJson(item, out);
      }
      out->push_back(']');
      return;
    }
    case Json::Type::kObject: {
      std::string_view separator;
      out->push_back('{');
      for (const auto& [key, member] : value.members()) {
        out->append(separator);
        separator = ", ";
        AppendJsonString(key, out);
        out->append(": ");
        AppendPythonJson(member, out);
      }
      out->push_back('}');
      return;
    }
  }
}

std::string DumpPythonJson(const Json& value) {
  std::string out;
  AppendPythonJson(value, &out);
  return out;
}

bool PythonTruth(const Json& value) {
  switch (value.type()) {
    case Json::Type::kNull:
      return false;
    case Json::Type::kBool:
      return value.boolean();
    case Json::Type::kNumber:
      return value.AsDouble() != 0.0;  // NaN is true, as in Python
    case Json::Type::kString:
      return !value.string().empty();
    case Json::Type::kArray:
      return !value.items().empty();
    case Json::Type::kObject:
      return !value.members().empty();
  }
  return false;
}

}  // namespace fathom
