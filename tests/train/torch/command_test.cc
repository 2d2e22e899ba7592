// The trainer as a user runs it: killed in the middle, out of disk, with absurd settings.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "tests/train/torch/train_fixture.h"
#include "train/torch/parameters.h"
#include "train/train_config.h"

namespace fathom {
namespace {

class TrainCommand : public TrainFixture {
 protected:
  // Runs a shell script with $T the program, in the test's directory, on two threads.
  RunResult Shell(const std::string& script) {
    RunOptions options;
    options.environment = {{"T", FATHOM_TRAIN_BINARY}, {"OMP_NUM_THREADS", "2"}};
    options.directory = directory_.path();
    options.timeout_seconds = 600;
    return RunProgram({"bash", "-c", script}, options);
  }
};

TEST_F(TrainCommand, AKilledRunGoesOnFromItsCheckpointAndEndsWithTheSameBits) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 12, .checkpoint_every = 2}));
  const RunResult whole = Shell("$T --config train.json --run whole --export whole-model");
  ASSERT_EQ(whole.exit_code, 0) << whole;
  const RunResult killed = Shell(
      "$T --config train.json --run killed & pid=$!\n"
      "for i in $(seq 3000); do [ -e killed/state.safetensors ] && break; sleep 0.05; done\n"
      "kill -9 $pid; wait $pid; exit 0");
  ASSERT_EQ(killed.exit_code, 0) << killed;
  ASSERT_TRUE(FileExists(directory_ / "killed/state.safetensors"));
  EXPECT_LT(Losses("killed").size(), Losses("whole").size()) << "it had ended before it was killed";
  const RunResult resumed = Shell("$T --config train.json --run killed --export killed-model");
  ASSERT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(Losses("killed"), Losses("whole"));
  const std::string shard = "/model-00001-of-00001.safetensors";
  EXPECT_EQ(ReadTestFile((directory_ / "killed-model") + shard), ReadTestFile((directory_ / "whole-model") + shard));
  const RunResult answer =
      RunFathom({"run", "--model", directory_ / "killed-model", "--json", "-p", "Hello", "--temperature", "0",
                 "--max-tokens", "4", "--logit-bias", "1=-inf"});  // 1 ends an answer
  EXPECT_EQ(answer.exit_code, 0) << answer;
  EXPECT_NE(answer.out.find("\"completion_tokens\":4"), std::string::npos) << answer;
}

// Writing past the limit fails as on a full disk.
TEST_F(TrainCommand, AFullDiskIsAClearErrorAndLeavesNoHalfWrittenModel) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  ASSERT_EQ(Shell("$T --config train.json --run run").exit_code, 0);
  const RunResult full = Shell("ulimit -f 64; $T --config train.json --run run --export model");
  EXPECT_EQ(full.exit_code, 3) << full;
  EXPECT_NE(full.err.find("model"), std::string::npos) << full;
  EXPECT_NE(Shell("ls -d model*").exit_code, 0) << "neither a model nor a part of one";
  const RunResult checkpoint = Shell("ulimit -f 64; $T --config train.json --run other");
  EXPECT_EQ(checkpoint.exit_code, 3) << checkpoint;
  EXPECT_NE(checkpoint.err.find("state.safetensors"), std::string::npos) << checkpoint;
  EXPECT_FALSE(FileExists(directory_ / "other/state.safetensors"));
}

TEST_F(TrainCommand, AbsurdSettingsAndMissingFlagsAreRefused) {
  std::string config = SmallConfig({});
  config.replace(config.find("\"hidden_size\": 128"), 18, "\"hidden_size\": 130");
  WriteTestFile(directory_ / "width.json", config);
  const RunResult width = Shell("$T --config width.json --run run");
  EXPECT_EQ(width.exit_code, 2) << width;
  EXPECT_NE(width.err.find("hidden_size"), std::string::npos) << width;
  WriteTestFile(directory_ / "steps.json", SmallConfig({.steps = -5}));
  const RunResult steps = Shell("$T --config steps.json --run run");
  EXPECT_EQ(steps.exit_code, 2) << steps;
  EXPECT_NE(steps.err.find("steps"), std::string::npos) << steps;
  EXPECT_EQ(Shell("$T --run run").exit_code, 2);
  EXPECT_FALSE(FileExists(directory_ / "run"));
}

TEST_F(TrainCommand, NumbersOfFlagsHaveBounds) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--config train.json --run run --steps -5", "--steps is -5; accepted are whole numbers from 0 to 1000000000"},
      {"--train-tokenizer new --dialogues 0", "--dialogues is 0; accepted are whole numbers from 1 to 1000000000"},
      {"--train-tokenizer new --dialogues -1", "--dialogues is -1"},
      {"--train-tokenizer new --vocab 3", "--vocab is 3; accepted are whole numbers from 306 to 1048576"},
  };
  for (const auto& [flags, message] : cases) {
    const RunResult result = Shell("$T " + flags);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find("fathom train: " + message), std::string::npos) << result;
  }
  EXPECT_FALSE(DirectoryExists(directory_ / "run"));
  EXPECT_FALSE(DirectoryExists(directory_ / "new"));
}

TEST_F(TrainCommand, FlagsThatWouldNotBeLookedAtAreRefused) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--config train.json --run run --evaluate --export new",
       "--export does not go with --evaluate; beside that are accepted --config, --run, --from"},
      {"--golden new --config train.json", "--config does not go with --golden; beside that nothing is accepted"},
      {"--config train.json --run run --vocab 640", "--vocab is for --train-tokenizer, which is not given"},
      {"--train-tokenizer new --run run",
       "--run does not go with --train-tokenizer; beside that are accepted --vocab, --dialogues, --seed"},
  };
  for (const auto& [flags, message] : cases) {
    const RunResult result = Shell("$T " + flags);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find("fathom train: " + message + "\n"), std::string::npos) << result;
  }
  EXPECT_FALSE(DirectoryExists(directory_ / "run"));
  EXPECT_FALSE(DirectoryExists(directory_ / "new"));
}

// Otherwise the next file that is opened would get what is printed.
TEST_F(TrainCommand, TheNumberOfAClosedStreamIsTaken) {
  RunOptions options;
  options.output = "-";
  const RunResult result =
      RunProgram({FATHOM_TRAIN_BINARY, "--config", "/proc/self/fd/1", "--run", directory_ / "run"}, options);
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.err.find("/proc/self/fd/1: is not a regular file"), std::string::npos) << result;
}

TEST_F(TrainCommand, WhereTheModelGoesIsLookedAtBeforeTheFirstStep) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  WriteTestFile(directory_ / "mine/notes.txt", "keep");
  const RunResult taken = Shell("$T --config train.json --run run --export mine/");
  EXPECT_EQ(taken.exit_code, 2) << taken;
  EXPECT_NE(taken.err.find("mine holds notes.txt"), std::string::npos) << taken;
  EXPECT_FALSE(DirectoryExists(directory_ / "run"));
  const RunResult inside = Shell("$T --config train.json --run out/run --export out");
  EXPECT_EQ(inside.exit_code, 2) << inside;
  EXPECT_NE(inside.err.find("out holds run"), std::string::npos) << inside;
  EXPECT_FALSE(FileExists(directory_ / "out/run/state.safetensors"));
  const RunResult slash = Shell("$T --config train.json --run run --export model/");
  EXPECT_EQ(slash.exit_code, 0) << slash;
  EXPECT_TRUE(FileExists(directory_ / "model/config.json"));
  const RunResult again = Shell("$T --config train.json --run run --from model --export model");
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_NE(again.err.find("nothing is left to train, and --from is not used"), std::string::npos) << again;
}

TEST_F(TrainCommand, AModelThatDoesNotFitItselfGivesNoRecord) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  ASSERT_EQ(Shell("$T --config train.json --run run --export model").exit_code, 0);
  PutExpert(directory_ / "model", 0, int64_t{1} << 40);
  const RunResult table = Shell("$T --golden model");
  EXPECT_EQ(table.exit_code, 2) << table;
  EXPECT_NE(table.err.find("layers.0.ffn.gate.tid2eid"), std::string::npos) << table;
  std::string tokenizer = ReadTestFile(directory_ / "model/tokenizer.json");
  const size_t list = tokenizer.find('[', tokenizer.find("\"added_tokens\""));
  tokenizer.insert(list + 1, R"({"id": 700, "content": "<one too many>"}, )");
  WriteTestFile(directory_ / "model/tokenizer.json", tokenizer);
  const RunResult larger = Shell("$T --golden model");
  EXPECT_EQ(larger.exit_code, 2) << larger;
  EXPECT_NE(larger.err.find("model/tokenizer.json has token ids up to 700, but config.json's vocab_size is 640"),
            std::string::npos)
      << larger;
  EXPECT_FALSE(FileExists(directory_ / "model/golden.json"));
}

TEST_F(TrainCommand, ARecordIsOfAModelThatTheTrainerTakes) {
  std::string text = SmallConfig({});
  const std::string two = R"("hc_mult": 2)";
  WriteTestFile(directory_ / "train.json", text.replace(text.find(two), two.size(), R"("hc_mult": 9)"));
  const Result<TrainConfig> config = ReadTrainConfig(directory_ / "train.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const Result<Parameters> parameters = Parameters::Random(config->model, 1);
  ASSERT_TRUE(parameters.ok()) << parameters.status().message();
  ASSERT_TRUE(parameters->Export(directory_ / "model", config->model, config->model_json, {}).ok());
  const RunResult golden = Shell("$T --golden model");
  EXPECT_EQ(golden.exit_code, 2) << golden;
  EXPECT_NE(golden.err.find("fathom train: model/config.json: config key hc_mult is 9; the trainer takes at most 8 "),
            std::string::npos)
      << golden;
}

TEST_F(TrainCommand, AnEvaluationWritesNothing) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 1}));
  const RunResult result = Shell("$T --config train.json --run run --evaluate");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out.substr(0, 9), "held out:") << result;
  EXPECT_NE(result.err.find("run has no state.safetensors: what is evaluated is a model of random numbers\n"),
            std::string::npos)
      << result;
  EXPECT_FALSE(DirectoryExists(directory_ / "run"));
}

TEST_F(TrainCommand, TheVocabularysDirectoryIsLookedAtBeforeTheWorkAndMadeAfterIt) {
  const RunResult refused = Shell("$T --train-tokenizer tokenizer.json/below --vocab 640");
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_NE(refused.err.find("cannot create tokenizer.json/below: tokenizer.json is no directory"), std::string::npos)
      << refused;
  const RunResult few = Shell("$T --train-tokenizer new --vocab 100000 --dialogues 10");
  EXPECT_EQ(few.exit_code, 2) << few;
  EXPECT_FALSE(DirectoryExists(directory_ / "new"));
  const RunResult made = Shell("$T --train-tokenizer new/vocabulary --vocab 640 --dialogues 1000");
  EXPECT_EQ(made.exit_code, 0) << made;
  EXPECT_TRUE(FileExists(directory_ / "new/vocabulary/tokenizer.json"));
}

TEST_F(TrainCommand, CtrlCEndsTheTrainingOfATokenizerAtOnce) {
  RunOptions options;
  options.interrupt_after = "counting pieces of dialogues";
  const RunResult result =
      RunProgram({FATHOM_TRAIN_BINARY, "--train-tokenizer", directory_ / "new", "--dialogues", "1000000000"}, options);
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_FALSE(DirectoryExists(directory_ / "new"));
}

TEST_F(TrainCommand, CtrlCEndsTheSearchForADialogueThatFits) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.data = R"(, "max_sequence_tokens": 2)"}));
  RunOptions options;
  options.interrupt_after = "looking for a dialogue that has between 2 and 2 tokens";
  const RunResult result =
      RunProgram({FATHOM_TRAIN_BINARY, "--config", directory_ / "train.json", "--run", directory_ / "run"}, options);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_NE(result.err.find("stopped after step 0"), std::string::npos) << result;
}

TEST_F(TrainCommand, CtrlCWritesACheckpointOfTheLastWholeStep) {
  WriteTestFile(directory_ / "train.json", SmallConfig({.steps = 100000}));
  RunOptions options;
  options.interrupt_after = "step 1 of";
  const RunResult result =
      RunProgram({FATHOM_TRAIN_BINARY, "--config", directory_ / "train.json", "--run", directory_ / "run"}, options);
  EXPECT_EQ(result.exit_code, 130) << result;
  const size_t steps = Losses("run").size();
  EXPECT_GE(steps, 1u);
  EXPECT_NE(result.err.find(StrCat("fathom train: stopped after step ", steps, "\n")), std::string::npos) << result;
  const auto state = SafetensorsFile::Open(directory_ / "run/state.safetensors");
  ASSERT_TRUE(state.ok()) << state.status().message();
  std::string step;
  for (const auto& [key, text] : state->metadata()) {
    if (key == "step") step = text;
  }
  EXPECT_EQ(step, StrCat(steps));
}

}  // namespace
}  // namespace fathom
