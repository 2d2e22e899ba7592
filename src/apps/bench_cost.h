// bench_cost.h - what a step has to read and multiply: the denominators of a bench.
//
// Counted are the products with weight matrices and those of attention and the indexer with stored rows. Everything
// elementwise is not.
#ifndef FATHOM_APPS_BENCH_COST_H_
#define FATHOM_APPS_BENCH_COST_H_

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/model.h"
#include "model/step_clock.h"
#include "model/weights.h"

namespace fathom {

// What is read and multiplied, by one part of a step or by all of them.
struct Work {
  double weight_bytes = 0;  // of each matrix once per step, routed experts only if some token of the step chose them
  double flops = 0;         // two per weight and token, and per product with a number of a stored row
  // The same work as the machine does it: float32 multiply-adds, those of FP8 weights and quantised inputs by
  // themselves, which may go faster (PeakRates::fp8_flops()), and byte products (an FP4 weight takes two, because an
  // activation is two bytes; one in precision `int8`). Two operations each.
  double f32_ops = 0;
  double int8_ops = 0;
  double fp8_ops = 0;

  Work& operator+=(const Work& other);
  Work& operator/=(double count);
};

// The products with all matrices of one part and one shape.
struct Products {
  StepPart part = StepPart::kExperts;
  Matrix shape;                // without data
  int64_t groups = 1;          // so many equal parts of the rows, each with inputs of its own
  bool round_weights = false;  // MatMulArgs::round_weights
  bool activated = false;      // inputs as SwiGLU gives them
  double matrices = 0;         // of each step, added up; an expert only if some token of the step chose it
  double rows = 0;             // of inputs, each counted with every matrix that it is multiplied with
  // How many of the matrices have so many inputs, where they do not have the same number: the routed experts.
  std::map<int64_t, double> matrices_by_rows = {};

  double flops() const { return 2 * rows * static_cast<double>(shape.rows) * static_cast<double>(shape.cols); }
};

struct StepCost {
  int64_t tokens = 0;
  std::array<Work, kStepParts> parts = {};  // by StepPart, as the model's clock divides the time
  std::vector<Products> products;           // the same work by shape, in an order of the CostModel's

  const Work& part(StepPart which) const { return parts[static_cast<size_t>(which)]; }
  Work total() const;
  // Of steps of one CostModel.
  StepCost& operator+=(const StepCost& other);
  StepCost& operator/=(int64_t count);
};

// What CostModel takes for granted: that routed experts are of one format in all layers. An error names two layers that
// differ.
Status CheckExpertsAlike(const ModelWeights& weights);

class CostModel {
 public:
  // Of a model whose experts are alike.
  CostModel(const ModelConfig& config, const ModelWeights& weights, Precision precision = Precision::kF32);

  // Of a step that reads `tokens`, computes `logit_rows` rows of logits and uses `distinct_experts` different
  // (layer, expert) pairs.
  StepCost Step(int64_t tokens, int64_t logit_rows, int64_t distinct_experts) const;

  // Says of such a step how many experts, of all layers together, have so many tokens.
  void SplitExperts(const std::map<int64_t, int64_t>& experts_by_tokens, StepCost* step) const;

  // Adds the attention and the indexer of a sequence's tokens at the positions [first, first + tokens) to the step that
  // reads them: the products of the heads with the rows that each of them sees, twice, and of the indexer's heads with
  // its keys (sections 7.4 and 7.6).
  void AddAttention(int64_t first, int64_t tokens, StepCost* step) const;

 private:
  // By what a matrix is multiplied: every token, the tokens that chose its expert, or those that get logits.
  enum class Inputs : uint8_t { kTokens, kChosen, kLogitRows };
  // All matrices of one part and one shape; of the routed experts, which are alike, those of one.
  struct Matrices {
    StepPart part;
    Inputs inputs;
    Matrix shape;  // without data
    int64_t groups;
    bool round_weights;
    bool activated = false;
    double count = 0;
  };
  void Add(StepPart part, Inputs inputs, const Matrix& matrix, int64_t groups = 1, bool round_weights = false,
           bool activated = false);

  const ModelConfig config_;
  std::vector<Matrices> matrices_;
  double chosen_experts_ = 0;     // per token, all layers
  double fp4_byte_products_ = 2;  // per weight and token
  bool quantized_ = true;         // inputs of FP8 weights
};

// Bytes of the matrices that every token is multiplied with in one layer of this model for one part of the step, with
// FP8 weights as releases have them and without scales: how much of that part a layer of this kind has.
double DenseWeightBytes(const ModelConfig& config, int64_t layer, StepPart part);

// What a step of one token reads: the matrices of every layer, the head, and experts that `random` draws.
std::vector<std::span<const uint8_t>> WeightsOfToken(const ModelConfig& config, const ModelWeights& weights,
                                                     std::mt19937_64& random);

// Counts the different experts that the tokens of a step choose, and the tokens of each.
class ExpertCounter : public TapSink {
 public:
  explicit ExpertCounter(const ModelConfig& config);
  void Reset();
  int64_t distinct() const;
  std::map<int64_t, int64_t> by_tokens() const;  // of those with tokens, how many have so many

  bool Wants(std::string_view name) const override;
  void Tap(int64_t layer, std::string_view name, MatView<const float> values) override;
  void TapIds(int64_t layer, std::string_view name, MatView<const int32_t> ids) override;

 private:
  int64_t experts_;
  std::vector<int64_t> tokens_;  // [layers, experts]
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_COST_H_
