// Parsing by RapidJSON's event reader into Json values.
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/strings.h"

namespace fathom {

namespace {

// Builds a Json from RapidJSON's events on an explicit stack, so that depth is bounded by us and not by the C stack.
class Builder {
 public:
  // `replaced` holds numbers that stand in the text as placeholders, by their place among all numbers.
  Builder(int max_depth, const std::unordered_map<size_t, std::string>& replaced)
      : max_depth_(max_depth), replaced_(replaced) {}

  bool Null() { return Add(Json()); }
  bool Bool(bool value) { return Add(Json::Bool(value)); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const auto original = replaced_.find(numbers_++);
    if (original != replaced_.end()) return Add(Json::Number(original->second));
    std::string number(text, size);
    // RapidJSON also reads Inf and -NaN.
    bad_number_ = number.find_first_of("IN") != std::string::npos && number != "NaN" && number != "Infinity" &&
                  number != "-Infinity";
    return !bad_number_ && Add(Json::Number(std::move(number)));
  }
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
  bool bad_number() const { return bad_number_; }
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
  const std::unordered_map<size_t, std::string>& replaced_;
  size_t numbers_ = 0;
  bool too_deep_ = false;
  bool bad_number_ = false;
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

bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  const auto take = [&](std::string_view any) {
    const bool found = at < text.size() && any.find(text[at]) != std::string_view::npos;
    at += found ? 1 : 0;
    return found;
  };
  take("-");
  const bool zero = text.substr(at).starts_with('0');
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (take(".") && digits() == 0) return false;
  if (take("eE")) {
    take("+-");
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// RapidJSON refuses numbers beyond a double even when it only has to copy their text. Replaces every number by 0 and
// remembers the originals by their place among all numbers.
std::string ReplaceNumbers(std::string_view text, std::unordered_map<size_t, std::string>* replaced) {
  std::string out;
  size_t numbers = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      out.append(text.substr(at, end - at));
    } else if (text[at] == '-' || (text[at] >= '0' && text[at] <= '9') || text[at] == 'N' || text[at] == 'I') {
      end = std::min(text.find_first_of(" \t\r\n,]}:\"", at), text.size());
      const std::string_view token = text.substr(at, end - at);
      const bool number = IsNumber(token);
      if (number) replaced->emplace(numbers, token);
      ++numbers;
      out.append(number ? "0" : token);
    } else {
      out.push_back(text[at]);
    }
    at = end;
  }
  return out;
}

rapidjson::ParseResult Read(std::string_view text, const JsonParseOptions& options, Builder* builder) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseFullPrecisionFlag;
  using Stream = rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream>;
  rapidjson::MemoryStream memory(text.data(), text.size());
  Stream stream(memory);
  rapidjson::Reader reader;
  if (options.allow_nan) return reader.Parse<kFlags | rapidjson::kParseNanAndInfFlag>(stream, *builder);
  return reader.Parse<kFlags>(stream, *builder);
}

Result<Json> Finish(const rapidjson::ParseResult& parsed, const JsonParseOptions& options, Builder* builder) {
  if (builder->too_deep()) {
    return DataLoss(StrCat("JSON is nested deeper than ", options.max_depth, " levels at byte ", parsed.Offset()));
  }
  if (builder->bad_number()) {
    return DataLoss(StrCat("JSON is malformed at byte ", parsed.Offset(),
                           ": of names for numbers only NaN, Infinity and -Infinity are accepted"));
  }
  if (parsed.IsError()) {
    return DataLoss(
        StrCat("JSON is malformed at byte ", parsed.Offset(), ": ", rapidjson::GetParseError_En(parsed.Code())));
  }
  return builder->Take();
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonParseOptions& options) {
  // RapidJSON takes it for the end of the text.
  if (const size_t at = text.find('\0'); at != std::string_view::npos) {
    return DataLoss(StrCat("JSON is malformed at byte ", at, ": a zero byte is nowhere accepted"));
  }
  std::string repaired;
  if (RepairLoneSurrogates(text, &repaired)) text = repaired;
  std::unordered_map<size_t, std::string> replaced;
  Builder builder(options.max_depth, replaced);
  const rapidjson::ParseResult parsed = Read(text, options, &builder);
  if (parsed.Code() != rapidjson::kParseErrorNumberTooBig) return Finish(parsed, options, &builder);
  const std::string shortened = ReplaceNumbers(text, &replaced);
  Builder again(options.max_depth, replaced);
  return Finish(Read(shortened, options, &again), options, &again);
}

}  // namespace fathom
