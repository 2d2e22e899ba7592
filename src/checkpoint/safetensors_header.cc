#include "checkpoint/safetensors_header.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "base/strings.h"

namespace fathom {
namespace {

// More dimensions than any tensor of any model has.
constexpr size_t kMaxRank = 16;

std::string Quoted(std::string_view name) { return StrCat("tensor '", Printable(name, 200), "'"); }

// Collects entries from RapidJSON's events. Returning false stops the parser; `error()` then says why.
class Collector {
 public:
  explicit Collector(SafetensorsHeader* header) : header_(header) {}

  const std::string& error() const { return error_; }

  bool Null() { return Value("null"); }
  bool Bool(bool) { return Value("a boolean"); }
  bool Int(int value) { return value < 0 ? Value("a negative number") : Number(static_cast<uint64_t>(value)); }
  bool Uint(unsigned value) { return Number(value); }
  bool Int64(int64_t value) { return value < 0 ? Value("a negative number") : Number(static_cast<uint64_t>(value)); }
  bool Uint64(uint64_t value) { return Number(value); }
  bool Double(double) { return Value("a number that is not a whole number below 2^64"); }
  bool RawNumber(const char*, rapidjson::SizeType, bool) { return false; }  // only with a flag that is not set

  bool String(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view value(text, size);
    if (skip_depth_ > 0) return true;
    if (in_metadata_ && depth_ == 2) {
      header_->metadata.emplace_back(std::move(key_), std::string(value));
      return true;
    }
    if (depth_ == 2 && field_ == Field::kDtype) {
      TensorInfo& info = entry_.info;
      info.type = ParseTensorType(value);
      if (info.type == TensorType::kUnknown) info.type_name = Printable(value, 40);
      has_dtype_ = true;
      return true;
    }
    return Value("a string");
  }

  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view key(text, size);
    if (skip_depth_ > 0) return true;
    if (depth_ == 1) return StartEntry(key);
    if (in_metadata_) {
      key_ = key;
      return true;
    }
    field_ = key == "dtype"          ? Field::kDtype
             : key == "shape"        ? Field::kShape
             : key == "data_offsets" ? Field::kOffsets
                                     : Field::kOther;
    const bool seen = (field_ == Field::kDtype && has_dtype_) || (field_ == Field::kShape && has_shape_) ||
                      (field_ == Field::kOffsets && has_offsets_);
    if (seen) return Fail(StrCat(Quoted(name_), " has ", key, " twice"));
    return true;
  }

  bool StartObject() {
    if (skip_depth_ > 0 || ignored()) return Skip();
    if (depth_ >= 2) return Value("an object");
    ++depth_;
    return true;
  }

  bool EndObject(rapidjson::SizeType) {
    if (skip_depth_ > 0) return Unskip();
    --depth_;
    return depth_ == 1 ? FinishEntry() : true;
  }

  bool StartArray() {
    if (skip_depth_ > 0 || ignored()) return Skip();
    if (depth_ != 2 || in_metadata_ || field_ == Field::kDtype) return Value("an array");
    depth_ = 3;
    numbers_.clear();
    return true;
  }

  bool EndArray(rapidjson::SizeType) {
    if (skip_depth_ > 0) return Unskip();
    depth_ = 2;
    return field_ == Field::kShape ? FinishShape() : FinishOffsets();
  }

 private:
  enum class Field { kDtype, kShape, kOffsets, kOther };

  bool Fail(std::string message) {
    error_ = std::move(message);
    return false;
  }

  // At the value of a tensor's field that has no meaning here.
  bool ignored() const { return depth_ == 2 && !in_metadata_ && field_ == Field::kOther; }

  bool Skip() {
    ++skip_depth_;
    return true;
  }

  bool Unskip() {
    --skip_depth_;
    return true;
  }

  // A value of a kind that is wrong wherever the header has a meaning.
  bool Value(std::string_view what) {
    if (skip_depth_ > 0 || ignored()) return true;
    if (depth_ == 0) return Fail(StrCat("the header is ", what, "; an object is expected"));
    if (in_metadata_) {
      return Fail(depth_ == 1
                      ? StrCat("__metadata__ is ", what, "; an object of strings is expected")
                      : StrCat("__metadata__ entry '", Printable(key_), "' is ", what, "; a string is expected"));
    }
    if (depth_ == 1) return Fail(StrCat(Quoted(name_), " is ", what, "; an object is expected"));
    const char* field = field_ == Field::kDtype ? "dtype" : field_ == Field::kShape ? "shape" : "data_offsets";
    if (depth_ == 3) {
      return Fail(StrCat(Quoted(name_), ": ", field, "[", numbers_.size(), "] is ", what,
                         "; a whole number that is not negative is expected"));
    }
    const char* accepted = field_ == Field::kDtype ? "a string" : "an array of whole numbers";
    return Fail(StrCat(Quoted(name_), ": ", field, " is ", what, "; ", accepted, " is expected"));
  }

  bool Number(uint64_t value) {
    if (depth_ != 3 || skip_depth_ > 0) return Value("a number");
    if (numbers_.size() >= kMaxRank) {
      return Fail(StrCat(Quoted(name_), ": ", field_ == Field::kShape ? "shape" : "data_offsets", " has more than ",
                         kMaxRank, " entries"));
    }
    numbers_.push_back(value);
    return true;
  }

  bool StartEntry(std::string_view name) {
    name_ = name;
    in_metadata_ = name == "__metadata__";
    entry_ = {};
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return true;
  }

  bool FinishShape() {
    // The product of the sizes stays below 2^63, also when a size of 0 hides the others.
    uint64_t product = 1;
    for (const uint64_t size : numbers_) {
      if (size > INT64_MAX || __builtin_mul_overflow(product, std::max<uint64_t>(size, 1), &product) ||
          product > INT64_MAX) {
        return Fail(StrCat(Quoted(name_), ": shape is too large: its sizes multiply to more than 2^63"));
      }
    }
    entry_.info.shape.assign(numbers_.begin(), numbers_.end());
    has_shape_ = true;
    return true;
  }

  bool FinishOffsets() {
    if (numbers_.size() != 2) {
      return Fail(StrCat(Quoted(name_), ": data_offsets has ", numbers_.size(), " entries; 2 are expected"));
    }
    entry_.begin = numbers_[0];
    entry_.end = numbers_[1];
    has_offsets_ = true;
    return true;
  }

  bool FinishEntry() {
    if (in_metadata_) {
      in_metadata_ = false;
      return true;
    }
    const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : !has_offsets_ ? "data_offsets" : nullptr;
    if (missing != nullptr) return Fail(StrCat(Quoted(name_), " has no ", missing));
    entry_.info.name = std::move(name_);
    header_->entries.push_back(std::move(entry_));
    return true;
  }

  SafetensorsHeader* header_;
  std::string error_;
  int depth_ = 0;       // 1: names, 2: fields of a tensor or metadata, 3: numbers of shape or data_offsets
  int skip_depth_ = 0;  // inside the value of a field that has no meaning here
  bool in_metadata_ = false;
  std::string name_;
  std::string key_;  // of __metadata__
  Field field_ = Field::kOther;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  SafetensorsEntry entry_;
  std::vector<uint64_t> numbers_;
};

Status CheckEntry(const SafetensorsEntry& entry, uint64_t data_bytes) {
  const std::string name = Quoted(entry.info.name);
  if (entry.begin > entry.end) {
    return DataLoss(StrCat(name, ": data_offsets begin at ", entry.begin, " and end at ", entry.end,
                           "; the end must not be below the begin"));
  }
  if (entry.end > data_bytes) {
    return DataLoss(StrCat(name, ": data_offsets end at ", entry.end, ", but the file holds only ", data_bytes,
                           " bytes of tensor data (truncated?)"));
  }
  const auto unit = static_cast<uint64_t>(TensorTypeBytes(entry.info.type));
  if (unit == 0) return {};  // unknown type: its size cannot be checked, whoever uses the tensor refuses it
  uint64_t expected = 0;
  const bool overflow = __builtin_mul_overflow(static_cast<uint64_t>(entry.info.elements()), unit, &expected);
  if (overflow || expected != entry.end - entry.begin) {
    return DataLoss(StrCat(name, ": data_offsets span ", entry.end - entry.begin, " bytes, but ",
                           TensorTypeName(entry.info.type), " of shape ", ShapeText(entry.info.shape), " needs ",
                           overflow ? "more than 2^64" : std::to_string(expected)));
  }
  return {};
}

Status CheckUnique(const std::vector<SafetensorsEntry>& entries) {
  std::unordered_set<std::string_view> names;
  names.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) {
    if (!names.insert(entry.info.name).second) return DataLoss(StrCat(Quoted(entry.info.name), " is listed twice"));
  }
  return {};
}

Status CheckOverlap(const std::vector<SafetensorsEntry>& entries) {
  std::vector<size_t> order;
  order.reserve(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].begin < entries[i].end) order.push_back(i);
  }
  const auto before = [&](size_t a, size_t b) { return entries[a].begin < entries[b].begin; };
  if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
  for (size_t i = 1; i < order.size(); ++i) {
    const SafetensorsEntry& first = entries[order[i - 1]];
    const SafetensorsEntry& second = entries[order[i]];
    if (second.begin < first.end) {
      return DataLoss(StrCat(Quoted(second.info.name), " at bytes ", second.begin, " to ", second.end, " overlaps ",
                             Quoted(first.info.name), " at ", first.begin, " to ", first.end));
    }
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes) {
  SafetensorsHeader header;
  Collector collector(&header);
  // Iterative: nesting costs heap in proportion to the header, never the C stack.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::MemoryStream memory(json.data(), json.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(memory);
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, collector);
  if (!collector.error().empty()) return DataLoss(collector.error());
  if (parsed.IsError()) {
    return DataLoss(StrCat("the header is malformed JSON at byte ", parsed.Offset(), ": ",
                           rapidjson::GetParseError_En(parsed.Code())));
  }
  for (const SafetensorsEntry& entry : header.entries) FATHOM_RETURN_IF_ERROR(CheckEntry(entry, data_bytes));
  FATHOM_RETURN_IF_ERROR(CheckUnique(header.entries));
  FATHOM_RETURN_IF_ERROR(CheckOverlap(header.entries));
  return header;
}

}  // namespace fathom
