#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/progress.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_json_writer.h"

namespace fathom {
namespace {

// Every merge visits the pieces with its pair from end to end. Longer pieces are runs of one kind of character, and
// teach nothing after these bytes.
constexpr size_t kMaxPieceBytes = 256;

bool HasDigit(std::string_view piece) {
  return std::any_of(piece.begin(), piece.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The counts of all pairs in all pieces, kept up to date while pairs are merged.
class Merger {
 public:
  // Tokens 0 to 255 are the bytes.
  explicit Merger(const std::vector<std::pair<std::string_view, int64_t>>& pieces) : later_(this), heap_(later_) {
    for (size_t byte = 0; byte < 256; ++byte) {
      texts_.emplace_back(1, static_cast<char>(byte));
    }
    words_.reserve(pieces.size());
    for (const auto& [piece, count] : pieces) {
      Word word = {{}, count};
      for (const char byte : piece) word.tokens.push_back(static_cast<uint8_t>(byte));
      words_.push_back(std::move(word));
      CountPairs(static_cast<uint32_t>(words_.size() - 1), kNone);
    }
    for (const auto& [pair, entry] : pairs_) heap_.push({entry.count, pair});
  }

  const std::vector<BytePair>& merges() const { return merges_; }

  // Merges the most frequent pair; false if there is none.
  bool MergeBest() {
    while (!heap_.empty()) {
      const Candidate best = heap_.top();
      heap_.pop();
      const auto found = pairs_.find(best.pair);
      if (found == pairs_.end()) continue;
      if (found->second.count != best.count) {  // counts only fall after their entry was made
        if (found->second.count > 0) heap_.push({found->second.count, best.pair});
        continue;
      }
      const std::vector<uint32_t> places = std::move(found->second.words);
      pairs_.erase(found);
      // Built from other halves elsewhere. With one merge a token, no merged pair can come back.
      if (known_.contains(texts_[Left(best.pair)] + texts_[Right(best.pair)])) continue;
      Merge(best.pair, places);
      return true;
    }
    return false;
  }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  struct Word {
    std::vector<uint32_t> tokens;
    int64_t count;
  };
  struct Pair {
    int64_t count = 0;
    std::vector<uint32_t> words;  // those that hold the pair, and some that held it once
  };
  struct Candidate {
    int64_t count;
    uint64_t pair;
  };
  // Orders the heap: the most frequent pair on top, on ties the one with the smaller bytes.
  struct Later {
    explicit Later(const Merger* owner) : merger(owner) {}
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      const auto texts = [this](uint64_t pair) {
        return std::pair<const std::string&, const std::string&>(merger->texts_[Left(pair)],
                                                                 merger->texts_[Right(pair)]);
      };
      return texts(a.pair) > texts(b.pair);
    }
    const Merger* merger;
  };

  static uint64_t PairOf(uint32_t left, uint32_t right) { return static_cast<uint64_t>(left) << 32 | right; }
  static size_t Left(uint64_t pair) { return pair >> 32; }
  static size_t Right(uint64_t pair) { return pair & 0xFFFFFFFF; }

  bool Fits(uint32_t left, uint32_t right) const {
    return texts_[left].size() + texts_[right].size() <= BpeTrainer::kMaxMergedBytes;
  }

  // Adds the pairs of a word. Its place is noted with those that contain `fresh`, or with all for kNone: the others
  // have it already. The pairs with `fresh` go to *touched.
  void CountPairs(uint32_t at, uint32_t fresh, std::vector<uint64_t>* touched = nullptr) {
    const Word& word = words_[at];
    for (size_t token = 0; token + 1 < word.tokens.size(); ++token) {
      const uint32_t left = word.tokens[token];
      const uint32_t right = word.tokens[token + 1];
      if (!Fits(left, right)) continue;
      Pair& pair = pairs_[PairOf(left, right)];
      pair.count += word.count;
      if (fresh != kNone && left != fresh && right != fresh) continue;
      if (pair.words.empty() || pair.words.back() != at) pair.words.push_back(at);
      if (touched != nullptr) touched->push_back(PairOf(left, right));
    }
  }

  void UncountPairs(const Word& word) {
    for (size_t token = 0; token + 1 < word.tokens.size(); ++token) {
      const auto found = pairs_.find(PairOf(word.tokens[token], word.tokens[token + 1]));
      if (found != pairs_.end()) found->second.count -= word.count;
    }
  }

  void Merge(uint64_t pair, const std::vector<uint32_t>& places) {
    const auto left = static_cast<uint32_t>(Left(pair));
    const auto right = static_cast<uint32_t>(Right(pair));
    merges_.emplace_back(texts_[left], texts_[right]);
    const auto result = static_cast<uint32_t>(texts_.size());
    texts_.push_back(texts_[left] + texts_[right]);
    known_.insert(texts_.back());

    std::vector<uint64_t> touched;
    for (const uint32_t at : places) {
      Word& word = words_[at];
      std::vector<uint32_t> merged = Replaced(word.tokens, left, right, result);
      if (merged.size() == word.tokens.size()) continue;
      UncountPairs(word);
      word.tokens = std::move(merged);
      CountPairs(at, result, &touched);
    }
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const uint64_t grown : touched) heap_.push({pairs_[grown].count, grown});
  }

  static std::vector<uint32_t> Replaced(const std::vector<uint32_t>& tokens, uint32_t left, uint32_t right,
                                        uint32_t result) {
    std::vector<uint32_t> out;
    out.reserve(tokens.size());
    for (size_t at = 0; at < tokens.size(); ++at) {
      const bool match = tokens[at] == left && at + 1 < tokens.size() && tokens[at + 1] == right;
      out.push_back(match ? result : tokens[at]);
      if (match) ++at;
    }
    return out;
  }

  std::vector<std::string> texts_;         // [token]
  std::unordered_set<std::string> known_;  // the results among them
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair> pairs_;  // without those that are merged or given up
  std::vector<BytePair> merges_;
  Later later_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> heap_;  // a pair may have outdated entries
};

}  // namespace

void BpeTrainer::Add(std::string_view text, int64_t count) {
  std::string repaired;
  if (!IsValidUtf8(text)) text = repaired = RepairUtf8(text);
  PieceScanner scanner(text);
  std::string_view piece;
  while (scanner.Next(&piece)) {
    piece = piece.substr(0, kMaxPieceBytes);
    if (piece.size() < 2 || HasDigit(piece)) continue;
    const auto found = pieces_.find(piece);
    if (found != pieces_.end()) {
      found->second += count;
    } else {
      pieces_.emplace(piece, count);
    }
  }
}

Result<std::string> BpeTrainer::Train(int64_t vocab_size) const {
  if (vocab_size < kMinVocab || vocab_size > kMaxTokens) {
    return InvalidArgument(
        StrCat("a vocabulary of ", vocab_size, " tokens was asked for; accepted are ", kMinVocab, " to ", kMaxTokens));
  }
  // In a fixed order, whatever the hash table's.
  std::vector<std::pair<std::string_view, int64_t>> pieces(pieces_.begin(), pieces_.end());
  std::sort(pieces.begin(), pieces.end());
  Merger merger(pieces);
  const auto wanted = static_cast<size_t>(MergedTokens(vocab_size));
  Progress progress("learning tokens", wanted, Progress::Unit::kTokens);
  while (merger.merges().size() < wanted) {
    if (!merger.MergeBest()) {
      return InvalidArgument(StrCat("the text has pairs for a vocabulary of ",
                                    vocab_size - static_cast<int64_t>(wanted - merger.merges().size()), " tokens, not ",
                                    vocab_size, "; add text or ask for fewer"));
    }
    progress.Update(merger.merges().size());
  }
  progress.Finish();
  return TokenizerJson(vocab_size, merger.merges());
}

}  // namespace fathom
