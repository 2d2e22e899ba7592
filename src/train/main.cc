// fathom-train - the trainer: a program of its own, because it needs libtorch. `./fathom train` builds and runs it.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/cpu_features.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "checkpoint/checkpoint.h"
#include "corpus/corpus.h"
#include "corpus/tokenizer_training.h"
#include "corpus/training_sequence.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_json_writer.h"
#include "train/torch/golden_writer.h"
#include "train/torch/torch.h"
#include "train/torch/trainer.h"
#include "train/train_config.h"

namespace fathom {
namespace {

struct Flags {
  std::string config;
  std::string run;
  std::string from;
  std::string export_directory;
  std::string tokenizer_directory;
  std::string golden;
  int64_t steps = 0;
  int64_t vocab = 4096;
  int64_t dialogues = 60000;
  uint64_t seed = 1;
  bool evaluate = false;
};

// A step's tensors are large and alike: memory that was given back would be fetched from the kernel again, page by
// page, every time.
void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 256 << 20);
}

Status CheckFlags(const Flags& flags) {
  constexpr int64_t kMost = 1'000'000'000;
  struct Range {
    const char* flag;
    int64_t value, low, high;
  };
  for (const Range& range : {Range{"--steps", flags.steps, 0, kMost}, Range{"--dialogues", flags.dialogues, 1, kMost},
                             Range{"--vocab", flags.vocab, kMinVocab, kMaxTokens}}) {
    if (range.value >= range.low && range.value <= range.high) continue;
    return InvalidArgument(
        StrCat(range.flag, " is ", range.value, "; accepted are whole numbers from ", range.low, " to ", range.high));
  }
  return {};
}

// Nothing is written before the end, so Ctrl-C may end the process as it does by itself.
Status TrainTokenizerTo(const Flags& flags) {
  std::error_code error;
  std::filesystem::create_directories(flags.tokenizer_directory, error);
  if (error) return IoError(StrCat("cannot create ", flags.tokenizer_directory, ": ", error.message()));
  FATHOM_ASSIGN_OR_RETURN(const TrainedTokenizer tokenizer, TrainTokenizer(flags.seed, flags.dialogues, flags.vocab));
  FATHOM_RETURN_IF_ERROR(WriteFileAtomically(flags.tokenizer_directory + "/tokenizer.json", tokenizer.tokenizer_json));
  return WriteFileAtomically(flags.tokenizer_directory + "/tokenizer_config.json", tokenizer.tokenizer_config_json);
}

// Records what the trainer computes on a dialogue long enough for the indexer to choose among compressed rows.
Status WriteGoldenFor(const std::string& directory) {
  InstallInterruptHandler();
  constexpr int64_t kChoices = 8;     // rows more than the indexer takes
  constexpr int64_t kMostRows = 520;  // the corpus has such texts, and V4 takes 512
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(directory));
  const int64_t rows = std::min(checkpoint->config().index_topk + kChoices, kMostRows);
  const int64_t tokens = 4 * rows + kGoldenDecode;
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Load(directory + "/tokenizer.json"));
  if (tokenizer->vocab_size() > checkpoint->config().vocab_size) {
    return DataLoss(StrCat(directory, "/tokenizer.json has token ids up to ", tokenizer->vocab_size() - 1,
                           ", but config.json's vocab_size is ", checkpoint->config().vocab_size));
  }
  for (const Subject& subject : Subjects()) {
    if (subject.name != "lookup.long") continue;
    Progress progress(StrCat("looking for a dialogue of ", tokens, " tokens"), 0, Progress::Unit::kItems);
    for (uint64_t index = 0;; ++index) {
      if (InterruptRequested()) return Cancelled("stopped");
      progress.Update(index);
      const Dialogue dialogue = WriteDialogue(subject, Split::kHeldOut, 1, index);
      FATHOM_ASSIGN_OR_RETURN(TrainingSequence sequence, MakeTrainingSequence(dialogue, *tokenizer, 0));
      if (static_cast<int64_t>(sequence.tokens.size()) < tokens) continue;
      sequence.tokens.erase(sequence.tokens.begin(), sequence.tokens.end() - tokens);
      return WriteGolden(directory, sequence.tokens);
    }
  }
  return InvalidArgument("the corpus has no subject lookup.long");
}

Status Train(const Flags& flags) {
  InstallInterruptHandler();
  if (flags.config.empty()) return InvalidArgument("--config names the training configuration; it is missing");
  if (flags.run.empty()) return InvalidArgument("--run names the directory of checkpoints and logs; it is missing");
  FATHOM_ASSIGN_OR_RETURN(TrainConfig config, ReadTrainConfig(flags.config));
  TrainerOptions options;
  options.run_directory = flags.run;
  options.from = flags.from;
  options.export_directory = flags.evaluate ? "" : flags.export_directory;
  options.stop_after_steps = flags.steps;
  options.only_evaluates = flags.evaluate;
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer, Trainer::Create(std::move(config), options));
  if (flags.evaluate) {
    FATHOM_ASSIGN_OR_RETURN(const StepLoss loss, trainer->Evaluate());
    std::printf("held out: loss %.6f, accuracy %.4f over %lld tokens\n", loss.answer_loss, loss.answer_accuracy,
                static_cast<long long>(loss.answer_tokens));
    return {};
  }
  FATHOM_RETURN_IF_ERROR(trainer->Run());
  if (flags.export_directory.empty()) return {};
  return trainer->Export(flags.export_directory);
}

Status Dispatch(const Flags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckFlags(flags));
  if (!flags.tokenizer_directory.empty()) return TrainTokenizerTo(flags);
  if (!flags.golden.empty()) return WriteGoldenFor(flags.golden);
  return Train(flags);
}

int Main(int argc, char** argv) {
  CLI::App app("Trains a DeepSeek-V4 model: from nothing on generated text, or from a model directory on your own");
  Flags flags;
  app.add_option("--config", flags.config, "Training configuration (JSON, see docs/formats.md)");
  app.add_option("--run", flags.run, "Directory of checkpoints and logs; a run that is there goes on");
  app.add_option("--from", flags.from, "Model directory to start from instead of random numbers");
  app.add_option("--export", flags.export_directory, "Write the model here at the end, in the release layout");
  app.add_option("--steps", flags.steps, "Stop after this many steps (0: those of the configuration)");
  app.add_option("--golden", flags.golden,
                 "Only record, in this model directory, what the trainer computes with it: for `fathom verify golden`");
  app.add_flag("--evaluate", flags.evaluate, "Only print loss and accuracy over held-out dialogues");
  app.add_option("--train-tokenizer", flags.tokenizer_directory,
                 "Only learn a vocabulary from the generated corpus and write tokenizer.json into this directory");
  app.add_option("--vocab", flags.vocab, "Size of that vocabulary")->capture_default_str();
  app.add_option("--dialogues", flags.dialogues, "Dialogues to learn it from")->capture_default_str();
  app.add_option("--seed", flags.seed, "Seed of those dialogues")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  IgnoreFileSizeSignal();
  KeepFreedMemory();
  // Left alone, libtorch takes half of the processors on machines whose topology it does not know.
  torch::set_num_threads(GetCpuFeatures().cores);
  Status status;
  try {  // libtorch and oneDNN report by exceptions
    status = Dispatch(flags);
  } catch (const std::exception& error) {
    status = Status(ErrorCode::kResource, StrCat("libtorch: ", error.what()));
  }
  if (!status.ok()) WriteStderr(StrCat("fathom train: ", status.message(), "\n"));
  return status.exit_code();
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  try {
    return fathom::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fathom train: %s\n", error.what());
    return 3;
  }
}
