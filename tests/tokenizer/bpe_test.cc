#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace fathom {
namespace {

std::array<int32_t, 256> IdentityBytes() {
  std::array<int32_t, 256> ids;
  for (int32_t byte = 0; byte < 256; ++byte) ids[static_cast<size_t>(byte)] = byte;
  return ids;
}

std::vector<int32_t> Encode(const Bpe& bpe, std::string_view piece) {
  std::vector<int32_t> ids;
  bpe.Encode(piece, &ids);
  return ids;
}

// The definition, word for word: quadratic.
std::vector<int32_t> EncodeByDefinition(const std::vector<Bpe::Merge>& merges, std::string_view piece) {
  std::map<std::pair<int32_t, int32_t>, size_t> rank_of;
  for (size_t rank = 0; rank < merges.size(); ++rank) rank_of[{merges[rank].left, merges[rank].right}] = rank;
  std::vector<int32_t> ids;
  for (const char c : piece) ids.push_back(static_cast<uint8_t>(c));
  while (true) {
    size_t best_rank = merges.size();
    size_t best = 0;
    for (size_t at = 0; at + 1 < ids.size(); ++at) {
      const auto found = rank_of.find({ids[at], ids[at + 1]});
      if (found != rank_of.end() && found->second < best_rank) {
        best_rank = found->second;
        best = at;
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Bpe, LowestRankFirstThenLeftmost) {
  const std::vector<Bpe::Merge> merges = {{'b', 'c', 300}, {'a', 'b', 301}, {'a', 'a', 302}, {302, 'a', 303}};
  const Bpe bpe(IdentityBytes(), merges);
  EXPECT_EQ(Encode(bpe, "abc"), (std::vector<int32_t>{'a', 300}));
  EXPECT_EQ(Encode(bpe, "abab"), (std::vector<int32_t>{301, 301}));
  EXPECT_EQ(Encode(bpe, "aaa"), (std::vector<int32_t>{303}));
  EXPECT_EQ(Encode(bpe, "aaaaa"), (std::vector<int32_t>{302, 303}));
  EXPECT_EQ(Encode(bpe, ""), (std::vector<int32_t>{}));
  EXPECT_EQ(Encode(bpe, "z"), (std::vector<int32_t>{'z'}));
}

TEST(Bpe, NoMergesLeaveBytes) {
  const Bpe bpe(IdentityBytes(), {});
  const std::string long_piece(1000, '\xFF');
  EXPECT_EQ(Encode(bpe, long_piece), std::vector<int32_t>(1000, 255));
}

// Random merge lists over few letters, in random order, so that ties, later lower ranks and shared results all occur;
// lengths on both sides of the short-piece limit.
TEST(Bpe, RandomMergesAgreeWithTheDefinition) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Bpe::Merge> merges;
    std::map<std::pair<int32_t, int32_t>, bool> used;
    const int32_t wanted = 1 + static_cast<int32_t>(random() % 30);
    for (int32_t made = 0; made < wanted; ++made) {
      const auto pick = [&]() {
        const auto known = static_cast<int32_t>(random() % static_cast<uint32_t>(3 + made));
        return known < 3 ? 'a' + known : 300 + known - 3;
      };
      const std::pair<int32_t, int32_t> pair(pick(), pick());
      const int32_t result = 300 + (random() % 8 == 0 ? made / 2 : made);
      if (!used[pair]) merges.push_back({pair.first, pair.second, result});
      used[pair] = true;
    }
    std::shuffle(merges.begin(), merges.end(), random);
    std::string piece(1 + random() % 120, 'a');
    for (char& c : piece) c = static_cast<char>('a' + random() % 3);
    ASSERT_EQ(Encode(Bpe(IdentityBytes(), merges), piece), EncodeByDefinition(merges, piece)) << piece;
  }
}

// A megabyte in one piece. A quadratic algorithm would need hours here.
TEST(Bpe, MegabytePieces) {
  std::vector<Bpe::Merge> merges = {{'a', 'a', 256}};
  for (int32_t id = 256; id < 261; ++id) merges.push_back({id, id, id + 1});  // 261 is 64 letters
  const Bpe bpe(IdentityBytes(), merges);
  EXPECT_EQ(Encode(bpe, std::string(1 << 20, 'a')), std::vector<int32_t>((1 << 20) / 64, 261));
  EXPECT_EQ(Encode(bpe, std::string((1 << 20) + 3, 'a')).size(), (1 << 20) / 64 + 2);
}

}  // namespace
}  // namespace fathom
