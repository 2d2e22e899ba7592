// tiny_tokenizer.h - a complete tokenizer.json with a small vocabulary, for tests.
//
// Ids 0 to 255 are the bytes in the order of the byte-level alphabet (byte 0x21 '!' is id 0), ids from 256 the results
// of `merges`, then the added tokens.
#ifndef FATHOM_TESTS_SUPPORT_TINY_TOKENIZER_H_
#define FATHOM_TESTS_SUPPORT_TINY_TOKENIZER_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/pretokenizer.h"

namespace fathom {

struct TinyAddedToken {
  std::string content;
  bool special = false;
};

inline Json TinySplit(std::string_view pattern) {
  return Json::Object({{"type", Json::String("Split")},
                       {"pattern", Json::Object({{"Regex", Json::String(std::string(pattern))}})},
                       {"behavior", Json::String("Isolated")},
                       {"invert", Json::Bool(false)}});
}

// `merges` are pairs in the byte-level alphabet, e.g. {"Ġ", "t"}; equal results share an id.
inline Json TinyTokenizerJson(const std::vector<std::pair<std::string, std::string>>& merges,
                              const std::vector<TinyAddedToken>& added) {
  std::vector<Json::Member> vocab;
  const auto add = [&](const std::string& entry) {
    for (const auto& [known, id] : vocab) {
      if (known == entry) return;
    }
    vocab.emplace_back(entry, Json::Int(static_cast<int64_t>(vocab.size())));
  };
  std::string letter;
  const auto add_range = [&](char32_t first, char32_t last) {
    for (char32_t c = first; c <= last; ++c) {
      letter.clear();
      AppendUtf8(c, &letter);
      add(letter);
    }
  };
  add_range(0x21, 0x7E);
  add_range(0xA1, 0xAC);
  add_range(0xAE, 0xFF);
  add_range(0x100, 0x100 + 67);
  std::vector<Json> merge_list;
  for (const auto& [left, right] : merges) {
    add(left + right);
    merge_list.push_back(Json::String(StrCat(left, " ", right)));
  }
  std::vector<Json> added_list;
  for (size_t at = 0; at < added.size(); ++at) {
    Json token = Json::Object({{"id", Json::Int(static_cast<int64_t>(vocab.size() + at))},
                               {"content", Json::String(added[at].content)},
                               {"special", Json::Bool(added[at].special)}});
    for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized"}) token.Set(flag, Json::Bool(false));
    added_list.push_back(std::move(token));
  }
  const Json byte_level = Json::Object(
      {{"type", Json::String("ByteLevel")}, {"add_prefix_space", Json::Bool(false)}, {"use_regex", Json::Bool(false)}});
  const Json steps = Json::Array(
      {TinySplit(kSplitPatterns[0]), TinySplit(kSplitPatterns[1]), TinySplit(kSplitPatterns[2]), byte_level});
  return Json::Object({{"version", Json::String("1.0")},
                       {"added_tokens", Json::Array(std::move(added_list))},
                       {"normalizer", Json()},
                       {"pre_tokenizer", Json::Object({{"type", Json::String("Sequence")}, {"pretokenizers", steps}})},
                       {"post_processor", byte_level},
                       {"decoder", byte_level},
                       {"model", Json::Object({{"type", Json::String("BPE")},
                                               {"vocab", Json::Object(std::move(vocab))},
                                               {"merges", Json::Array(std::move(merge_list))}})}});
}

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_TINY_TOKENIZER_H_
