// sequence_layout.h - how the dialogues of a training step lie in its tensors.
//
// Tokens of all dialogues stand one after the other; each dialogue starts at position 0 and sees only itself.
// Compressed rows of all dialogues likewise.
#ifndef FATHOM_TRAIN_TORCH_SEQUENCE_LAYOUT_H_
#define FATHOM_TRAIN_TORCH_SEQUENCE_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "train/torch/torch.h"

namespace fathom {

// Cosines and sines [rows, r / 2].
struct Rotation {
  Tensor cosine;
  Tensor sine;
};

class SequenceLayout {
 public:
  // Dialogues of these lengths. Tables are for the config's rotary embeddings.
  SequenceLayout(const ModelConfig& config, const std::vector<int64_t>& lengths);

  int64_t sequences() const { return static_cast<int64_t>(token_begin_.size()) - 1; }
  int64_t tokens() const { return token_begin_.back(); }
  // First token of a sequence in the step; [sequences()] is the end.
  int64_t token_begin(int64_t sequence) const { return token_begin_[static_cast<size_t>(sequence)]; }
  // The same for compressed rows of ratio 4 or 128.
  int64_t row_begin(int64_t ratio, int64_t sequence) const {
    return (ratio == 4 ? rows4_ : rows128_)[static_cast<size_t>(sequence)];
  }
  int64_t rows(int64_t ratio) const { return row_begin(ratio, sequences()); }

  // Tables at the tokens' positions, for layers with or without compression (section 7.3).
  const Rotation& at_tokens(bool compressed) const { return compressed ? compressed_ : plain_; }
  // Tables at the first positions of compressed rows' blocks.
  const Rotation& at_rows(int64_t ratio) const { return ratio == 4 ? blocks4_ : blocks128_; }

 private:
  std::vector<int64_t> token_begin_;
  std::vector<int64_t> rows4_;
  std::vector<int64_t> rows128_;
  Rotation plain_;
  Rotation compressed_;
  Rotation blocks4_;
  Rotation blocks128_;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_SEQUENCE_LAYOUT_H_
