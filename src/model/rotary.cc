#include "model/rotary.h"

#include <algorithm>
#include <cmath>

#include "numeric/math.h"

namespace fathom {
namespace {

// From our own exp and log1p and not libm's, whose last bit differs between machines.
double Log(double x) { return x >= 1 ? Log1pDouble(x - 1) : -Log1pDouble(1 / x - 1); }

}  // namespace

std::vector<double> RotaryFrequencies(const ModelConfig& config, bool compressed) {
  const double theta = compressed ? config.compress_rope_theta : config.rope_theta;
  const auto r = static_cast<double>(config.rope_dim);
  std::vector<double> frequencies;
  for (int64_t i = 0; i < config.rope_dim / 2; ++i) {
    frequencies.push_back(ExpDouble(-2.0 * static_cast<double>(i) / r * Log(theta)));
  }
  if (!compressed || config.yarn_original_context <= 0) return frequencies;
  // YaRN: frequencies that turn less than beta_slow times in the original context are divided by the factor, those that
  // turn more than beta_fast times stay, and a ramp joins them.
  const auto pair_turning = [&](double turns) {
    return r * Log(static_cast<double>(config.yarn_original_context) / (turns * 2 * M_PI)) / (2 * Log(theta));
  };
  const double low = std::max(std::floor(pair_turning(config.yarn_beta_fast)), 0.0);
  const double high = std::min(std::ceil(pair_turning(config.yarn_beta_slow)), r - 1);
  const double span = high != low ? high - low : 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / span, 0.0, 1.0);
    const double f = frequencies[i];
    frequencies[i] = f / config.yarn_factor * ramp + f * (1 - ramp);
  }
  return frequencies;
}

void RotaryTable(const std::vector<double>& frequencies, int64_t position, float* cosine, float* sine) {
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double s = 0;
    double c = 0;
    SinCosDouble(static_cast<double>(position) * frequencies[i], &s, &c);
    cosine[i] = static_cast<float>(c);
    sine[i] = static_cast<float>(s);
  }
}

}  // namespace fathom
