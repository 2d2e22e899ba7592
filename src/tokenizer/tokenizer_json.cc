#include "tokenizer/tokenizer_json.h"

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/pretokenizer.h"

namespace fathom {

namespace {

// Quoted, made printable and cut, for error sentences.
std::string Quote(std::string_view text) { return StrCat("\"", Printable(text, 40), "\""); }

std::string Describe(const Json& value) {
  if (value.is_string()) return Quote(value.string());
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  return Printable(value.Dump(), 40);
}

// GPT-2's alphabet: bytes that print stand for themselves as code points, the other 68 are U+0100, U+0101, ...
constexpr char32_t kAlphabetEnd = 0x100 + 68;

std::array<int16_t, kAlphabetEnd> MakeByteOfAlphabet() {
  std::array<int16_t, kAlphabetEnd> byte_of;
  byte_of.fill(-1);
  char32_t next = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    byte_of[prints ? static_cast<char32_t>(byte) : next++] = byte;
  }
  return byte_of;
}

// The bytes a vocabulary entry stands for; nothing if a character is outside the alphabet.
std::optional<std::string> BytesOfEntry(std::string_view entry) {
  static const std::array<int16_t, kAlphabetEnd> kByteOf = MakeByteOfAlphabet();
  std::string bytes;
  while (!entry.empty()) {
    const Utf8Char next = ReadUtf8(entry);
    if (next.code_point >= kAlphabetEnd || kByteOf[next.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteOf[next.code_point]));
    entry.remove_prefix(next.size);
  }
  return bytes;
}

class Parser {
 public:
  Parser(const Json& root, const std::string& name) : root_(root), name_(name) {}

  Result<TokenizerTables> Parse() {
    if (!root_.is_object()) return Bad("", "the document must be an object");
    FATHOM_RETURN_IF_ERROR(CheckPipeline());
    FATHOM_RETURN_IF_ERROR(CheckPreTokenizer());
    const Json* model = root_.Find("model");
    if (model == nullptr || !model->is_object()) return Bad("model", "an object is required");
    FATHOM_RETURN_IF_ERROR(CheckModel(*model));
    FATHOM_RETURN_IF_ERROR(ReadAddedTokens());
    FATHOM_RETURN_IF_ERROR(ReadVocab(*model));
    FATHOM_RETURN_IF_ERROR(PlaceAddedTokens());
    FATHOM_RETURN_IF_ERROR(FindByteIds());
    FATHOM_RETURN_IF_ERROR(ReadMerges(*model));
    return std::move(tables_);
  }

 private:
  Status Bad(std::string_view field, std::string_view what) const {
    return DataLoss(field.empty() ? StrCat(name_, ": ", what) : StrCat(name_, ": ", field, ": ", what));
  }

  // A field that may be absent, null or equal to `neutral`.
  Status CheckNeutral(const Json& object, std::string_view prefix, std::string_view key, const Json& neutral) const {
    const Json* value = object.Find(key);
    if (value == nullptr || value->is_null()) return {};
    if (value->type() == neutral.type() && value->Dump() == neutral.Dump()) return {};
    return Bad(StrCat(prefix, key), StrCat("found ", Describe(*value), ", only ", neutral.Dump(), " is supported"));
  }

  static bool HasType(const Json* step, std::string_view type) {
    const Json* found = step == nullptr ? nullptr : step->Find("type");
    return found != nullptr && found->is_string() && found->string() == type;
  }

  // Everything around the model that could change text or ids.
  Status CheckPipeline() const {
    for (const char* key : {"truncation", "padding"}) FATHOM_RETURN_IF_ERROR(CheckNeutral(root_, "", key, Json()));
    const Json* normalizer = root_.Find("normalizer");
    if (normalizer != nullptr && !normalizer->is_null()) {
      const Json* steps = normalizer->Find("normalizers");
      if (!HasType(normalizer, "Sequence") || steps == nullptr || !steps->is_array() || !steps->items().empty()) {
        return Bad("normalizer", "only null or an empty Sequence is supported");
      }
    }
    const Json* post_processor = root_.Find("post_processor");
    if (post_processor != nullptr && !post_processor->is_null() && !HasType(post_processor, "ByteLevel")) {
      return Bad("post_processor", "only null or type \"ByteLevel\" is supported");
    }
    if (!HasType(root_.Find("decoder"), "ByteLevel")) return Bad("decoder", "type \"ByteLevel\" is required");
    return {};
  }

  Status CheckPreTokenizer() const {
    const Json* pre_tokenizer = root_.Find("pre_tokenizer");
    const Json* steps = pre_tokenizer == nullptr ? nullptr : pre_tokenizer->Find("pretokenizers");
    if (!HasType(pre_tokenizer, "Sequence") || steps == nullptr || !steps->is_array() || steps->items().size() != 4) {
      return Bad("pre_tokenizer", "a Sequence of three Split steps and ByteLevel is required");
    }
    for (size_t at = 0; at < 3; ++at) {
      FATHOM_RETURN_IF_ERROR(
          CheckSplit(steps->items()[at], StrCat("pre_tokenizer.pretokenizers[", at, "]"), kSplitPatterns[at]));
    }
    const Json& last = steps->items()[3];
    const std::string field = "pre_tokenizer.pretokenizers[3]";
    if (!HasType(&last, "ByteLevel")) return Bad(field, "type \"ByteLevel\" is required");
    for (const char* key : {"add_prefix_space", "use_regex"}) {
      // Absent means true for both.
      const Json* value = last.Find(key);
      if (value == nullptr || !value->is_bool() || value->boolean()) {
        return Bad(StrCat(field, ".", key), "false is required");
      }
    }
    return {};
  }

  Status CheckSplit(const Json& step, const std::string& field, std::string_view expected) const {
    if (!HasType(&step, "Split")) return Bad(field, "type \"Split\" is required");
    const Json* pattern = step.Find("pattern");
    const Json* regex = pattern == nullptr ? nullptr : pattern->Find("Regex");
    if (regex == nullptr || !regex->is_string()) return Bad(StrCat(field, ".pattern.Regex"), "a string is required");
    if (WithEscapedNewlines(regex->string()) != WithEscapedNewlines(expected)) {
      return Bad(StrCat(field, ".pattern.Regex"), StrCat("found ", Quote(regex->string()), ", only DeepSeek's pattern ",
                                                         Quote(expected), " is supported"));
    }
    const Json* behavior = step.Find("behavior");
    if (behavior == nullptr || !behavior->is_string() || behavior->string() != "Isolated") {
      return Bad(StrCat(field, ".behavior"), "\"Isolated\" is required");
    }
    return CheckNeutral(step, StrCat(field, "."), "invert", Json::Bool(false));
  }

  // A pattern may hold CR and LF themselves or as \r and \n; the meaning is the same.
  static std::string WithEscapedNewlines(std::string_view pattern) {
    std::string out;
    for (const char c : pattern) {
      if (c == '\r') {
        out += "\\r";
      } else if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    return out;
  }

  Status CheckModel(const Json& model) const {
    if (!HasType(&model, "BPE")) return Bad("model.type", "\"BPE\" is required");
    FATHOM_RETURN_IF_ERROR(CheckNeutral(model, "model.", "dropout", Json()));
    FATHOM_RETURN_IF_ERROR(CheckNeutral(model, "model.", "unk_token", Json()));
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      FATHOM_RETURN_IF_ERROR(CheckNeutral(model, "model.", key, Json::String("")));
    }
    for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"}) {
      FATHOM_RETURN_IF_ERROR(CheckNeutral(model, "model.", key, Json::Bool(false)));
    }
    return {};
  }

  // A token id, or nothing if it is no number or out of range.
  static std::optional<int32_t> IdOf(const Json* value) {
    const std::optional<int64_t> id = value == nullptr ? std::nullopt : value->AsInt();
    if (!id || *id < 0 || *id >= kMaxTokens) return std::nullopt;
    return static_cast<int32_t>(*id);
  }

  Status ReadAddedTokens() {
    const Json* tokens = root_.Find("added_tokens");
    if (tokens == nullptr || tokens->is_null()) return {};
    if (!tokens->is_array()) return Bad("added_tokens", "an array is required");
    std::unordered_set<std::string_view> contents;
    for (size_t at = 0; at < tokens->items().size(); ++at) {
      const Json& entry = tokens->items()[at];
      const std::string field = StrCat("added_tokens[", at, "]");
      const Json* content = entry.Find("content");
      if (content == nullptr || !content->is_string() || content->string().empty()) {
        return Bad(StrCat(field, ".content"), "a string that is not empty is required");
      }
      if (content->string().size() > kMaxAddedTokenBytes) {
        return Bad(StrCat(field, ".content"), StrCat("found ", content->string().size(), " bytes, at most ",
                                                     kMaxAddedTokenBytes, " are supported"));
      }
      if (!contents.insert(content->string()).second) {
        return Bad(StrCat(field, ".content"), StrCat(Quote(content->string()), " occurs twice"));
      }
      const std::optional<int32_t> id = IdOf(entry.Find("id"));
      if (!id) return Bad(StrCat(field, ".id"), StrCat("a number from 0 to ", kMaxTokens - 1, " is required"));
      // "normalized" may be anything: there is no normalizer.
      for (const char* key : {"single_word", "lstrip", "rstrip"}) {
        FATHOM_RETURN_IF_ERROR(CheckNeutral(entry, field + ".", key, Json::Bool(false)));
      }
      const Json* special = entry.Find("special");
      if (special != nullptr && !special->is_bool()) return Bad(StrCat(field, ".special"), "true or false is required");
      tables_.added.push_back({content->string(), *id, special != nullptr && special->boolean()});
    }
    return {};
  }

  Status ReadVocab(const Json& model) {
    const Json* vocab = model.Find("vocab");
    if (vocab == nullptr || !vocab->is_object()) return Bad("model.vocab", "an object is required");
    std::unordered_map<std::string_view, int32_t> added;
    for (const AddedToken& token : tables_.added) added.emplace(token.content, token.id);
    id_of_.reserve(vocab->members().size());
    for (const Json::Member& member : vocab->members()) {
      const std::string& entry = member.first;
      const Json& value = member.second;
      const auto field = [&] { return StrCat("model.vocab[", Quote(entry), "]"); };
      const std::optional<int32_t> id = IdOf(&value);
      if (!id) {
        return Bad(field(), StrCat("found ", Describe(value), ", a number from 0 to ", kMaxTokens - 1, " is required"));
      }
      const auto control = added.find(entry);
      if (control != added.end()) {
        if (control->second != *id) {
          return Bad(field(), StrCat("found id ", *id, ", but added_tokens gives it id ", control->second));
        }
        continue;  // listed in both places, as DeepSeek's files do with ids 0 to 2
      }
      const std::optional<std::string> bytes = BytesOfEntry(entry);
      if (!bytes || bytes->empty()) return Bad(field(), "not written in the byte-level alphabet");
      if (!Place(*id, *bytes)) return Bad(field(), Taken(*id));
      id_of_.emplace(entry, *id);
    }
    return {};
  }

  Status PlaceAddedTokens() {
    for (size_t at = 0; at < tables_.added.size(); ++at) {
      const AddedToken& token = tables_.added[at];
      if (!Place(token.id, token.content)) return Bad(StrCat("added_tokens[", at, "].id"), Taken(token.id));
    }
    return {};
  }

  // False if the id has a token already.
  bool Place(int32_t id, const std::string& bytes) {
    std::vector<std::string>& all = tables_.token_bytes;
    if (static_cast<size_t>(id) >= all.size()) all.resize(static_cast<size_t>(id) + 1);
    std::string& slot = all[static_cast<size_t>(id)];
    if (!slot.empty()) return false;
    slot = bytes;
    return true;
  }

  std::string Taken(int32_t id) const {
    return StrCat("id ", id, " is taken by another token, ", Quote(tables_.token_bytes[static_cast<size_t>(id)]));
  }

  Status FindByteIds() {
    tables_.byte_ids.fill(-1);
    for (const auto& [entry, id] : id_of_) {
      const std::string& bytes = tables_.token_bytes[static_cast<size_t>(id)];
      if (bytes.size() == 1) tables_.byte_ids[static_cast<uint8_t>(bytes[0])] = id;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (tables_.byte_ids[static_cast<size_t>(byte)] < 0) {
        return Bad("model.vocab",
                   StrFormat("the token for the single byte 0x%02X is missing (and a control token cannot "
                             "stand for it)",
                             static_cast<unsigned>(byte)));
      }
    }
    return {};
  }

  // The two parts of "left right" or ["left", "right"].
  static std::optional<std::pair<std::string_view, std::string_view>> PartsOf(const Json& merge) {
    if (merge.is_array()) {
      const auto& parts = merge.items();
      if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string()) return std::nullopt;
      return std::pair<std::string_view, std::string_view>(parts[0].string(), parts[1].string());
    }
    if (!merge.is_string()) return std::nullopt;
    const std::string_view text = merge.string();
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
    return std::pair(text.substr(0, space), text.substr(space + 1));
  }

  Status ReadMerges(const Json& model) {
    const Json* merges = model.Find("merges");
    if (merges == nullptr || !merges->is_array()) return Bad("model.merges", "an array is required");
    std::unordered_set<uint64_t> seen;
    seen.reserve(merges->items().size());
    tables_.merges.reserve(merges->items().size());
    for (size_t at = 0; at < merges->items().size(); ++at) {
      const auto field = [at] { return StrCat("model.merges[", at, "]"); };
      const auto parts = PartsOf(merges->items()[at]);
      if (!parts) return Bad(field(), "\"left right\" or [\"left\", \"right\"] is required");
      const auto left = id_of_.find(parts->first);
      const auto right = id_of_.find(parts->second);
      const std::string joined = StrCat(parts->first, parts->second);
      const auto result = id_of_.find(joined);
      for (const auto& [found, text] : {std::pair(left, parts->first), {right, parts->second}, {result, joined}}) {
        if (found == id_of_.end()) {
          return Bad(field(), StrCat(Quote(text), " is not in model.vocab (or is a control token)"));
        }
      }
      const uint64_t pair = static_cast<uint64_t>(left->second) << 32 | static_cast<uint64_t>(right->second);
      if (!seen.insert(pair).second) return Bad(field(), StrCat("the pair of ", Quote(joined), " occurs twice"));
      tables_.merges.push_back({left->second, right->second, result->second});
    }
    return {};
  }

  const Json& root_;
  const std::string& name_;
  TokenizerTables tables_;
  std::unordered_map<std::string_view, int32_t> id_of_;  // vocabulary entries as written, without control tokens
};

}  // namespace

Result<TokenizerTables> ParseTokenizerJson(std::string_view json, const std::string& name) {
  if (json.size() > kMaxTokenizerFileBytes) {
    return DataLoss(
        StrCat(name, ": the file has ", json.size(), " bytes, at most ", kMaxTokenizerFileBytes, " are accepted"));
  }
  Result<Json> root = ParseJson(json, {.max_depth = 32});
  if (!root.ok()) return DataLoss(StrCat(name, ": ", root.status().message()));
  return Parser(*root, name).Parse();
}

}  // namespace fathom
