#include "train/torch/sequence_layout.h"

#include <algorithm>

#include "model/rotary.h"

namespace fathom {
namespace {

// Tables of positions 0, step, 2 step, ... of each sequence, `counts` many.
Rotation Tables(const ModelConfig& config, bool compressed, const std::vector<int64_t>& begins, int64_t step) {
  const std::vector<double> frequencies = RotaryFrequencies(config, compressed);
  const int64_t half = config.rope_dim / 2;
  Rotation tables = {torch::empty({begins.back(), half}, torch::kFloat32),
                     torch::empty({begins.back(), half}, torch::kFloat32)};
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < begins.size(); ++s) longest = std::max(longest, begins[s + 1] - begins[s]);
  std::vector<float> cosine(static_cast<size_t>(longest * half));
  std::vector<float> sine(cosine.size());
  for (int64_t i = 0; i < longest; ++i) {
    RotaryTable(frequencies, i * step, cosine.data() + i * half, sine.data() + i * half);
  }
  for (size_t s = 0; s + 1 < begins.size(); ++s) {
    const int64_t values = (begins[s + 1] - begins[s]) * half;
    std::copy_n(cosine.data(), values, Floats(tables.cosine) + begins[s] * half);
    std::copy_n(sine.data(), values, Floats(tables.sine) + begins[s] * half);
  }
  return tables;
}

}  // namespace

SequenceLayout::SequenceLayout(const ModelConfig& config, const std::vector<int64_t>& lengths) {
  token_begin_ = rows4_ = rows128_ = {0};
  for (const int64_t length : lengths) {
    token_begin_.push_back(token_begin_.back() + length);
    rows4_.push_back(rows4_.back() + length / 4);
    rows128_.push_back(rows128_.back() + length / 128);
  }
  plain_ = Tables(config, false, token_begin_, 1);
  compressed_ = Tables(config, true, token_begin_, 1);
  blocks4_ = Tables(config, true, rows4_, 4);
  blocks128_ = Tables(config, true, rows128_, 128);
}

}  // namespace fathom
