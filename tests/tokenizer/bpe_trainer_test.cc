#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <map>

#include "base/json.h"
#include "base/strings.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json_writer.h"

namespace fathom {
namespace {

// "left right" in byte-level letters; a space is "Ġ" there.
std::vector<std::string> MergesOf(const std::string& json) {
  std::vector<std::string> out;
  const Json root = *ParseJson(json);
  for (const Json& merge : root.Find("model")->Find("merges")->items()) out.push_back(merge.string());
  return out;
}

std::string Trained(const BpeTrainer& trainer, int64_t merges) {
  const Result<std::string> json = trainer.Train(kMinVocab + merges);
  EXPECT_TRUE(json.ok()) << json.status().message();
  return json.ok() ? *json : "";
}

std::unique_ptr<Tokenizer> Load(const std::string& json) {
  Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(json, "tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

// The rule itself, without any bookkeeping: count all pairs afresh for every merge.
std::vector<std::string> PlainMerges(const std::map<std::string, int64_t>& pieces, size_t count) {
  std::vector<std::pair<std::vector<std::string>, int64_t>> words;
  for (const auto& [piece, times] : pieces) {
    std::vector<std::string> letters;
    for (const char letter : piece) letters.emplace_back(1, letter);
    words.emplace_back(letters, times);
  }
  std::vector<std::string> merges;
  std::map<std::string, bool> results;
  while (merges.size() < count) {
    std::map<std::pair<std::string, std::string>, int64_t> counts;
    for (const auto& [tokens, times] : words) {
      for (size_t at = 0; at + 1 < tokens.size(); ++at) {
        const std::string joined = tokens[at] + tokens[at + 1];
        if (joined.size() <= BpeTrainer::kMaxMergedBytes && !results[joined])
          counts[{tokens[at], tokens[at + 1]}] += times;
      }
    }
    if (counts.empty()) break;
    auto best = counts.begin();
    for (auto at = counts.begin(); at != counts.end(); ++at) {
      if (at->second > best->second) best = at;
    }
    const auto [left, right] = best->first;
    merges.push_back(StrCat(left, " ", right));
    results[left + right] = true;
    for (auto& [tokens, times] : words) {
      for (size_t at = 0; at + 1 < tokens.size(); ++at) {
        if (tokens[at] != left || tokens[at + 1] != right) continue;
        tokens[at] += right;
        tokens.erase(tokens.begin() + static_cast<int64_t>(at) + 1);
      }
    }
  }
  return merges;
}

TEST(BpeTrainer, MergesTheMostFrequentPairAndTheSmallerBytesOnTies) {
  BpeTrainer trainer;
  trainer.Add("low", 5);
  trainer.Add("newer", 3);
  trainer.Add("wider", 3);
  // er 6; then lo and ow tie with 5: lo; low 5; then we/ne, wi/id/de(r) tie with 3 ...
  EXPECT_EQ(MergesOf(Trained(trainer, 4)), (std::vector<std::string>{"e r", "l o", "lo w", "d er"}));
}

TEST(BpeTrainer, SameMergesAsCountingAfreshEachTime) {
  // Words of few letters: pairs overlap ("aaa"), repeat in a word and are reached by different halves.
  std::map<std::string, int64_t> pieces;
  uint64_t state = 7;
  const auto next = [&state](uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  };
  BpeTrainer trainer;
  for (int word = 0; word < 300; ++word) {
    std::string letters;
    for (uint64_t length = 2 + next(12); length > 0; --length) letters += static_cast<char>('a' + next(4));
    const auto times = static_cast<int64_t>(1 + next(30));
    pieces[letters] += times;
    trainer.Add(letters, times);
  }
  EXPECT_EQ(trainer.distinct_pieces(), pieces.size());
  EXPECT_EQ(MergesOf(Trained(trainer, 500)), PlainMerges(pieces, 500));
}

TEST(BpeTrainer, OrderOfTheTextDoesNotMatter) {
  const std::vector<std::string> texts = {"the cat and the hat", "a dog, a log\n\n", "\xE4\xBD\xA0\xE5\xA5\xBD the end",
                                          "for i in range(10):\n    print(i)"};
  BpeTrainer forwards;
  BpeTrainer backwards;
  for (size_t at = 0; at < texts.size(); ++at) {
    forwards.Add(texts[at], 2);
    for (int time = 0; time < 2; ++time) backwards.Add(texts[texts.size() - 1 - at]);
  }
  EXPECT_EQ(Trained(forwards, 20), Trained(backwards, 20));
}

TEST(BpeTrainer, DigitsStayAlone) {
  BpeTrainer trainer;
  trainer.Add("In 1234 there were 1234 of 1234, 12 and 12", 100);
  trainer.Add("hello hello", 1);
  const std::unique_ptr<Tokenizer> tokenizer = Load(Trained(trainer, 12));
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->Encode("1234", AddedTokens::kIgnore).size(), 4u);
  for (int32_t id = 259; id < tokenizer->vocab_size(); ++id) {
    if (!tokenizer->is_added(id)) {
      EXPECT_EQ(tokenizer->token_bytes(id).find_first_of("0123456789"), std::string::npos);
    }
  }
}

TEST(BpeTrainer, TokensHaveABoundedLength) {
  BpeTrainer trainer;
  trainer.Add(std::string(3000, ' '), 10);
  trainer.Add("Donaudampfschifffahrtsgesellschaft", 10);
  const std::unique_ptr<Tokenizer> tokenizer = Load(Trained(trainer, 20));
  ASSERT_NE(tokenizer, nullptr);
  size_t longest = 0;
  for (int32_t id = 259; id < 279; ++id) longest = std::max(longest, tokenizer->token_bytes(id).size());
  EXPECT_EQ(longest, BpeTrainer::kMaxMergedBytes);
}

TEST(BpeTrainer, IllFormedTextIsCountedAsItIsEncoded) {
  BpeTrainer broken;
  broken.Add("ab\xFF\xFE ab");
  BpeTrainer repaired;
  repaired.Add("ab\xEF\xBF\xBD\xEF\xBF\xBD ab");
  EXPECT_EQ(Trained(broken, 4), Trained(repaired, 4));
}

TEST(BpeTrainer, SaysWhatItCannotDo) {
  BpeTrainer trainer;
  trainer.Add("abc ab 12");
  EXPECT_EQ(trainer.Train(305).status().message(),
            "a vocabulary of 305 tokens was asked for; accepted are 306 to 1048576");
  EXPECT_TRUE(trainer.Train(306).ok());
  EXPECT_EQ(trainer.Train(400).status().message(),
            "the text has pairs for a vocabulary of 309 tokens, not 400; add text or ask for fewer");
}

}  // namespace
}  // namespace fathom
