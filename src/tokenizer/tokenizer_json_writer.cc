#include "tokenizer/tokenizer_json_writer.h"

#include <initializer_list>
#include <string_view>
#include <unordered_set>

#include "base/check.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/pretokenizer.h"

namespace fathom {
namespace {

constexpr int64_t kV4Vocab = 129280;
constexpr int64_t kV4FirstControl = 128000;

struct Control {
  std::string text;
  bool special = false;
};

std::string Bars(std::string_view name) { return StrCat("<\uFF5C", name, "\uFF5C>"); }

// V4's ids 0, 1, 2.
std::vector<Control> FirstControls() {
  return {{Bars("begin\u2581of\u2581sentence"), true},
          {Bars("end\u2581of\u2581sentence"), true},
          {Bars("\u2581pad\u2581"), true}};
}

// V4's ids 128800 to 128846: what prompts and answers are made of.
std::vector<Control> PromptControls() {
  std::vector<Control> out;
  const auto names = [&out](std::initializer_list<const char*> list) {
    for (const char* name : list) out.push_back({Bars(name), false});
  };
  names({"fim\u2581hole", "fim\u2581begin", "fim\u2581end", "User", "Assistant"});
  out.push_back({"<|EOT|>", true});
  names({"tool\u2581calls\u2581begin", "tool\u2581calls\u2581end", "tool\u2581call\u2581begin",
         "tool\u2581call\u2581end", "tool\u2581outputs\u2581begin", "tool\u2581outputs\u2581end",
         "tool\u2581output\u2581begin", "tool\u2581output\u2581end", "tool\u2581sep",
         "begin\u2581of\u2581repo\u2581name", "end\u2581of\u2581repo\u2581name", "begin\u2581of\u2581file\u2581name",
         "end\u2581of\u2581file\u2581name", "begin\u2581of\u2581file", "end\u2581of\u2581file"});
  out.push_back({"<think>", false});
  out.push_back({"</think>", false});
  names({"place\u2581holder\u2581for\u2581copy", "place\u2581holder\u2581for\u2581pointer\u2581replace"});
  out.push_back({"\uFF5CDSML\uFF5C", false});
  names({"begin\u2581sys", "end\u2581sys", "latest_reminder", "action", "query", "authority", "domain", "task",
         "political", "entity", "title", "safety", "answer", "search"});
  out.push_back({"<dsml:", false});
  out.push_back({"</dsml:", false});
  names({"search\u2581begin", "search\u2581end", "extracted_url", "read_url", "end_of_query"});
  return out;
}

// V4's ids 128000 to 129279.
std::vector<Control> LastControlsOfV4() {
  std::vector<Control> out;
  out.reserve(kV4Vocab - kV4FirstControl);
  for (int number = 0; number < 800; ++number) {
    out.push_back({Bars(StrCat("place\u2581holder\u2581no\u2581", number)), true});
  }
  for (Control& control : PromptControls()) out.push_back(std::move(control));
  for (int number = 21; number <= 435; ++number)
    out.push_back({StrFormat("<|place_holder_mm_span_%04d|>", number), false});
  for (const char* name : {"rl_image_pad", "rl_image_start", "image2"}) out.push_back({Bars(name), false});
  out.push_back({"<\uFF5C/table>\uFF5C", false});
  for (const char* name :
       {"table", "/td", "td", "/tr", "tr", "/polygon", "polygon", "/point", "point", "/box", "box", "/ref", "ref"}) {
    out.push_back({Bars(name), false});
  }
  out.push_back({Bars("image"), true});
  return out;
}

// A byte in the alphabet of byte-level vocabularies (GPT-2's).
std::string AlphabetOf(int byte) {
  const auto prints = [](int b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
  std::string out;
  char32_t code = static_cast<char32_t>(byte);
  if (!prints(byte)) {
    code = 0x100;
    for (int before = 0; before < byte; ++before) code += prints(before) ? 0 : 1;
  }
  AppendUtf8(code, &out);
  return out;
}

// The vocabulary's last control tokens and the id of the first of them.
std::vector<Control> LastControls(int64_t vocab_size, int64_t* first_id) {
  std::vector<Control> controls = vocab_size >= kV4Vocab ? LastControlsOfV4() : PromptControls();
  *first_id = vocab_size >= kV4Vocab ? kV4FirstControl : vocab_size - static_cast<int64_t>(controls.size());
  return controls;
}

std::string InAlphabet(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += AlphabetOf(static_cast<uint8_t>(byte));
  return out;
}

Json ByteLevel() {
  return Json::Object({{"type", Json::String("ByteLevel")},
                       {"add_prefix_space", Json::Bool(false)},
                       {"trim_offsets", Json::Bool(true)},
                       {"use_regex", Json::Bool(false)}});
}

Json PreTokenizer() {
  std::vector<Json> steps;
  for (const std::string_view pattern : kSplitPatterns) {
    steps.push_back(Json::Object({{"type", Json::String("Split")},
                                  {"pattern", Json::Object({{"Regex", Json::String(std::string(pattern))}})},
                                  {"behavior", Json::String("Isolated")},
                                  {"invert", Json::Bool(false)}}));
  }
  steps.push_back(ByteLevel());
  return Json::Object({{"type", Json::String("Sequence")}, {"pretokenizers", Json::Array(std::move(steps))}});
}

Json AddedTokenJson(const AddedToken& token) {
  return Json::Object({{"id", Json::Int(token.id)},
                       {"content", Json::String(token.content)},
                       {"single_word", Json::Bool(false)},
                       {"lstrip", Json::Bool(false)},
                       {"rstrip", Json::Bool(false)},
                       {"normalized", Json::Bool(!token.special)},
                       {"special", Json::Bool(token.special)}});
}

// Vocabulary and merges.
Json ModelJson(int64_t vocab_size, std::span<const BytePair> merges) {
  FATHOM_CHECK(static_cast<int64_t>(merges.size()) == MergedTokens(vocab_size));
  int64_t first_control = 0;
  const auto after_controls = static_cast<int64_t>(LastControls(vocab_size, &first_control).size()) + first_control;
  std::vector<Json::Member> vocab;
  vocab.reserve(static_cast<size_t>(vocab_size));
  int64_t id = kFirstMergedId - 256;
  for (int byte = 0; byte < 256; ++byte) vocab.emplace_back(AlphabetOf(byte), Json::Int(id++));
  std::unordered_set<std::string> results;
  std::vector<Json> merge_list;
  merge_list.reserve(merges.size());
  for (const auto& [left_bytes, right_bytes] : merges) {
    const std::string left = InAlphabet(left_bytes);
    const std::string right = InAlphabet(right_bytes);
    merge_list.push_back(Json::String(StrCat(left, " ", right)));
    FATHOM_CHECK(results.insert(left + right).second);
    if (id == first_control) id = after_controls;
    vocab.emplace_back(left + right, Json::Int(id++));
  }
  return Json::Object({{"type", Json::String("BPE")},
                       {"dropout", Json()},
                       {"unk_token", Json()},
                       {"continuing_subword_prefix", Json()},
                       {"end_of_word_suffix", Json()},
                       {"fuse_unk", Json::Bool(false)},
                       {"byte_fallback", Json::Bool(false)},
                       {"vocab", Json::Object(std::move(vocab))},
                       {"merges", Json::Array(std::move(merge_list))}});
}

}  // namespace

std::vector<AddedToken> ControlTokens(int64_t vocab_size) {
  FATHOM_CHECK(vocab_size >= kMinVocab);
  std::vector<AddedToken> tokens;
  int64_t id = 0;
  for (const Control& control : FirstControls()) {
    tokens.push_back({control.text, static_cast<int32_t>(id++), control.special});
  }
  const std::vector<Control> last = LastControls(vocab_size, &id);
  for (const Control& control : last) {
    tokens.push_back({control.text, static_cast<int32_t>(id++), control.special});
  }
  return tokens;
}

int64_t MergedTokens(int64_t vocab_size) {
  return vocab_size - 256 - static_cast<int64_t>(ControlTokens(vocab_size).size());
}

std::string TokenizerJson(int64_t vocab_size, std::span<const BytePair> merges) {
  std::vector<Json> added;
  for (const AddedToken& token : ControlTokens(vocab_size)) added.push_back(AddedTokenJson(token));
  return Json::Object(
             {{"version", Json::String("1.0")},
              {"truncation", Json()},
              {"padding", Json()},
              {"added_tokens", Json::Array(std::move(added))},
              {"normalizer", Json::Object({{"type", Json::String("Sequence")}, {"normalizers", Json::Array()}})},
              {"pre_tokenizer", PreTokenizer()},
              {"post_processor", ByteLevel()},
              {"decoder", ByteLevel()},
              {"model", ModelJson(vocab_size, merges)}})
      .Dump();
}

std::string TokenizerConfigJson() {
  const auto token = [](const Control& control) {
    return Json::Object({{"__type", Json::String("AddedToken")},
                         {"content", Json::String(control.text)},
                         {"lstrip", Json::Bool(false)},
                         {"normalized", Json::Bool(true)},
                         {"rstrip", Json::Bool(false)},
                         {"single_word", Json::Bool(false)}});
  };
  const std::vector<Control> first = FirstControls();
  return Json::Object({{"add_bos_token", Json::Bool(false)},
                       {"add_eos_token", Json::Bool(false)},
                       {"bos_token", token(first[0])},
                       {"clean_up_tokenization_spaces", Json::Bool(false)},
                       {"eos_token", token(first[1])},
                       {"legacy", Json::Bool(true)},
                       {"model_max_length", Json::Int(1048576)},
                       {"pad_token", token(first[1])},
                       {"sp_model_kwargs", Json::Object()},
                       {"unk_token", Json()},
                       {"tokenizer_class", Json::String("PreTrainedTokenizerFast")}})
      .DumpPretty();
}

}  // namespace fathom
