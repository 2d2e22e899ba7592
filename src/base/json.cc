#include "base/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <unordered_map>

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

bool Json::is_integer() const {
  return is_number() && text_.find_first_not_of("-0123456789") == std::string::npos;
}

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

std::optional<double> Json::AsDouble() const {
  if (!is_number()) return std::nullopt;
  if (text_ == "NaN") return std::nan("");
  if (text_ == "Infinity") return HUGE_VAL;
  if (text_ == "-Infinity") return -HUGE_VAL;
  double value = 0;
  const auto parsed = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) return text_.front() == '-' ? -HUGE_VAL : HUGE_VAL;
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

// Builds a Json from RapidJSON's events on an explicit stack, so that depth is bounded by us and not by the C stack.
class Builder {
 public:
  explicit Builder(int max_depth) : max_depth_(max_depth) {}

  bool Null() { return Add(Json()); }
  bool Bool(bool value) { return Add(Json::Bool(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return Add(Json::Number(std::string(text, size))); }
  bool String(const char* text, rapidjson::SizeType size, bool) { return Add(Json::String(std::string(text, size))); }
  bool StartObject() { return Push(Json::Object()); }
  bool StartArray() { return Push(Json::Array()); }
  bool EndObject(rapidjson::SizeType) { return Pop(); }
  bool EndArray(rapidjson::SizeType) { return Pop(); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    stack_.back().key.assign(text, size);
    return true;
  }
  // Never called: kParseNumbersAsStringsFlag routes every number to RawNumber.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  bool too_deep() const { return too_deep_; }
  Json Take() { return std::move(root_); }

 private:
  struct Frame {
    Json value;
    std::string key;
    std::unordered_map<std::string, size_t> index;  // of member names, once an object is large
  };

  bool Push(Json value) {
    if (static_cast<int>(stack_.size()) >= max_depth_) {
      too_deep_ = true;
      return false;
    }
    stack_.push_back({std::move(value), {}, {}});
    return true;
  }

  bool Pop() {
    Json done = std::move(stack_.back().value);
    stack_.pop_back();
    return Add(std::move(done));
  }

  bool Add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = stack_.back();
    if (frame.value.is_array()) {
      frame.value.items().push_back(std::move(value));
    } else {
      AddMember(&frame, std::move(value));
    }
    return true;
  }

  // Duplicate keys must be found in objects of 10^5 members too (tokenizer vocabularies): linear search for small ones,
  // an index beyond.
  static void AddMember(Frame* frame, Json value) {
    constexpr size_t kLinear = 16;
    auto& members = frame->value.members();
    if (members.size() < kLinear) {
      frame->value.Set(std::move(frame->key), std::move(value));
      return;
    }
    if (frame->index.empty()) {
      for (size_t i = 0; i < members.size(); ++i) frame->index.emplace(members[i].first, i);
    }
    const auto [slot, inserted] = frame->index.emplace(frame->key, members.size());
    if (inserted) {
      members.emplace_back(std::move(frame->key), std::move(value));
    } else {
      members[slot->second].second = std::move(value);
    }
  }

  int max_depth_;
  bool too_deep_ = false;
  std::vector<Frame> stack_;
  Json root_;
};

// The four hex digits of a \uXXXX escape at text[at] (just after the 'u'), or -1.
int HexEscape(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  const auto parsed = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + at + 4 ? value : -1;
}

// RapidJSON refuses an escaped lone surrogate; the tokenizer's rule is to read it as U+FFFD. Returns true and the
// repaired text if there was one.
bool RepairLoneSurrogates(std::string_view text, std::string* repaired) {
  bool changed = false;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') continue;
    if (text[i + 1] != 'u') {
      ++i;  // skip the escaped character, which may be a backslash
      continue;
    }
    const int code = HexEscape(text, i + 2);
    if (code < 0xD800 || code > 0xDFFF) {
      ++i;
      continue;
    }
    const bool high = code < 0xDC00;
    const bool pair = high && i + 7 < text.size() && text[i + 6] == '\\' && text[i + 7] == 'u' &&
                      HexEscape(text, i + 8) >= 0xDC00 && HexEscape(text, i + 8) <= 0xDFFF;
    if (pair) {
      i += 11;
      continue;
    }
    if (!changed) repaired->assign(text);
    changed = true;
    repaired->replace(i + 2, 4, "fffd");
    i += 5;
  }
  return changed;
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

Result<Json> ParseJson(std::string_view text, const JsonParseOptions& options) {
  std::string repaired;
  if (RepairLoneSurrogates(text, &repaired)) text = repaired;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseFullPrecisionFlag;
  using Stream = rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream>;
  rapidjson::MemoryStream memory(text.data(), text.size());
  Stream stream(memory);
  rapidjson::Reader reader;
  Builder builder(options.max_depth);
  rapidjson::ParseResult parsed;
  if (options.allow_nan) {
    parsed = reader.Parse<kFlags | rapidjson::kParseNanAndInfFlag>(stream, builder);
  } else {
    parsed = reader.Parse<kFlags>(stream, builder);
  }
  if (builder.too_deep()) {
    return DataLoss(StrCat("JSON is nested deeper than ", options.max_depth, " levels at byte ", parsed.Offset()));
  }
  if (parsed.IsError()) {
    return DataLoss(StrCat("JSON is malformed at byte ", parsed.Offset(), ": ",
                           rapidjson::GetParseError_En(parsed.Code())));
  }
  return builder.Take();
}

}  // namespace fathom
