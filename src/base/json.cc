#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace fathom {

Json Json::Bool(bool value) {
  Json json;
  json.type_ = Type::kBool;
  json.bool_ = value;
  return json;
}

Json Json::Int(int64_t value) { return Number(std::to_string(value)); }

Json Json::Double(double value) {
  if (std::isnan(value)) return Number("NaN");
  if (std::isinf(value)) return Number(value > 0 ? "Infinity" : "-Infinity");
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return Number(std::string(buffer, end.ptr));
}

Json Json::DoubleOrNull(double value) { return std::isfinite(value) ? Double(value) : Json(); }

Json Json::Number(std::string text) {
  Json json;
  json.type_ = Type::kNumber;
  json.text_ = std::move(text);
  return json;
}

Json Json::String(std::string text) {
  Json json;
  json.type_ = Type::kString;
  json.text_ = std::move(text);
  return json;
}

Json Json::Array(std::vector<Json> items) {
  Json json;
  json.type_ = Type::kArray;
  json.items_ = std::move(items);
  return json;
}

Json Json::Object(std::vector<Member> members) {
  Json json;
  json.type_ = Type::kObject;
  json.members_ = std::move(members);
  return json;
}

bool Json::boolean() const {
  FATHOM_CHECK(is_bool());
  return bool_;
}

const std::string& Json::string() const {
  FATHOM_CHECK(is_string());
  return text_;
}

const std::string& Json::number_text() const {
  FATHOM_CHECK(is_number());
  return text_;
}

const std::vector<Json>& Json::items() const {
  FATHOM_CHECK(is_array());
  return items_;
}

std::vector<Json>& Json::items() {
  FATHOM_CHECK(is_array());
  return items_;
}

const std::vector<Json::Member>& Json::members() const {
  FATHOM_CHECK(is_object());
  return members_;
}

std::vector<Json::Member>& Json::members() {
  FATHOM_CHECK(is_object());
  return members_;
}

bool Json::is_integer() const { return is_number() && text_.find_first_not_of("-0123456789") == std::string::npos; }

std::optional<int64_t> Json::AsInt() const {
  if (!is_number()) return std::nullopt;
  int64_t value = 0;
  const char* end = text_.data() + text_.size();
  if (is_integer()) {
    const auto parsed = std::from_chars(text_.data(), end, value);
    if (parsed.ec == std::errc() && parsed.ptr == end) return value;
    return std::nullopt;
  }
  const std::optional<double> real = AsDouble();
  // 2^63 is exact as a double; the largest double below it is in range.
  if (!real || !(std::fabs(*real) < 9223372036854775808.0) || std::trunc(*real) != *real) return std::nullopt;
  return static_cast<int64_t>(*real);
}

namespace {

// Whether the decimal number `text`, known to be out of a double's range, is too large rather than too small.
bool TooLarge(std::string_view text) {
  const size_t mark = text.find_first_of("eE");
  if (mark != std::string_view::npos) {
    // An exponent that decides against the digits before it would need as many zeros as its value.
    const char* begin = text.data() + mark + (text[mark + 1] == '+' ? 2 : 1);
    const char* end = text.data() + text.size();
    int64_t exponent = 0;
    const bool fits = std::from_chars(begin, end, exponent).ec == std::errc();
    if (!fits) return *begin != '-';
    const std::string_view mantissa = text.substr(0, mark);
    const size_t point = std::min(mantissa.find('.'), mantissa.size());
    const size_t first = mantissa.find_first_of("123456789");
    const auto place = static_cast<int64_t>(point) - static_cast<int64_t>(first);
    return exponent > -place;
  }
  const size_t first = text.find_first_of("123456789");
  return first < std::min(text.find('.'), text.size());
}

}  // namespace

std::optional<double> Json::AsDouble() const {
  if (!is_number()) return std::nullopt;
  if (text_ == "NaN") return std::nan("");
  if (text_ == "Infinity") return HUGE_VAL;
  if (text_ == "-Infinity") return -HUGE_VAL;
  double value = 0;
  const auto parsed = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) {
    return std::copysign(TooLarge(text_) ? HUGE_VAL : 0.0, text_.front() == '-' ? -1.0 : 1.0);
  }
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

void Json::Set(std::string key, Json value) {
  FATHOM_CHECK(is_object());
  for (Member& member : members_) {
    if (member.first == key) {
      member.second = std::move(value);
      return;
    }
  }
  members_.emplace_back(std::move(key), std::move(value));
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\b':
        out->append("\\b");
        break;
      case '\f':
        out->append("\\f");
        break;
      default:
        if (byte < 0x20) {
          out->append(StrFormat("\\u%04x", byte));
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

namespace {

// indent < 0: compact.
void Write(const Json& json, int indent, std::string* out) {
  const auto new_line = [&](int level) {
    if (indent < 0) return;
    out->push_back('\n');
    out->append(static_cast<size_t>(level) * 2, ' ');
  };
  const int inner = indent < 0 ? indent : indent + 1;
  switch (json.type()) {
    case Json::Type::kNull:
      out->append("null");
      return;
    case Json::Type::kBool:
      out->append(json.boolean() ? "true" : "false");
      return;
    case Json::Type::kNumber:
      out->append(json.number_text());
      return;
    case Json::Type::kString:
      AppendJsonString(json.string(), out);
      return;
    case Json::Type::kArray: {
      out->push_back('[');
      bool first = true;
      for (const Json& item : json.items()) {
        if (!first) out->push_back(',');
        first = false;
        new_line(inner);
        Write(item, inner, out);
      }
      if (!first) new_line(indent);
      out->push_back(']');
      return;
    }
    case Json::Type::kObject: {
      out->push_back('{');
      bool first = true;
      for (const auto& [key, value] : json.members()) {
        if (!first) out->push_back(',');
        first = false;
        new_line(inner);
        AppendJsonString(key, out);
        out->append(indent < 0 ? ":" : ": ");
        Write(value, inner, out);
      }
      if (!first) new_line(indent);
      out->push_back('}');
      return;
    }
  }
}

}  // namespace

std::string Json::Dump() const {
  std::string out;
  Write(*this, -1, &out);
  return out;
}

std::string Json::DumpPretty() const {
  std::string out;
  Write(*this, 0, &out);
  return out;
}

}  // namespace fathom
