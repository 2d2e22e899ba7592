#include "tokenizer/synthetic_tokenizer.h"

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
std::vector<Control> AllControls() {
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

// `count` tokens beside the bytes, each the merge of two earlier ones: texts[i] = merges[i].first + merges[i].second.
void MakeFillers(int64_t count, std::vector<std::string>* texts,
                 std::vector<std::pair<std::string, std::string>>* merges) {
  const auto add = [&](const std::string& left, const std::string& right) {
    if (static_cast<int64_t>(texts->size()) == count) return;
    texts->push_back(left + right);
    merges->emplace_back(left, right);
  };
  const std::string space = AlphabetOf(' ');
  constexpr std::string_view kVowels = "aeiou";
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxyzaeiou";
  // Syllables first: they make the random text of a made-up model almost readable, also with a small vocabulary.
  std::vector<std::string> syllables;
  for (const char letter : kLetters) {
    for (const char vowel : kVowels) {
      syllables.push_back({letter, vowel});
      add({letter}, {vowel});
    }
  }
  std::vector<std::string> lefts = syllables;
  std::vector<std::string> rights = syllables;
  for (const std::string& syllable : syllables) {
    lefts.push_back(space + syllable);
    add(space, syllable);
  }
  for (const char first : kLetters) {
    for (const char second : kLetters) {
      if (kVowels.find(second) != std::string_view::npos) continue;
      lefts.push_back({first, second});
      rights.push_back({first, second});
      add({first}, {second});
    }
  }
  for (const std::string& left : lefts) {
    for (const std::string& right : rights) add(left, right);
  }
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

Json AddedTokenJson(int64_t id, const Control& control) {
  return Json::Object({{"id", Json::Int(id)},
                       {"content", Json::String(control.text)},
                       {"single_word", Json::Bool(false)},
                       {"lstrip", Json::Bool(false)},
                       {"rstrip", Json::Bool(false)},
                       {"normalized", Json::Bool(!control.special)},
                       {"special", Json::Bool(control.special)}});
}

}  // namespace

Result<std::string> SyntheticTokenizerJson(int64_t vocab_size) {
  if (vocab_size < kMinSyntheticVocab || vocab_size > kMaxSyntheticVocab) {
    return InvalidArgument(StrCat("a made-up tokenizer cannot have ", vocab_size, " tokens; accepted are ",
                                  kMinSyntheticVocab, " to ", kMaxSyntheticVocab));
  }
  const bool as_v4 = vocab_size >= kV4Vocab;
  const std::vector<Control> controls = as_v4 ? AllControls() : PromptControls();
  const int64_t first_control = as_v4 ? kV4FirstControl : vocab_size - static_cast<int64_t>(controls.size());
  const int64_t after_controls = first_control + static_cast<int64_t>(controls.size());

  std::vector<Json> added;
  int64_t id = 0;
  for (const Control& control : FirstControls()) added.push_back(AddedTokenJson(id++, control));
  std::vector<Json::Member> vocab;
  vocab.reserve(static_cast<size_t>(vocab_size));
  for (int byte = 0; byte < 256; ++byte) vocab.emplace_back(AlphabetOf(byte), Json::Int(id++));
  std::vector<std::string> texts;
  std::vector<std::pair<std::string, std::string>> merges;
  MakeFillers(first_control - id + vocab_size - after_controls, &texts, &merges);
  for (std::string& text : texts) {
    if (id == first_control) id = after_controls;
    vocab.emplace_back(std::move(text), Json::Int(id++));
  }
  for (size_t at = 0; at < controls.size(); ++at) {
    added.push_back(AddedTokenJson(first_control + static_cast<int64_t>(at), controls[at]));
  }
  std::vector<Json> merge_list;
  merge_list.reserve(merges.size());
  for (const auto& [left, right] : merges) merge_list.push_back(Json::String(StrCat(left, " ", right)));

  const Json model = Json::Object({{"type", Json::String("BPE")},
                                   {"dropout", Json()},
                                   {"unk_token", Json()},
                                   {"continuing_subword_prefix", Json()},
                                   {"end_of_word_suffix", Json()},
                                   {"fuse_unk", Json::Bool(false)},
                                   {"byte_fallback", Json::Bool(false)},
                                   {"vocab", Json::Object(std::move(vocab))},
                                   {"merges", Json::Array(std::move(merge_list))}});
  return Json::Object(
             {{"version", Json::String("1.0")},
              {"truncation", Json()},
              {"padding", Json()},
              {"added_tokens", Json::Array(std::move(added))},
              {"normalizer", Json::Object({{"type", Json::String("Sequence")}, {"normalizers", Json::Array()}})},
              {"pre_tokenizer", PreTokenizer()},
              {"post_processor", ByteLevel()},
              {"decoder", ByteLevel()},
              {"model", model}})
      .Dump();
}

std::string SyntheticTokenizerConfigJson() {
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

Result<std::vector<std::pair<std::string, std::string>>> SyntheticTokenizerFiles(int64_t vocab_size) {
  FATHOM_ASSIGN_OR_RETURN(std::string tokenizer, SyntheticTokenizerJson(vocab_size));
  std::vector<std::pair<std::string, std::string>> files;
  files.emplace_back("tokenizer.json", std::move(tokenizer));
  files.emplace_back("tokenizer_config.json", SyntheticTokenizerConfigJson());
  return files;
}

}  // namespace fathom
