#include "tokenizer/synthetic_tokenizer.h"

#include <string_view>

#include "base/strings.h"

namespace fathom {
namespace {

// The first `count` merges of the fixed list.
std::vector<BytePair> Fillers(size_t count) {
  std::vector<BytePair> merges;
  merges.reserve(count);
  const auto add = [&](const std::string& left, const std::string& right) {
    if (merges.size() < count) merges.emplace_back(left, right);
  };
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
    lefts.push_back(" " + syllable);
    add(" ", syllable);
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
  return merges;
}

}  // namespace

Result<std::string> SyntheticTokenizerJson(int64_t vocab_size) {
  if (vocab_size < kMinSyntheticVocab || vocab_size > kMaxSyntheticVocab) {
    return InvalidArgument(StrCat("a made-up tokenizer cannot have ", vocab_size, " tokens; accepted are ",
                                  kMinSyntheticVocab, " to ", kMaxSyntheticVocab));
  }
  return TokenizerJson(vocab_size, Fillers(static_cast<size_t>(MergedTokens(vocab_size))));
}

Result<std::vector<std::pair<std::string, std::string>>> SyntheticTokenizerFiles(int64_t vocab_size) {
  FATHOM_ASSIGN_OR_RETURN(std::string tokenizer, SyntheticTokenizerJson(vocab_size));
  std::vector<std::pair<std::string, std::string>> files;
  files.emplace_back("tokenizer.json", std::move(tokenizer));
  files.emplace_back("tokenizer_config.json", TokenizerConfigJson());
  return files;
}

}  // namespace fathom
