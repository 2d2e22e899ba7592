#include "model/hyper_connection.h"

#include <cmath>

#include "kernels/matmul.h"
#include "numeric/math.h"

namespace fathom {
namespace {

// mix[t] = v fn^T, v the token's flattened streams.
void MixProducts(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
                 int64_t tokens, float* mix) {
  const int64_t width = config.streams * config.hidden_size;
  const MatMulArgs job = MatMulJob(w.fn, {streams, width, nullptr, tokens, width}, tokens, mix, w.fn.rows);
  MatMul(pool, {&job, 1});
}

// mix[t] /= sqrt(mean(v^2) + eps)
void ScaleMix(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
              int64_t tokens, float* mix) {
  const int64_t width = config.streams * config.hidden_size;
  pool.ParallelFor(tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float mean = Kernels().sum_of_squares(streams + t * width, width) / static_cast<float>(width);
      const float inverse = 1.0f / std::sqrt(mean + config.rms_eps);
      for (int64_t i = 0; i < w.fn.rows; ++i) mix[t * w.fn.rows + i] *= inverse;
    }
  });
}

// x = sum_i pre_i * stream_i
void Combine(const float* streams, const float* pre, int64_t count, int64_t dim, float* x) {
  for (int64_t c = 0; c < dim; ++c) x[c] = pre[0] * streams[c];
  for (int64_t i = 1; i < count; ++i) {
    const float* stream = streams + i * dim;
    for (int64_t c = 0; c < dim; ++c) x[c] += pre[i] * stream[c];
  }
}

// Row and column normalisation of comb [S, S] (Sinkhorn). The first row step is a softmax that adds eps afterwards.
void Sinkhorn(int64_t s, int64_t iterations, float eps, float* comb) {
  for (int64_t i = 0; i < s; ++i) {
    float* row = comb + i * s;
    float max = row[0];
    for (int64_t j = 1; j < s; ++j) max = row[j] > max ? row[j] : max;
    float sum = 0;
    for (int64_t j = 0; j < s; ++j) sum += row[j] = Exp(row[j] - max);
    for (int64_t j = 0; j < s; ++j) row[j] = row[j] / sum + eps;
  }
  for (int64_t iteration = 0; iteration < iterations; ++iteration) {
    if (iteration > 0) {
      for (int64_t i = 0; i < s; ++i) {
        float sum = 0;
        for (int64_t j = 0; j < s; ++j) sum += comb[i * s + j];
        for (int64_t j = 0; j < s; ++j) comb[i * s + j] /= sum + eps;
      }
    }
    for (int64_t j = 0; j < s; ++j) {
      float sum = 0;
      for (int64_t i = 0; i < s; ++i) sum += comb[i * s + j];
      for (int64_t i = 0; i < s; ++i) comb[i * s + j] /= sum + eps;
    }
  }
}

}  // namespace

void HcPre(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
           int64_t tokens, float* mix, float* x, float* post, float* comb) {
  MixProducts(config, w, pool, streams, tokens, mix);
  HcPreFromProducts(config, w, pool, streams, tokens, mix, x, post, comb);
}

void HcPreFromProducts(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool,
                       const float* streams, int64_t tokens, float* mix, float* x, float* post, float* comb) {
  ScaleMix(config, w, pool, streams, tokens, mix);
  const int64_t s = config.streams;
  const int64_t dim = config.hidden_size;
  pool.ParallelFor(tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* z = mix + t * config.mix_rows();
      float pre[kMostStreams] = {};
      for (int64_t i = 0; i < s; ++i) {
        pre[i] = Sigmoid(z[i] * w.scale[0] + w.base[i]) + config.hc_eps;
        post[t * s + i] = 2 * Sigmoid(z[s + i] * w.scale[1] + w.base[s + i]);
      }
      for (int64_t i = 0; i < s * s; ++i) comb[t * s * s + i] = z[2 * s + i] * w.scale[2] + w.base[2 * s + i];
      Sinkhorn(s, config.sinkhorn_iterations, config.hc_eps, comb + t * s * s);
      Combine(streams + t * s * dim, pre, s, dim, x + t * dim);
    }
  });
}

void HcPost(const ModelConfig& config, ThreadPool& pool, const float* y, const float* post, const float* comb,
            int64_t tokens, float* streams) {
  const int64_t s = config.streams;
  const int64_t dim = config.hidden_size;
  // Few tokens are shared out by columns.
  constexpr int64_t kPartColumns = 1024;
  const int64_t parts = (dim + kPartColumns - 1) / kPartColumns;
  pool.ParallelFor(tokens * parts, tokens < int64_t{4} * pool.threads() ? 1 : parts,
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t part = begin; part < end; ++part) {
                       const int64_t t = part / parts;
                       const int64_t at = part % parts * kPartColumns;
                       Kernels().hc_post(y + t * dim + at, post + t * s, comb + t * s * s, s, dim,
                                         dim - at < kPartColumns ? dim - at : kPartColumns, streams + t * s * dim + at);
                     }
                   });
}

void HcHead(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
            int64_t tokens, float* mix, float* x) {
  MixProducts(config, w, pool, streams, tokens, mix);
  HcHeadFromProducts(config, w, pool, streams, tokens, mix, x);
}

void HcHeadFromProducts(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool,
                        const float* streams, int64_t tokens, float* mix, float* x) {
  ScaleMix(config, w, pool, streams, tokens, mix);
  const int64_t s = config.streams;
  const int64_t dim = config.hidden_size;
  pool.ParallelFor(tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float pre[kMostStreams] = {};
      for (int64_t i = 0; i < s; ++i) pre[i] = Sigmoid(mix[t * s + i] * w.scale[0] + w.base[i]) + config.hc_eps;
      Combine(streams + t * s * dim, pre, s, dim, x + t * dim);
    }
  });
}

}  // namespace fathom
