// bpe.h - byte-pair merging of one piece.
//
// Starting from one token per byte, the neighbouring pair with the lowest rank (its place in the merge list) is
// replaced by its result, the leftmost on ties, until no pair is in the list.
//
// Short pieces scan for the best pair; longer ones keep the candidates in a heap, O(n log n) for any input, so a
// megabyte of one letter is no special case. Immutable after construction, hence thread-safe.
#ifndef FATHOM_TOKENIZER_BPE_H_
#define FATHOM_TOKENIZER_BPE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fathom {

class Bpe {
 public:
  struct Merge {
    int32_t left;
    int32_t right;
    int32_t result;
  };

  // `byte_ids[b]` is the token of byte b; `merges` in the order of their ranks, each pair at most once (CHECKed).
  Bpe(const std::array<int32_t, 256>& byte_ids, std::span<const Merge> merges);

  // Appends the ids of `piece` (under 4 GiB, CHECKed).
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const;

 private:
  // Ranks are indices of the merge list; this one means "no such pair" and sorts last.
  static constexpr uint32_t kNoRank = 0xFFFFFFFF;

  struct Slot {
    uint64_t pair;
    uint32_t rank;
    int32_t result;
  };
  struct Found {
    uint32_t rank;
    int32_t result;
  };

  static uint64_t PairOf(int32_t left, int32_t right);
  size_t FirstSlot(uint64_t pair) const;
  Found Find(int32_t left, int32_t right) const;
  void EncodeShort(std::string_view piece, std::vector<int32_t>* ids) const;
  void EncodeLong(std::string_view piece, std::vector<int32_t>* ids) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<Found> byte_pairs_;  // [256 * first byte + second byte]: most look-ups are of two single bytes
  std::vector<Slot> slots_;        // open addressing, at most half full; rank kNoRank marks a free slot
  int shift_;                      // 64 - log2(slots)
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_BPE_H_
