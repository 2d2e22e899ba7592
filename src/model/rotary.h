// rotary.h - rotary position embedding (section 7.3): frequencies, tables at a step's positions, rotation of rows.
#ifndef FATHOM_MODEL_ROTARY_H_
#define FATHOM_MODEL_ROTARY_H_

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace fathom {

// Angular frequencies [r/2]: plain theta for layers without compression, compress_rope_theta with YaRN for the others.
std::vector<double> RotaryFrequencies(const ModelConfig& config, bool compressed);

// cosine and sine [r/2] of position * frequency. The angle is a double: at a million positions a float would be off by
// 0.06.
void RotaryTable(const std::vector<double>& frequencies, int64_t position, float* cosine, float* sine);

// Rotates adjacent pairs of row[0, r): (a cos - b sin, a sin + b cos). `inverse` negates the sine.
inline void Rotate(float* row, int64_t rope_dim, const float* cosine, const float* sine, bool inverse = false) {
  for (int64_t i = 0; i < rope_dim / 2; ++i) {
    const float a = row[2 * i];
    const float b = row[2 * i + 1];
    const float s = inverse ? -sine[i] : sine[i];
    row[2 * i] = a * cosine[i] - b * s;
    row[2 * i + 1] = a * s + b * cosine[i];
  }
}

}  // namespace fathom

#endif  // FATHOM_MODEL_ROTARY_H_
