// A whole run in small: train, stop, go on, export, run the export with the engine's model; and what goes wrong.
#include "train/torch/trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "cache/sequence_cache.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "model/model.h"
#include "model/workspace.h"
#include "tests/train/torch/train_fixture.h"
#include "train/run_lock.h"
#include "train/torch/batch_feed.h"
#include "train/torch/gemm.h"

namespace fathom {
namespace {

class TrainerTest : public TrainFixture {
 protected:
  void SetUp() override {
    TrainFixture::SetUp();
    Arithmetic() = {};
  }

  Result<std::unique_ptr<Trainer>> Make(const std::string& run, int64_t stop_after = 0, const SmallRun& small = {},
                                        const std::string& from = "") {
    return MakeWith(SmallConfig(small), run, stop_after, from);
  }
  Result<std::unique_ptr<Trainer>> MakeWith(const std::string& config_text, const std::string& run,
                                            int64_t stop_after = 0, const std::string& from = "") {
    WriteTestFile(directory_ / "train.json", config_text);
    FATHOM_ASSIGN_OR_RETURN(TrainConfig config, ReadTrainConfig(directory_ / "train.json"));
    TrainerOptions options;
    options.run_directory = directory_ / run;
    options.stop_after_steps = stop_after;
    options.from = from;
    return Trainer::Create(std::move(config), options);
  }

  // The small configuration with another `expert_dtype`, or none.
  static std::string ConfigWithExperts(const std::string& member) {
    return ConfigWith(R"(, "expert_dtype": "fp4")", member);
  }

  // Trains and exports; what the exported tensors and config.json say of the experts.
  std::string ExportedExperts(Trainer& trainer, const std::string& name) {
    EXPECT_TRUE(trainer.Run().ok());
    EXPECT_TRUE(trainer.Export(directory_ / name).ok());
    const auto checkpoint = Checkpoint::Open(directory_ / name);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    const bool fp8 = (*checkpoint)->weights().layers[1].experts[0].w2.type == WeightType::kFp8;
    return StrCat(fp8 ? "fp8" : "fp4", " ", (*checkpoint)->checkpoint_config().expert_dtype);
  }

  // The small configuration with a part of its text replaced.
  static std::string ConfigWith(const std::string& part, const std::string& replacement, const SmallRun& small = {}) {
    std::string text = SmallConfig(small);
    return text.replace(text.find(part), part.size(), replacement);
  }

  // A number of each line of a run's log.
  std::vector<double> Logged(const std::string& run, const std::string& key) const {
    std::vector<double> numbers;
    const std::string log = ReadTestFile((directory_ / run) + "/log.jsonl");
    for (size_t at = 0; at < log.size(); at = log.find('\n', at) + 1) {
      const Result<Json> line = ParseJson(log.substr(at, log.find('\n', at) - at));
      const Json* number = line.ok() ? line->Find(key) : nullptr;
      EXPECT_NE(number, nullptr) << key << " in " << log.substr(at);
      numbers.push_back(number == nullptr ? 0 : number->AsDouble().value_or(0));
    }
    return numbers;
  }

  // The largest difference of the engine's and the trainer's logits with an exported model, over the largest logit.
  static double EngineDifference(const std::string& exported);

  std::string ErrorOf(const Result<std::unique_ptr<Trainer>>& result) const {
    return result.ok() ? "no error" : result.status().message();
  }

  // The bytes of a file's tensors by name.
  std::map<std::string, std::string> TensorsOf(const std::string& name) const {
    const auto file = SafetensorsFile::Open(directory_ / name);
    EXPECT_TRUE(file.ok()) << file.status().message();
    std::map<std::string, std::string> tensors;
    for (const TensorInfo& info : file->tensors()) {
      tensors[info.name].assign(reinterpret_cast<const char*>(info.bytes.data()), info.bytes.size());
    }
    return tensors;
  }
};

TEST_F(TrainerTest, LearnsAndAStoppedRunGoesOnWithTheSameBits) {
  auto whole = Make("whole");
  ASSERT_TRUE(whole.ok()) << ErrorOf(whole);
  ASSERT_TRUE((*whole)->Run().ok());
  const std::vector<double> losses = Losses("whole");
  ASSERT_EQ(losses.size(), 8u);
  EXPECT_LT(losses.back(), losses.front() - 0.5);
  // All tokens that a step reads count as its speed.
  EXPECT_GE(Logged("whole", "tokens_per_second")[0] * Logged("whole", "seconds")[0], 1499);

  auto first = Make("parts", 3);
  ASSERT_TRUE(first.ok()) << ErrorOf(first);
  ASSERT_TRUE((*first)->Run().ok());
  EXPECT_EQ((*first)->position().step, 3);
  first->reset();
  auto second = Make("parts");
  ASSERT_TRUE(second.ok()) << ErrorOf(second);
  EXPECT_EQ((*second)->position().step, 3);
  ASSERT_TRUE((*second)->Run().ok());
  EXPECT_EQ(Losses("parts"), losses);
  EXPECT_TRUE(TensorsOf("parts/state.safetensors") == TensorsOf("whole/state.safetensors"));
}

double TrainerTest::EngineDifference(const std::string& exported) {
  auto checkpoint = Checkpoint::Open(exported);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  if (!checkpoint.ok()) return INFINITY;
  const ModelConfig& config = (*checkpoint)->config();
  TrainBatch batch;
  for (int32_t t = 0; t < 200; ++t) batch.tokens.push_back(t * 13 % static_cast<int32_t>(config.vocab_size));
  batch.weights.assign(batch.tokens.size(), 1.0f);
  batch.answers.assign(batch.tokens.size(), 1);
  batch.lengths = {static_cast<int64_t>(batch.tokens.size())};
  Parameters parameters = std::move(*Parameters::FromCheckpoint(**checkpoint));
  Arithmetic() = {.half = false, .quantize_weights = true, .quantize_activations = false};
  const torch::NoGradGuard no_grad;
  const Tensor trained = TrainModel(config, parameters).Logits(batch, nullptr, {});

  ThreadPool pool(2);
  const Model model(config, (*checkpoint)->weights(), {.precision = Precision::kExact, .row_format = RowFormat::kF32},
                    pool);
  Workspace workspace(model, 256);
  SequenceCache cache(model.cache_layout());
  const std::vector<Segment> segments = {{&cache, 200}};
  const MatView<const float> streams = model.Forward({.tokens = batch.tokens, .segments = segments}, workspace);
  std::vector<float> logits(static_cast<size_t>(200 * config.vocab_size));
  model.Logits(streams, workspace, MatView<float>(logits.data(), 200, config.vocab_size));
  double worst = 0;
  double largest = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(logits[i])));
    worst = std::max(worst, std::abs(static_cast<double>(logits[i]) - Floats(trained)[i]));
  }
  return worst / largest;
}

TEST_F(TrainerTest, TheEngineComputesWhatTheTrainerComputes) {
  auto trainer = Make("run", 4);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  const std::string exported = directory_ / "model";
  ASSERT_TRUE((*trainer)->Export(exported).ok());
  ASSERT_TRUE((*trainer)->Export(exported).ok()) << "an export is replaced";
  EXPECT_LT(EngineDifference(exported), 1e-5);
}

TEST_F(TrainerTest, TheEngineRoutesByASoftmaxAsTheTrainerDoes) {
  auto trainer = MakeWith(ConfigWith(R"("scoring_func": "sqrtsoftplus")", R"("scoring_func": "softmax")"), "run");
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Export(directory_ / "model").ok());
  EXPECT_LT(EngineDifference(directory_ / "model"), 1e-5);
}

TEST_F(TrainerTest, TheRateRisesStaysAndFalls) {
  auto trainer = Make(
      "run", 0,
      {.steps = 10, .schedule = R"(, "batch_tokens": 200, "warmup_steps": 4, "decay_share": 0.5, "final_rate": 0.1)"});
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  const std::vector<double> rates = Logged("run", "learning_rate");
  const std::vector<double> shares = {0.25, 0.5, 0.75, 1, 1, 1, 0.82, 0.64, 0.46, 0.28};
  ASSERT_EQ(rates.size(), shares.size());
  for (size_t step = 0; step < rates.size(); ++step) EXPECT_NEAR(rates[step], 0.01 * shares[step], 1e-12) << step;
}

TEST_F(TrainerTest, TheRoutersBiasMovesAgainstTheLoad) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  // The step's forward pass once more, for what each expert got.
  const Result<TrainConfig> config = ReadTrainConfig(directory_ / "train.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  Parameters parameters = std::move(*Parameters::Random(config->model, config->seed));
  const auto tokenizer = Tokenizer::Load(config->tokenizer);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto source = DialogueSource::Open(*config, **tokenizer);
  ASSERT_TRUE(source.ok()) << source.status().message();
  uint64_t next = 0;
  const Result<TrainBatch> batch = FillBatch(*config, **source, /*held_out=*/false, &next);
  ASSERT_TRUE(batch.ok()) << batch.status().message();
  const torch::NoGradGuard no_grad;
  const StepLoss loss = TrainModel(config->model, parameters).Loss(*batch, {.mtp = config->mtp_weight});

  const auto state = SafetensorsFile::Open(directory_ / "run/state.safetensors");
  ASSERT_TRUE(state.ok()) << state.status().message();
  const std::vector<std::string> prefixes = {"layers.0", "layers.1", "layers.2", "mtp.0"};
  ASSERT_EQ(loss.expert_load.size(), prefixes.size());
  int moved = 0;
  for (size_t layer = 1; layer < prefixes.size(); ++layer) {  // the first routes by token
    const TensorInfo* info = state->Find("value/" + prefixes[layer] + ".ffn.gate.bias");
    ASSERT_NE(info, nullptr) << prefixes[layer];
    const std::vector<int64_t>& load = loss.expert_load[layer];
    ASSERT_EQ(info->bytes.size(), load.size() * sizeof(float));
    int64_t all = 0;
    for (const int64_t tokens : load) all += tokens;
    for (size_t e = 0; e < load.size(); ++e) {
      float bias = 0;
      std::memcpy(&bias, info->bytes.data() + e * sizeof bias, sizeof bias);
      const int64_t above = load[e] * static_cast<int64_t>(load.size()) - all;  // the mean
      const auto rate = static_cast<float>(config->bias_rate);
      EXPECT_EQ(bias, above > 0 ? -rate : above < 0 ? rate : 0.0f) << prefixes[layer] << " expert " << e;
      moved += above != 0 ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 0);
}

TEST_F(TrainerTest, StopsAroundTheFirstStepOfTheMtpBlockChangeNoBit) {
  const std::string text = ConfigWith(R"("mtp_weight": 0.3)", R"("mtp_weight": 0.3, "mtp_from": 3)",
                                      {.steps = 5, .schedule = R"(, "batch_tokens": 400)"});
  auto whole = MakeWith(text, "whole");
  ASSERT_TRUE(whole.ok()) << ErrorOf(whole);
  ASSERT_TRUE((*whole)->Run().ok());
  const std::vector<double> drafts = Logged("whole", "mtp_loss");
  ASSERT_EQ(drafts.size(), 5u);
  for (size_t step = 0; step < 5; ++step) EXPECT_EQ(drafts[step] > 0, step >= 3) << step;
  for (const int64_t steps : {2, 1, 1, 1}) {
    auto part = MakeWith(text, "parts", steps);
    ASSERT_TRUE(part.ok()) << ErrorOf(part);
    ASSERT_TRUE((*part)->Run().ok());
  }
  EXPECT_EQ(Losses("parts"), Losses("whole"));
  EXPECT_EQ(Logged("parts", "mtp_loss"), drafts);
  EXPECT_TRUE(TensorsOf("parts/state.safetensors") == TensorsOf("whole/state.safetensors"));
}

// Whichever are faster where the run goes on.
TEST_F(TrainerTest, ProductsStayAsTheRunBegan) {
  if (!HasBf16Products()) GTEST_SKIP() << "there are only products of floats here";
  std::vector<std::vector<double>> all_losses;
  for (const bool half : {false, true}) {
    const std::string name = half ? "bf16" : "float";
    const std::string whole_run = "whole_" + name;
    const std::string parts_run = "parts_" + name;
    Arithmetic() = {.half = half};
    auto whole = Make(whole_run, 0, {.steps = 3});
    ASSERT_TRUE(whole.ok()) << ErrorOf(whole);
    ASSERT_TRUE((*whole)->Run().ok());
    for (const bool there : {half, !half}) {
      Arithmetic() = {.half = there};
      auto part = Make(parts_run, there == half ? 1 : 0, {.steps = 3});
      ASSERT_TRUE(part.ok()) << ErrorOf(part);
      ASSERT_TRUE((*part)->Run().ok());
    }
    EXPECT_EQ(Losses(parts_run), Losses(whole_run)) << name;
    EXPECT_TRUE(TensorsOf(parts_run + "/state.safetensors") == TensorsOf(whole_run + "/state.safetensors")) << name;
    all_losses.push_back(Losses(whole_run));
  }
  EXPECT_NE(all_losses[0], all_losses[1]);
}

TEST_F(TrainerTest, EvaluationsAreOfTheQuantisedModel) {
  const SmallRun late = {.steps = 1, .schedule = R"(, "quantize_from": 100)"};
  auto trainer = Make("run", 0, late);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  const std::vector<TrainRecord> records = Records("run");
  ASSERT_EQ(records.size(), 1u);
  ASSERT_TRUE(records[0].held_out_loss);
  Arithmetic() = {};  // as in a process of its own
  auto evaluation = Make("run", 0, late);
  ASSERT_TRUE(evaluation.ok()) << ErrorOf(evaluation);
  const Result<StepLoss> loss = (*evaluation)->Evaluate();
  ASSERT_TRUE(loss.ok()) << loss.status().message();
  EXPECT_EQ(loss->answer_loss, *records[0].held_out_loss);
}

// A kill between the two would lose a record for good.
TEST_F(TrainerTest, NoStateIsAheadOfTheLog) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  std::filesystem::create_directory(directory_ / "run");
  std::filesystem::create_symlink("/dev/full", directory_ / "run/log.jsonl");
  auto trainer = Make("run", 0, {.steps = 1});
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  const Status status = (*trainer)->Run();
  EXPECT_NE(status.message().find("log.jsonl: No space left"), std::string::npos) << status.message();
  EXPECT_FALSE(FileExists(directory_ / "run/state.safetensors"));
}

TEST_F(TrainerTest, TheLastStepsEvaluationIsMadeUpFor) {
  auto stopped = Make("run", 2, {.steps = 3});
  ASSERT_TRUE(stopped.ok()) << ErrorOf(stopped);
  ASSERT_TRUE((*stopped)->Run().ok());
  const std::string before = ReadTestFile(directory_ / "run/log.jsonl");
  EXPECT_FALSE(Records("run").back().held_out_loss);
  auto ended = Make("run", 0, {.steps = 2});
  ASSERT_TRUE(ended.ok()) << ErrorOf(ended);
  const Result<StepLoss> held_out = (*ended)->Evaluate();
  ASSERT_TRUE(held_out.ok()) << held_out.status().message();
  ASSERT_TRUE((*ended)->Run().ok());
  const std::string after = ReadTestFile(directory_ / "run/log.jsonl");
  EXPECT_TRUE(after.starts_with(before.substr(0, before.size() - 2) + ",\"held_out_loss\":")) << after;
  EXPECT_NE(after.find(",\"held_out_mtp_accuracy\":"), std::string::npos) << after;
  EXPECT_EQ(Records("run").back().held_out_loss, held_out->answer_loss);
  auto again = Make("run", 0, {.steps = 2});
  ASSERT_TRUE(again.ok()) << ErrorOf(again);
  ASSERT_TRUE((*again)->Run().ok());
  EXPECT_EQ(ReadTestFile(directory_ / "run/log.jsonl"), after) << "once";
}

TEST_F(TrainerTest, GoesOnFromAModelWithTheUsersDialogues) {
  auto trainer = Make("run", 2);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  ASSERT_TRUE((*trainer)->Export(directory_ / "model").ok());
  std::string lines;
  for (int i = 0; i < 30; ++i) {
    lines += StrCat(R"({"messages": [{"role": "user", "content": "What is the code )", i % 3,
                    R"(?"}, {"role": "assistant", "content": "It is )", i % 3 * 111, "\"}]}\n");
  }
  WriteTestFile(directory_ / "own.jsonl", lines);
  auto tuned =
      Make("tuned", 0, {.steps = 12, .data = R"(, "jsonl": "own.jsonl", "prompt_weight": 0.0)"}, directory_ / "model");
  ASSERT_TRUE(tuned.ok()) << ErrorOf(tuned);
  const double before = (*tuned)->Evaluate()->answer_loss;
  ASSERT_TRUE((*tuned)->Run().ok());
  EXPECT_LT((*tuned)->Evaluate()->answer_loss, before / 2);
}

TEST_F(TrainerTest, AResumedRunNeedsNoFromAndTakesNoOtherModel) {
  auto base = Make("base", 1, {.data = R"(, "seed": 7)"});
  ASSERT_TRUE(base.ok()) << ErrorOf(base);
  ASSERT_TRUE((*base)->Run().ok());
  ASSERT_TRUE((*base)->Export(directory_ / "model").ok());
  auto tuned = Make("tuned", 1, {}, directory_ / "model");
  ASSERT_TRUE(tuned.ok()) << ErrorOf(tuned);
  ASSERT_TRUE((*tuned)->Run().ok());
  {
    const auto moved = Make("tuned", 1, {.steps = 3}, directory_ / "gone");
    ASSERT_TRUE(moved.ok()) << ErrorOf(moved);
    EXPECT_EQ((*moved)->position().step, 1);
  }
  auto resumed = Make("tuned", 1, {.steps = 3, .data = R"(, "seed": 2)"});  // schedule and data may change
  ASSERT_TRUE(resumed.ok()) << ErrorOf(resumed);
  ASSERT_TRUE((*resumed)->Run().ok());
  EXPECT_EQ((*resumed)->position().step, 2);
  ASSERT_TRUE((*resumed)->Export(directory_ / "tuned-model").ok());
  const std::string table = "layers.0.ffn.gate.tid2eid";
  auto before = TensorsOf("model/model-00001-of-00001.safetensors");
  auto after = TensorsOf("tuned-model/model-00001-of-00001.safetensors");
  ASSERT_FALSE(before[table].empty());
  EXPECT_EQ(after[table], before[table]);

  const std::string other = ConfigWith(R"("sliding_window": 32)", R"("sliding_window": 16)");
  const std::string from = ErrorOf(MakeWith(other, "new", 1, directory_ / "model"));
  EXPECT_EQ(from,
            StrCat(directory_ / "model", "/config.json is of another model configuration: its sliding_window is 32, ",
                   "and model.sliding_window is 16 in ", directory_ / "train.json", "; they must agree"));
  const std::string error = ErrorOf(MakeWith(other, "tuned"));
  EXPECT_NE(error.find("tuned/state.safetensors is of another model configuration: its sliding_window is 32"),
            std::string::npos)
      << error;
}

TEST_F(TrainerTest, ExpertsKeepTheirFormat) {
  const std::string fp8 = ConfigWithExperts(R"(, "expert_dtype": "fp8")");
  const std::string silent = ConfigWithExperts("");
  auto base = MakeWith(fp8, "base", 1);
  ASSERT_TRUE(base.ok()) << ErrorOf(base);
  EXPECT_EQ(ExportedExperts(**base, "model"), "fp8 fp8");
  auto tuned = MakeWith(silent, "tuned", 1, directory_ / "model");
  ASSERT_TRUE(tuned.ok()) << ErrorOf(tuned);
  EXPECT_EQ(ExportedExperts(**tuned, "first"), "fp8 fp8");
  auto resumed = MakeWith(silent, "tuned", 1);
  ASSERT_TRUE(resumed.ok()) << ErrorOf(resumed);
  EXPECT_EQ((*resumed)->position().step, 1);
  EXPECT_EQ(ExportedExperts(**resumed, "second"), "fp8 fp8");

  const std::string state = ErrorOf(MakeWith(SmallConfig({}), "tuned"));
  EXPECT_NE(state.find(R"(its expert_dtype is "fp8", and model.expert_dtype is "fp4")"), std::string::npos) << state;
  const std::string from = ErrorOf(MakeWith(SmallConfig({}), "other", 1, directory_ / "model"));
  EXPECT_NE(from.find(R"(model has routed experts in fp8; config key model.expert_dtype is "fp4")"), std::string::npos)
      << from;
  auto random = MakeWith(silent, "random", 1);
  ASSERT_TRUE(random.ok()) << ErrorOf(random);
  EXPECT_EQ(ExportedExperts(**random, "third"), "fp4 fp4");
}

// What the assistant writes is known by itself, not by its weight.
TEST_F(TrainerTest, AnswersAreTheSameTokensWithAnyPromptWeight) {
  const auto evaluate = [&](const std::string& weight) {
    auto trainer = Make("run", 0, {.data = StrCat(R"(, "prompt_weight": )", weight)});
    EXPECT_TRUE(trainer.ok()) << ErrorOf(trainer);
    const Result<StepLoss> loss = (*trainer)->Evaluate();
    EXPECT_TRUE(loss.ok()) << loss.status().message();
    return *loss;
  };
  const StepLoss low = evaluate("0.1");
  const StepLoss full = evaluate("1");
  EXPECT_GT(low.answer_tokens, 0);
  EXPECT_EQ(full.answer_tokens, low.answer_tokens);
  EXPECT_NEAR(full.answer_loss, low.answer_loss, 1e-3);
}

TEST_F(TrainerTest, EachHeldOutDialogueOfTheUserIsEvaluatedOnce) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b c d"}]})"
      "\n";
  WriteTestFile(directory_ / "own.jsonl", line + line);
  auto trainer = Make("run", 1, {.data = R"(, "jsonl": "own.jsonl")"});
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  const Result<StepLoss> loss = (*trainer)->Evaluate();
  ASSERT_TRUE(loss.ok()) << loss.status().message();
  EXPECT_GT(loss->answer_tokens, 1);
  EXPECT_LE(loss->answer_tokens, 6);  // five characters at the most, and the end
}

TEST_F(TrainerTest, OneDialogueIsTrainedOnWithoutAnEvaluation) {
  WriteTestFile(directory_ / "own.jsonl",
                R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
  auto trainer = Make("run", 0, {.steps = 1, .data = R"(, "jsonl": "own.jsonl")"});
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  EXPECT_TRUE((*trainer)->Run().ok());
  const Status status = (*trainer)->Evaluate().status();
  EXPECT_EQ(status.exit_code(), 2);
  EXPECT_NE(status.message().find("own.jsonl"), std::string::npos) << status.message();
}

TEST_F(TrainerTest, ARunDirectoryIsForOneProcess) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  EXPECT_FALSE(DirectoryExists(directory_ / "run")) << "nothing is written before the run";
  {
    const auto lock = RunLock::Take(directory_ / "run");
    ASSERT_TRUE(lock.ok()) << lock.status().message();
    const Status status = (*trainer)->Run();
    EXPECT_EQ(status.exit_code(), 3);
    EXPECT_NE(status.message().find("another process"), std::string::npos) << status.message();
    EXPECT_FALSE(FileExists(directory_ / "run/log.jsonl"));
  }
  EXPECT_TRUE((*trainer)->Run().ok());
}

TEST_F(TrainerTest, TheStateOfARunIsReadByWhomTheRunBelongsTo) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  const auto lock = RunLock::Take(directory_ / "run");
  ASSERT_TRUE(lock.ok()) << lock.status().message();
  const auto locked = Make("run", 1);
  EXPECT_NE(ErrorOf(locked).find("another process is training in"), std::string::npos) << ErrorOf(locked);
  Result<TrainConfig> config = ReadTrainConfig(directory_ / "train.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  TrainerOptions options;
  options.run_directory = directory_ / "run";
  options.only_evaluates = true;
  const auto evaluation = Trainer::Create(std::move(*config), options);
  ASSERT_TRUE(evaluation.ok()) << ErrorOf(evaluation);
  EXPECT_EQ((*evaluation)->position().step, 1);
}

TEST_F(TrainerTest, ARunThatAnotherProcessHasBegunMeanwhileIsLeftAlone) {
  auto late = Make("run", 1);
  auto early = Make("run", 1);
  ASSERT_TRUE(late.ok() && early.ok());
  ASSERT_TRUE((*early)->Run().ok());
  const std::string log = ReadTestFile(directory_ / "run/log.jsonl");
  const Status status = (*late)->Run();
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find("another process has trained in"), std::string::npos) << status.message();
  EXPECT_EQ(ReadTestFile(directory_ / "run/log.jsonl"), log);
}

TEST_F(TrainerTest, ARunWhoseStateCannotBeFoundIsNoNewRun) {
  const std::string state = directory_ / "run/state.safetensors";
  const std::string log = directory_ / "run/log.jsonl";
  auto trainer = Make("run", 2);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Run().ok());
  std::filesystem::rename(state, directory_ / "elsewhere");
  {
    const auto killed = Make("run", 2);  // before the first checkpoint, as it seems
    ASSERT_TRUE(killed.ok()) << ErrorOf(killed);
    EXPECT_EQ((*killed)->position().step, 0);
  }
  std::string lines;
  for (int step = 1; step <= 1001; ++step) lines += StrCat("{\"step\":", step, "}\n");  // one past a checkpoint
  WriteTestFile(log, lines);
  const std::string missing = ErrorOf(Make("run", 2));
  EXPECT_NE(missing.find("run/log.jsonl has 1001 steps, but there is no " + state), std::string::npos) << missing;
  std::filesystem::create_symlink(directory_ / "nowhere", state);
  const std::string dangling = ErrorOf(Make("run", 2));
  EXPECT_NE(dangling.find(state), std::string::npos) << dangling;
  std::filesystem::remove(state);
  std::filesystem::create_directory(state);
  const std::string directory = ErrorOf(Make("run", 2));
  EXPECT_NE(directory.find(state), std::string::npos) << directory;
  EXPECT_EQ(ReadTestFile(log), lines);
  std::filesystem::remove(state);
  std::filesystem::create_symlink(directory_ / "elsewhere", state);  // that leads to it
  const auto found = Make("run", 2);
  ASSERT_TRUE(found.ok()) << ErrorOf(found);
  EXPECT_EQ((*found)->position().step, 2);
}

TEST_F(TrainerTest, NarrowStepsSeeLessAndTheEvaluationDoesNot) {
  const auto first_loss = [&](const std::string& run, const std::string& schedule) {
    auto trainer = Make(run, 1, {.schedule = schedule});
    EXPECT_TRUE(trainer.ok()) << ErrorOf(trainer);
    EXPECT_TRUE((*trainer)->Run().ok());
    return Losses(run)[0];
  };
  const double wide = first_loss("wide", "");
  EXPECT_NE(first_loss("until", R"(, "narrow_window": 2, "narrow_until": 1)"), wide);
  EXPECT_NE(first_loss("share", R"(, "narrow_window": 2, "narrow_share": 1)"), wide);
  EXPECT_EQ(first_loss("neither", R"(, "narrow_window": 2)"), wide);

  auto plain = Make("plain");
  auto narrow = Make("narrow", 0, {.schedule = R"(, "narrow_window": 2, "narrow_share": 1)"});
  ASSERT_TRUE(plain.ok() && narrow.ok());
  EXPECT_EQ((*narrow)->Evaluate()->answer_loss, (*plain)->Evaluate()->answer_loss);
}

TEST_F(TrainerTest, BadInputsAreNamed) {
  WriteTestFile(directory_ / "own.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": 5}]}\n");
  const std::string bad_line = ErrorOf(Make("run", 0, {.data = R"(, "jsonl": "own.jsonl")"}));
  EXPECT_NE(bad_line.find("own.jsonl:1"), std::string::npos) << bad_line;
  const std::string missing = ErrorOf(Make("run", 0, {.data = R"(, "jsonl": "missing.jsonl")"}));
  EXPECT_NE(missing.find("missing.jsonl"), std::string::npos) << missing;
  EXPECT_NE(ErrorOf(Make("run", 0, {}, directory_ / "nothing")).find("nothing"), std::string::npos);
  const std::string vocabulary = ErrorOf(MakeWith(ConfigWith(R"("vocab_size": 640)", R"("vocab_size": 639)"), "run"));
  EXPECT_EQ(vocabulary, StrCat(directory_ / "tokenizer.json", " has 640 tokens; in ", directory_ / "train.json",
                               " config key model.vocab_size is 639, which must not be less"));
  const std::string streams = ErrorOf(MakeWith(ConfigWith(R"("hc_mult": 2)", R"("hc_mult": 9)"), "run"));
  EXPECT_EQ(streams,
            (directory_ / "train.json") + ": config key model.hc_mult is 9; the trainer takes at most 8 streams");
  WriteTestFile(directory_ / "damaged/state.safetensors", "not a state");
  EXPECT_NE(ErrorOf(Make("damaged")).find("damaged/state.safetensors"), std::string::npos);
}

TEST_F(TrainerTest, AModelWhoseTableNamesNoExpertIsNoStart) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  ASSERT_TRUE((*trainer)->Export(directory_ / "model").ok());
  for (const int64_t expert : {int64_t{4}, int64_t{-1}, int64_t{1} << 40}) {
    PutExpert(directory_ / "model", 3, expert);
    const auto result = Make("other", 1, {}, directory_ / "model");
    EXPECT_NE(ErrorOf(result).find(StrCat("model: tensor layers.0.ffn.gate.tid2eid sends token 3 to expert ", expert,
                                          "; the model has experts 0 to 3")),
              std::string::npos)
        << ErrorOf(result);
    EXPECT_EQ(result.status().exit_code(), 2);
  }
  PutExpert(directory_ / "model", 3, 2);
  EXPECT_TRUE(Make("other", 1, {}, directory_ / "model").ok());
}

TEST_F(TrainerTest, AnExportNeverReplacesAnotherDirectory) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  WriteTestFile(directory_ / "mine/notes.txt", "keep");
  const Status status = (*trainer)->Export(directory_ / "mine");
  EXPECT_EQ(status.exit_code(), 2);
  EXPECT_NE(status.message().find("mine"), std::string::npos);
  EXPECT_EQ(ReadTestFile(directory_ / "mine/notes.txt"), "keep");
}

TEST_F(TrainerTest, AnExportLeavesDirectoriesThatLookLikeItsOwn) {
  auto trainer = Make("run", 1);
  ASSERT_TRUE(trainer.ok()) << ErrorOf(trainer);
  WriteTestFile(directory_ / "made/model.partial/notes.txt", "keep");
  WriteTestFile(directory_ / "made/model.replaced/notes.txt", "keep");
  for (int time = 0; time < 2; ++time) {
    const Status status = (*trainer)->Export(directory_ / "made/model");
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(Checkpoint::Open(directory_ / "made/model").ok());
  }
  EXPECT_EQ(ReadTestFile(directory_ / "made/model.partial/notes.txt"), "keep");
  EXPECT_EQ(ReadTestFile(directory_ / "made/model.replaced/notes.txt"), "keep");
  const std::filesystem::directory_iterator made(directory_ / "made");
  EXPECT_EQ(std::distance(begin(made), end(made)), 3);
}

}  // namespace
}  // namespace fathom
