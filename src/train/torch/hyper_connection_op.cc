#include "train/torch/hyper_connection_op.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "numeric/math.h"
#include "train/torch/gemm.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr int64_t kLanes = 16;     // tokens side by side in vector registers
constexpr int64_t kGrain = 64;     // tokens of a part
constexpr int64_t kSumParts = 16;  // partial sums of parameter gradients

using Lanes = std::array<float, kLanes>;

// What a mix is made of; the head has only the first S rows.
struct Shape {
  int64_t streams;
  int64_t width;       // D
  int64_t iterations;  // of Sinkhorn
  float eps;           // hc_eps
  float rms_eps;
  bool head;

  int64_t rows() const { return head ? streams : (2 + streams) * streams; }
  int64_t flat() const { return streams * width; }
};

// C made doubly stochastic for 16 tokens side by side: a softmax of each row, then columns and rows divided in turn by
// (their sum + eps). The backward pass needs every state on the way, so they are kept.
struct Sinkhorn {
  std::vector<Lanes> state;  // [steps + 1][S * S]
  std::vector<Lanes> sums;   // [steps][S]

  void Run(const Lanes* logits, const Shape& shape);
  // d(loss)/d(last state) -> d(loss)/d(logits), in place.
  void Backward(Lanes* gradient, const Shape& shape) const;

  // Element k of line i: lines are rows (j runs) or columns (i runs).
  static int64_t At(int64_t line, int64_t k, int64_t streams, bool rows) {
    return rows ? line * streams + k : k * streams + line;
  }
};

void Sinkhorn::Run(const Lanes* logits, const Shape& shape) {
  const int64_t s = shape.streams;
  const int64_t steps = 2 * shape.iterations - 1;
  state.resize(static_cast<size_t>((steps + 1) * s * s));
  sums.resize(static_cast<size_t>(steps * s));
  for (int64_t i = 0; i < s; ++i) {
    Lanes largest = logits[i * s];
    for (int64_t j = 1; j < s; ++j) {
      for (int64_t l = 0; l < kLanes; ++l) largest[l] = std::max(largest[l], logits[i * s + j][l]);
    }
    Lanes sum = {};
    for (int64_t j = 0; j < s; ++j) {
      Lanes& out = state[static_cast<size_t>(i * s + j)];
      for (int64_t l = 0; l < kLanes; ++l) {
        out[l] = Exp(logits[i * s + j][l] - largest[l]);
        sum[l] += out[l];
      }
    }
    for (int64_t j = 0; j < s; ++j) {
      Lanes& out = state[static_cast<size_t>(i * s + j)];
      for (int64_t l = 0; l < kLanes; ++l) out[l] = out[l] / sum[l] + shape.eps;
    }
  }
  for (int64_t step = 0; step < steps; ++step) {
    const Lanes* before = state.data() + step * s * s;
    Lanes* after = state.data() + (step + 1) * s * s;
    const bool rows = step % 2 == 1;
    for (int64_t line = 0; line < s; ++line) {
      Lanes& sum = sums[static_cast<size_t>(step * s + line)];
      sum.fill(shape.eps);
      for (int64_t k = 0; k < s; ++k) {
        const Lanes& c = before[At(line, k, s, rows)];
        for (int64_t l = 0; l < kLanes; ++l) sum[l] += c[l];
      }
      for (int64_t k = 0; k < s; ++k) {
        const int64_t at = At(line, k, s, rows);
        for (int64_t l = 0; l < kLanes; ++l) after[at][l] = before[at][l] / sum[l];
      }
    }
  }
}

void Sinkhorn::Backward(Lanes* gradient, const Shape& shape) const {
  const int64_t s = shape.streams;
  for (int64_t step = 2 * shape.iterations - 2; step >= 0; --step) {
    const Lanes* after = state.data() + (step + 1) * s * s;
    const bool rows = step % 2 == 1;
    for (int64_t line = 0; line < s; ++line) {
      const Lanes& sum = sums[static_cast<size_t>(step * s + line)];
      Lanes dot = {};
      for (int64_t k = 0; k < s; ++k) {
        const int64_t at = At(line, k, s, rows);
        for (int64_t l = 0; l < kLanes; ++l) dot[l] += gradient[at][l] * after[at][l];
      }
      for (int64_t k = 0; k < s; ++k) {
        Lanes& g = gradient[At(line, k, s, rows)];
        for (int64_t l = 0; l < kLanes; ++l) g[l] = (g[l] - dot[l]) / sum[l];
      }
    }
  }
  for (int64_t i = 0; i < s; ++i) {  // the softmax of each row
    Lanes dot = {};
    for (int64_t j = 0; j < s; ++j) {
      const Lanes& p = state[static_cast<size_t>(i * s + j)];
      for (int64_t l = 0; l < kLanes; ++l) dot[l] += gradient[i * s + j][l] * (p[l] - shape.eps);
    }
    for (int64_t j = 0; j < s; ++j) {
      const Lanes& p = state[static_cast<size_t>(i * s + j)];
      Lanes& g = gradient[i * s + j];
      for (int64_t l = 0; l < kLanes; ++l) g[l] = (p[l] - shape.eps) * (g[l] - dot[l]);
    }
  }
}

Shape ShapeOf(const AutogradContext& context, const Tensor& streams) {
  const auto get = [&](const char* key) { return context.saved_data.at(key); };
  return {streams.size(1),
          streams.size(2),
          get("iterations").toInt(),
          static_cast<float>(get("eps").toDouble()),
          static_cast<float>(get("rms_eps").toDouble()),
          get("head").toBool()};
}

// z [count, rows padded] of tokens: (v fn^T) / sqrt(mean v^2 + eps), and the divisor's inverse.
void Project(const Shape& shape, const float* v, int64_t count, const float* fn, float* z, float* inverse) {
  const int64_t padded = PadTo16(shape.rows());
  StridedGemm(Product::kNT, count, shape.rows(), shape.flat(), v, shape.flat(), fn, shape.flat(), z, padded, false);
  for (int64_t t = 0; t < count; ++t) {
    const float* token = v + t * shape.flat();
    const float mean = Dot(token, token, shape.flat()) / static_cast<float>(shape.flat());
    inverse[t] = 1.0f / std::sqrt(mean + shape.rms_eps);
    float* row = z + t * padded;
    for (int64_t i = 0; i < shape.rows(); ++i) row[i] *= inverse[t];
    std::fill(row + shape.rows(), row + padded, 0.0f);
  }
}

struct MixBeforeFunction : torch::autograd::Function<MixBeforeFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& streams, const Tensor& fn, const Tensor& base,
                               const Tensor& scale, int64_t iterations, double eps, double rms_eps, bool head);
  static variable_list backward(AutogradContext* context, variable_list grads);
};

variable_list MixBeforeFunction::forward(AutogradContext* context, const Tensor& streams, const Tensor& fn,
                                         const Tensor& base, const Tensor& scale, int64_t iterations, double eps,
                                         double rms_eps, bool head) {
  FATHOM_CHECK(streams.is_contiguous());
  const int64_t tokens = streams.size(0);
  const int64_t s = streams.size(1);
  context->saved_data["iterations"] = iterations;
  context->saved_data["eps"] = eps;
  context->saved_data["rms_eps"] = rms_eps;
  context->saved_data["head"] = head;
  const Shape shape = ShapeOf(*context, streams);
  const int64_t padded = PadTo16(shape.rows());
  Tensor x = torch::empty({tokens, shape.width}, torch::kFloat32);
  Tensor post = torch::empty({head ? 0 : tokens, s}, torch::kFloat32);
  Tensor comb = torch::empty({head ? 0 : tokens, s, s}, torch::kFloat32);
  Tensor z = torch::empty({tokens, padded}, torch::kFloat32);
  Tensor inverse = torch::empty({tokens}, torch::kFloat32);
  const float* fn_data = Floats(fn);
  const float* scales = Floats(scale);
  const float* bases = Floats(base);
  const float* stream_data = Floats(streams);
  float* z_all = Floats(z);
  float* x_data = Floats(x);
  float* post_data = Floats(post);
  float* comb_data = Floats(comb);
  float* inverse_data = Floats(inverse);
  ParallelRanges(tokens, kGrain, [&](int64_t begin, int64_t end) {
    const float* v = stream_data + begin * shape.flat();
    Project(shape, v, end - begin, fn_data, z_all + begin * padded, inverse_data + begin);
    Sinkhorn sinkhorn;
    std::vector<Lanes> logits(static_cast<size_t>(s * s));
    for (int64_t t = begin; t < end; ++t) {
      const float* zt = z_all + t * padded;
      float* out = x_data + t * shape.width;
      std::fill_n(out, shape.width, 0.0f);
      for (int64_t i = 0; i < s; ++i) {
        const float pre = Sigmoid(zt[i] * scales[0] + bases[i]) + shape.eps;
        const float* stream = stream_data + (t * s + i) * shape.width;
        for (int64_t d = 0; d < shape.width; ++d) out[d] += pre * stream[d];
      }
      if (head) continue;
      for (int64_t j = 0; j < s; ++j) {
        post_data[t * s + j] = 2.0f * Sigmoid(zt[s + j] * scales[1] + bases[s + j]);
      }
    }
    if (head) return;
    for (int64_t first = begin; first < end; first += kLanes) {
      const int64_t count = std::min(kLanes, end - first);
      for (int64_t e = 0; e < s * s; ++e) {
        Lanes& lane = logits[static_cast<size_t>(e)];
        lane.fill(0);
        for (int64_t l = 0; l < count; ++l) {
          lane[l] = z_all[(first + l) * padded + 2 * s + e] * scales[2] + bases[2 * s + e];
        }
      }
      sinkhorn.Run(logits.data(), shape);
      const Lanes* last = sinkhorn.state.data() + (2 * iterations - 1) * s * s;
      for (int64_t e = 0; e < s * s; ++e) {
        for (int64_t l = 0; l < count; ++l) comb_data[(first + l) * s * s + e] = last[e][l];
      }
    }
  });
  context->save_for_backward({streams, fn, base, scale, z, inverse});
  return {x, post, comb};
}

// Gradients of the parameters, summed over a part's tokens.
struct ParameterSums {
  std::vector<float> fn;    // [rows, S D]
  std::vector<float> base;  // [rows]
  std::array<float, 3> scale = {};
};

variable_list MixBeforeFunction::backward(AutogradContext* context, variable_list grads) {
  const variable_list saved = context->get_saved_variables();
  const Tensor& streams = saved[0];
  const Shape shape = ShapeOf(*context, streams);
  const int64_t s = shape.streams;
  const int64_t tokens = streams.size(0);
  const int64_t rows = shape.rows();
  const int64_t padded = PadTo16(rows);
  const float* fn = Floats(saved[1]);
  const float* bases = Floats(saved[2]);
  const float* scales = Floats(saved[3]);
  const Tensor& z = saved[4];
  const float* inverse = Floats(saved[5]);
  const Tensor dx = grads[0].defined() ? grads[0].contiguous() : torch::zeros({tokens, shape.width});
  const Tensor dpost = grads[1].defined() ? grads[1].contiguous() : torch::zeros({tokens, s});
  const Tensor dcomb = grads[2].defined() ? grads[2].contiguous() : torch::zeros({tokens, s, s});
  Tensor dstreams = torch::empty_like(streams);
  std::vector<ParameterSums> sums(kSumParts);
  const float* z_data = Floats(z);
  const float* stream_data = Floats(streams);
  const float* dx_data = Floats(dx);
  const float* dpost_data = Floats(dpost);
  const float* dcomb_data = Floats(dcomb);
  float* dstream_data = Floats(dstreams);
  ParallelParts(kSumParts, [&](int64_t part) {
    ParameterSums& sum = sums[static_cast<size_t>(part)];
    sum.fn.assign(static_cast<size_t>(rows * shape.flat()), 0.0f);
    sum.base.assign(static_cast<size_t>(rows), 0.0f);
    Sinkhorn sinkhorn;
    std::vector<Lanes> logits(static_cast<size_t>(s * s));
    std::vector<Lanes> dlogits(static_cast<size_t>(s * s));
    std::vector<float> da(static_cast<size_t>(kLanes * padded));  // d(loss)/d(z scale + base)
    std::vector<float> dz(static_cast<size_t>(kLanes * padded));  // then divided by the root mean square
    const int64_t part_end = tokens * (part + 1) / kSumParts;
    for (int64_t first = tokens * part / kSumParts; first < part_end; first += kLanes) {
      const int64_t count = std::min(kLanes, part_end - first);
      std::fill(da.begin(), da.end(), 0.0f);
      if (!shape.head) {
        for (int64_t e = 0; e < s * s; ++e) {
          logits[static_cast<size_t>(e)].fill(0);
          dlogits[static_cast<size_t>(e)].fill(0);
          for (int64_t l = 0; l < count; ++l) {
            logits[static_cast<size_t>(e)][l] = z_data[(first + l) * padded + 2 * s + e] * scales[2] + bases[2 * s + e];
            dlogits[static_cast<size_t>(e)][l] = dcomb_data[(first + l) * s * s + e];
          }
        }
        sinkhorn.Run(logits.data(), shape);
        sinkhorn.Backward(dlogits.data(), shape);
      }
      for (int64_t l = 0; l < count; ++l) {
        const int64_t t = first + l;
        const float* zt = z_data + t * padded;
        const float* gx = dx_data + t * shape.width;
        float* dv = dstream_data + t * shape.flat();
        float* dat = da.data() + l * padded;
        for (int64_t i = 0; i < s; ++i) {
          const float* stream = stream_data + (t * s + i) * shape.width;
          const float sigma = Sigmoid(zt[i] * scales[0] + bases[i]);
          dat[i] = Dot(gx, stream, shape.width) * sigma * (1 - sigma);
          const float pre = sigma + shape.eps;
          for (int64_t d = 0; d < shape.width; ++d) dv[i * shape.width + d] = pre * gx[d];
        }
        for (int64_t j = 0; !shape.head && j < s; ++j) {
          const float sigma = Sigmoid(zt[s + j] * scales[1] + bases[s + j]);
          dat[s + j] = 2 * dpost_data[t * s + j] * sigma * (1 - sigma);
        }
        for (int64_t e = 0; !shape.head && e < s * s; ++e) dat[2 * s + e] = dlogits[static_cast<size_t>(e)][l];
        float pull = 0;
        for (int64_t row = 0; row < rows; ++row) {
          const int kind = shape.head || row < s ? 0 : row < 2 * s ? 1 : 2;
          sum.base[static_cast<size_t>(row)] += dat[row];
          sum.scale[static_cast<size_t>(kind)] += dat[row] * zt[row];
          const float dzt = dat[row] * scales[kind];
          pull += dzt * zt[row];
          dz[static_cast<size_t>(l * padded + row)] = dzt * inverse[t];
        }
        const float shrink = -pull * inverse[t] * inverse[t] / static_cast<float>(shape.flat());
        const float* v = stream_data + t * shape.flat();
        for (int64_t i = 0; i < shape.flat(); ++i) dv[i] += shrink * v[i];
      }
      const float* v = stream_data + first * shape.flat();
      StridedGemm(Product::kNN, count, shape.flat(), rows, dz.data(), padded, fn, shape.flat(),
                  dstream_data + first * shape.flat(), shape.flat(), true);
      StridedGemm(Product::kTN, rows, shape.flat(), count, dz.data(), padded, v, shape.flat(), sum.fn.data(),
                  shape.flat(), true);
    }
  });
  Tensor dfn = torch::zeros_like(saved[1]);
  Tensor dbase = torch::zeros_like(saved[2]);
  Tensor dscale = torch::zeros_like(saved[3]);
  float* dfn_data = Floats(dfn);
  ParallelRanges(rows * shape.flat(), kGrain * kGrain, [&](int64_t begin, int64_t end) {
    for (const ParameterSums& sum : sums) {
      const float* part = sum.fn.data();
      for (int64_t i = begin; i < end; ++i) dfn_data[i] += part[i];
    }
  });
  for (const ParameterSums& sum : sums) {
    for (size_t i = 0; i < sum.base.size(); ++i) Floats(dbase)[i] += sum.base[i];
    for (int64_t i = 0; i < dscale.numel(); ++i) Floats(dscale)[i] += sum.scale[static_cast<size_t>(i)];
  }
  return {dstreams, dfn, dbase, dscale, Tensor(), Tensor(), Tensor(), Tensor()};
}

// X'_j = post_j y + sum_i C_ij X_i for one token, 16 columns at a time.
template <int kStreams>
void MixToken(const float* y, const float* x, const float* post, const float* comb, int64_t width, float* out) {
  for (int64_t d = 0; d < width; d += kLanes) {
    for (int j = 0; j < kStreams; ++j) {
      float sum[kLanes];
      for (int64_t l = 0; l < kLanes; ++l) sum[l] = post[j] * y[d + l];
      for (int i = 0; i < kStreams; ++i) {
        const float c = comb[i * kStreams + j];
        for (int64_t l = 0; l < kLanes; ++l) sum[l] += c * x[i * width + d + l];
      }
      for (int64_t l = 0; l < kLanes; ++l) out[j * width + d + l] = sum[l];
    }
  }
}

template <int kStreams>
void MixTokenBackward(const float* g, const float* y, const float* x, const float* post, const float* comb,
                      int64_t width, float* dy, float* dx, float* dpost, float* dcomb) {
  for (int j = 0; j < kStreams; ++j) {
    dpost[j] = Dot(g + j * width, y, width);
    for (int i = 0; i < kStreams; ++i) dcomb[i * kStreams + j] = Dot(g + j * width, x + i * width, width);
  }
  for (int64_t d = 0; d < width; d += kLanes) {
    float sum[kLanes] = {};
    for (int j = 0; j < kStreams; ++j) {
      for (int64_t l = 0; l < kLanes; ++l) sum[l] += post[j] * g[j * width + d + l];
    }
    for (int64_t l = 0; l < kLanes; ++l) dy[d + l] = sum[l];
    for (int i = 0; i < kStreams; ++i) {
      float dxi[kLanes] = {};
      for (int j = 0; j < kStreams; ++j) {
        for (int64_t l = 0; l < kLanes; ++l) dxi[l] += comb[i * kStreams + j] * g[j * width + d + l];
      }
      for (int64_t l = 0; l < kLanes; ++l) dx[i * width + d + l] = dxi[l];
    }
  }
}

// Calls body.template operator()<S>() for the number of streams at run time.
template <int kStreams = 1, typename Body>
void WithStreams(int64_t streams, const Body& body) {
  if constexpr (kStreams <= kMaxStreams) {
    if (streams == kStreams) return body.template operator()<kStreams>();
    WithStreams<kStreams + 1>(streams, body);
  } else {
    FATHOM_CHECK(false);
  }
}

struct MixAfterFunction : torch::autograd::Function<MixAfterFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& y, const Tensor& streams, const Tensor& post,
                        const Tensor& comb) {
    const int64_t s = streams.size(1);
    const int64_t width = streams.size(2);
    Tensor out = torch::empty_like(streams);
    ParallelRanges(streams.size(0), kGrain, [&](int64_t begin, int64_t end) {
      WithStreams(s, [&]<int kStreams>() {
        for (int64_t t = begin; t < end; ++t) {
          MixToken<kStreams>(Floats(y) + t * width, Floats(streams) + t * s * width, Floats(post) + t * s,
                             Floats(comb) + t * s * s, width, Floats(out) + t * s * width);
        }
      });
    });
    context->save_for_backward({y, streams, post, comb});
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& streams = saved[1];
    const Tensor g = grads[0].contiguous();
    const int64_t s = streams.size(1);
    const int64_t width = streams.size(2);
    Tensor dy = torch::empty_like(saved[0]);
    Tensor dx = torch::empty_like(streams);
    Tensor dpost = torch::empty_like(saved[2]);
    Tensor dcomb = torch::empty_like(saved[3]);
    ParallelRanges(streams.size(0), kGrain, [&](int64_t begin, int64_t end) {
      WithStreams(s, [&]<int kStreams>() {
        for (int64_t t = begin; t < end; ++t) {
          MixTokenBackward<kStreams>(Floats(g) + t * s * width, Floats(saved[0]) + t * width,
                                     Floats(streams) + t * s * width, Floats(saved[2]) + t * s,
                                     Floats(saved[3]) + t * s * s, width, Floats(dy) + t * width,
                                     Floats(dx) + t * s * width, Floats(dpost) + t * s, Floats(dcomb) + t * s * s);
        }
      });
    });
    return {dy, dx, dpost, dcomb};
  }
};

}  // namespace

Mix MixBefore(const Tensor& streams, const Tensor& fn, const Tensor& base, const Tensor& scale,
              const ModelConfig& config) {
  variable_list out =
      MixBeforeFunction::apply(streams.contiguous(), fn, base, scale, config.sinkhorn_iterations,
                               static_cast<double>(config.hc_eps), static_cast<double>(config.rms_eps), false);
  return {out[0], out[1], out[2]};
}

Tensor MixAfter(const Tensor& y, const Tensor& streams, const Mix& mix) {
  return MixAfterFunction::apply(y.contiguous(), streams.contiguous(), mix.post, mix.comb);
}

Tensor MixHead(const Tensor& streams, const Tensor& fn, const Tensor& base, const Tensor& scale,
               const ModelConfig& config) {
  return MixBeforeFunction::apply(streams.contiguous(), fn, base, scale, config.sinkhorn_iterations,
                                  static_cast<double>(config.hc_eps), static_cast<double>(config.rms_eps), true)[0];
}

}  // namespace fathom
