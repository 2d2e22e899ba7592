// The trainer's forward against the reference's goldens, and its gradients against differences.
#include "train/torch/train_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "train/torch/gemm.h"

namespace fathom {
namespace {

std::string GoldenFolder(const std::string& preset) {
  return std::string(FATHOM_SHARED_DIR) + "/reference/golden/" + preset;
}

// Sets the arithmetic for a test.
class ArithmeticScope {
 public:
  explicit ArithmeticScope(TrainArithmetic arithmetic) : before_(Arithmetic()) { Arithmetic() = arithmetic; }
  ~ArithmeticScope() { Arithmetic() = before_; }
  ArithmeticScope(const ArithmeticScope&) = delete;
  ArithmeticScope& operator=(const ArithmeticScope&) = delete;

 private:
  const TrainArithmetic before_;
};

// A stored F32 matrix.
Tensor Stored(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* info = file.Find(name);
  if (info == nullptr) return {};
  Tensor out = torch::empty(info->shape, torch::kFloat32);
  std::memcpy(out.data_ptr(), info->bytes.data(), info->bytes.size());
  return out;
}

// Largest difference of each row of logits, relative to the largest stored logit; and rows with the same best token.
struct Agreement {
  double worst = 0;
  double median = 0;
  double same_best = 0;
};

Agreement Compare(const Tensor& got, const Tensor& want) {
  const torch::NoGradGuard no_grad;
  const auto largest = want.abs().max().item<double>();
  const Tensor rows = std::get<0>(((got - want).abs() / largest).max(1));
  return {rows.max().item<double>(), rows.median().item<double>(),
          got.argmax(1).eq(want.argmax(1)).to(torch::kFloat64).mean().item<double>()};
}

class TrainForward : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto checkpoint = Checkpoint::Open(GoldenFolder(GetParam()));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    checkpoint_ = std::move(*checkpoint);
    auto file = SafetensorsFile::Open(GoldenFolder(GetParam()) + "/golden.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    file_ = std::make_unique<SafetensorsFile>(std::move(*file));
    const TensorInfo* tokens = file_->Find("tokens");
    ASSERT_NE(tokens, nullptr);
    batch_.tokens.resize(tokens->bytes.size() / sizeof(int32_t));
    std::memcpy(batch_.tokens.data(), tokens->bytes.data(), tokens->bytes.size());
    batch_.weights.assign(batch_.tokens.size(), 1.0f);
    batch_.answers.assign(batch_.tokens.size(), 1);
    batch_.lengths = {static_cast<int64_t>(batch_.tokens.size())};
  }

  void ExpectLogits(const std::string& mode, double worst, double median, double same_best) {
    Parameters parameters = std::move(*Parameters::FromCheckpoint(*checkpoint_));
    TrainModel model(checkpoint_->config(), parameters);
    const torch::NoGradGuard no_grad;
    Tensor mtp;
    const bool has_mtp = checkpoint_->config().mtp_layers > 0;
    const Tensor logits = model.Logits(batch_, has_mtp ? &mtp : nullptr, {});
    const Tensor want =
        torch::cat({Stored(*file_, mode + ".A.prefill_logits"), Stored(*file_, mode + ".A.decode_logits")});
    const Agreement agreement = Compare(logits, want);
    EXPECT_LT(agreement.worst, worst);
    EXPECT_LT(agreement.median, median);
    EXPECT_GE(agreement.same_best, same_best);
    if (!has_mtp) return;
    const Tensor mtp_want = Stored(*file_, mode + ".A.mtp_prefill_logits");
    const Agreement drafts = Compare(mtp.narrow(0, 0, mtp_want.size(0)), mtp_want);
    EXPECT_LT(drafts.worst, worst);
    EXPECT_LT(drafts.median, 30 * median);  // the block adds its own rounding
  }

  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<SafetensorsFile> file_;
  TrainBatch batch_;
};

TEST_P(TrainForward, EqualsTheReferenceWithoutQuantisedActivations) {
  const ArithmeticScope exact({.half = false, .quantize_weights = true, .quantize_activations = false});
  ExpectLogits("exact", 2e-6, 1e-6, 1.0);
}

// A flipped rounding or choice moves a few rows of these random models visibly; most rows agree to float's noise.
TEST_P(TrainForward, EqualsTheReferenceWithQuantisedActivationsInMostRows) {
  const ArithmeticScope quantised({.half = false, .quantize_weights = true, .quantize_activations = true});
  ExpectLogits("f32", 0.5, 1e-3, 0.95);
}

INSTANTIATE_TEST_SUITE_P(Presets, TrainForward,
                         testing::Values("tiny-swa", "tiny-csa", "tiny-hca", "tiny-hash", "tiny-full", "tiny-wide"),
                         [](const auto& preset) {
                           std::string name = preset.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Directional derivatives: along its own gradient g, a parameter changes the loss by |g|. All experts and rows are
// chosen: a choice that flips between the two sides of a difference is a jump.
class Gradients {
 public:
  explicit Gradients(const std::string& preset, float swiglu_limit = 0)
      : checkpoint_(std::move(*Checkpoint::Open(GoldenFolder(preset)))) {
    config_ = checkpoint_->config();
    config_.experts_per_token = config_.experts;
    config_.index_topk = 1000;
    config_.swiglu_limit = swiglu_limit;
    parameters_ = std::make_unique<Parameters>(std::move(*Parameters::FromCheckpoint(*checkpoint_)));
    for (auto& [name, table] : parameters_->token_tables()) {
      table.clear();
      for (int64_t i = 0; i < config_.vocab_size * config_.experts; ++i) table.push_back(i % config_.experts);
    }
    CorpusRandom random(7);
    for (const int64_t length : {150, 37, 9}) {
      batch_.lengths.push_back(length);
      for (int64_t t = 0; t < length; ++t) {
        batch_.tokens.push_back(static_cast<int32_t>(random.Below(static_cast<uint64_t>(config_.vocab_size))));
        batch_.weights.push_back(t == 0 ? 0.0f : t % 3 == 0 ? 0.1f : 1.0f);
        batch_.answers.push_back(t % 3 == 0 ? 0 : 1);
      }
    }
  }

  // Checks the parameters for which `wanted` is true; returns how many had a gradient: one with which a step of the
  // parameter's own size would change the loss by more than `smallest`.
  template <typename Wanted>
  int Check(const LossWeights& weights, const Wanted& wanted, double smallest = 0) {
    const ArithmeticScope plain({.half = false, .quantize_weights = false, .quantize_activations = false});
    TrainModel model(config_, *parameters_);
    model.Loss(batch_, weights).total.backward();
    int checked = 0;
    for (Parameter& p : parameters_->all()) {
      if (!p.trained || !wanted(p.name)) continue;
      const Tensor gradient = p.value.grad().clone();
      const auto norm = gradient.norm().item<double>();
      if (norm * std::max(1.0, p.value.detach().norm().item<double>()) <= smallest) continue;
      EXPECT_NEAR(BestRatio(model, weights, p, gradient, norm), 1.0, 0.02) << p.name << ", norm " << norm;
      ++checked;
    }
    return checked;
  }

 private:
  double Total(TrainModel& model, const LossWeights& weights) {
    return model.Loss(batch_, weights).total.item<double>();
  }

  // Difference quotient over |g|, of the step size that suits best: large steps bend, small ones drown in rounding.
  double BestRatio(TrainModel& model, const LossWeights& weights, Parameter& p, const Tensor& gradient, double norm) {
    const Tensor before = p.value.detach().clone();
    const Tensor direction = gradient / norm;
    double best = 1e9;
    for (const double step : {3e-3, 1e-3, 3e-4}) {
      const double distance = step * std::max(1.0, before.norm().item<double>());
      p.value.detach().copy_(before + distance * direction);
      const double above = Total(model, weights);
      p.value.detach().copy_(before - distance * direction);
      const double below = Total(model, weights);
      p.value.detach().copy_(before);
      const double ratio = (above - below) / (2 * distance) / norm;
      if (std::abs(ratio - 1) < std::abs(best - 1)) best = ratio;
    }
    return best;
  }

  const std::unique_ptr<Checkpoint> checkpoint_;
  ModelConfig config_;
  std::unique_ptr<Parameters> parameters_;
  TrainBatch batch_;
};

TEST(TrainGradients, AreThoseOfTheLoss) {
  // The indexer's loss is left out: it holds the attention it imitates constant, which a difference does not.
  const LossWeights weights = {.mtp = 0, .balance = 0.01, .indexer = 0};
  const auto all = [](const std::string& name) { return name.find("indexer") == std::string::npos; };
  EXPECT_GT(Gradients("tiny-swa").Check(weights, all), 50);
  EXPECT_GT(Gradients("tiny-csa").Check(weights, all), 40);
  EXPECT_GT(Gradients("tiny-hca").Check(weights, all), 40);
}

// The gates' and the ups' values have a deviation of about 1.3, so that the limit cuts many of them.
TEST(TrainGradients, OfTheMtpBlockAndThroughTheClamps) {
  const auto some = [](const std::string& name) {
    return name.starts_with("mtp.") || name.starts_with("layers.3.ffn.") || name == "embed.weight" ||
           name == "head.weight";
  };
  // What moves the loss less drowns in its rounding.
  constexpr double kSmallest = 0.03;
  EXPECT_GT(Gradients("tiny-full", /*swiglu_limit=*/1).Check({.mtp = 1, .balance = 0, .indexer = 0}, some, kSmallest),
            15);
}

TEST(TrainGradients, OfTheIndexersLoss) {
  const auto indexer = [](const std::string& name) { return name.find("indexer") != std::string::npos; };
  EXPECT_EQ(Gradients("tiny-csa").Check({.mtp = 0, .balance = 0, .indexer = 1}, indexer), 12);
}

TEST(TrainForwardTest, EndsWhereATapSaysSo) {
  const std::unique_ptr<Checkpoint> checkpoint = std::move(*Checkpoint::Open(GoldenFolder("tiny-swa")));
  Parameters parameters = std::move(*Parameters::FromCheckpoint(*checkpoint));
  TrainModel model(checkpoint->config(), parameters);
  ASSERT_GT(checkpoint->config().layers, 2);
  const torch::NoGradGuard no_grad;
  TrainBatch batch;
  batch.tokens = {1, 2, 3};
  batch.weights.assign(3, 1.0f);
  batch.answers.assign(3, 1);
  batch.lengths = {3};
  std::vector<int64_t> layers;
  ForwardTaps taps;
  taps.layer_done = [&](int64_t layer) {
    layers.push_back(layer);
    return layer < 1;
  };
  EXPECT_FALSE(model.Logits(batch, nullptr, taps).defined());
  EXPECT_EQ(layers, (std::vector<int64_t>{0, 1}));
}

TEST(TrainForwardTest, DialoguesOfAStepDoNotSeeEachOther) {
  const ArithmeticScope exact({.half = false, .quantize_weights = true, .quantize_activations = true});
  const std::unique_ptr<Checkpoint> checkpoint = std::move(*Checkpoint::Open(GoldenFolder("tiny-full")));
  Parameters parameters = std::move(*Parameters::FromCheckpoint(*checkpoint));
  TrainModel model(checkpoint->config(), parameters);
  const torch::NoGradGuard no_grad;
  TrainBatch both;
  TrainBatch second;
  for (int32_t t = 0; t < 300; ++t) both.tokens.push_back(t * 7 % 100);
  both.lengths = {140, 160};
  second.tokens.assign(both.tokens.begin() + 140, both.tokens.end());
  second.lengths = {160};
  for (TrainBatch* batch : {&both, &second}) {
    batch->weights.assign(batch->tokens.size(), 1.0f);
    batch->answers.assign(batch->tokens.size(), 1);
  }
  const Tensor together = model.Logits(both, nullptr, {}).narrow(0, 140, 160);
  EXPECT_LT(Compare(together, model.Logits(second, nullptr, {})).median, 1e-6);
}

}  // namespace
}  // namespace fathom
