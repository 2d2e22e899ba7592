// fathom-train - the trainer: a program of its own, because it needs libtorch. `./fathom train` builds and runs it.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

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
#include "train/export_directory.h"
#include "train/torch/golden_writer.h"
#include "train/torch/signal_stack.h"
#include "train/torch/torch.h"
#include "train/torch/train_limits.h"
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

// Something else than to train, by the flag that asks for it.
struct Task {
  std::string_view flag;
  std::vector<std::string_view> beside;  // flags that it looks at, too
};

// A flag that would not be looked at is not meant so.
Status CheckTogether(const std::vector<std::string>& given) {
  const auto is_given = [&](std::string_view flag) { return std::ranges::count(given, flag) > 0; };
  const Task tasks[] = {{"--train-tokenizer", {"--vocab", "--dialogues", "--seed"}},
                        {"--golden", {}},
                        {"--evaluate", {"--config", "--run", "--from"}}};
  for (const Task& task : tasks) {
    if (!is_given(task.flag)) continue;
    for (const std::string& flag : given) {
      if (flag == task.flag || std::ranges::count(task.beside, flag) > 0) continue;
      std::string accepted;
      for (const std::string_view other : task.beside) accepted += StrCat(accepted.empty() ? "" : ", ", other);
      return InvalidArgument(StrCat(flag, " does not go with ", task.flag, "; beside that ",
                                    accepted.empty() ? "nothing is accepted" : StrCat("are accepted ", accepted)));
    }
    return {};
  }
  for (const std::string_view flag : tasks[0].beside) {
    if (is_given(flag)) return InvalidArgument(StrCat(flag, " is for ", tasks[0].flag, ", which is not given"));
  }
  return {};
}

// `given`: the names of the flags on the command line.
Status CheckFlags(const Flags& flags, const std::vector<std::string>& given) {
  FATHOM_RETURN_IF_ERROR(CheckTogether(given));
  constexpr int64_t kMostDialogues = 1'000'000'000;
  struct Range {
    const char* flag;
    int64_t value, low, high;
  };
  for (const Range& range :
       {Range{"--steps", flags.steps, 0, kMaxTrainSteps}, Range{"--dialogues", flags.dialogues, 1, kMostDialogues},
        Range{"--vocab", flags.vocab, kMinVocab, kMaxTokens}}) {
    if (range.value >= range.low && range.value <= range.high) continue;
    return InvalidArgument(
        StrCat(range.flag, " is ", range.value, "; accepted are whole numbers from ", range.low, " to ", range.high));
  }
  return {};
}

// Nothing is written or made before the end, so Ctrl-C may end the process as it does by itself.
Status TrainTokenizerTo(const Flags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckWritableDirectory(flags.tokenizer_directory));
  FATHOM_ASSIGN_OR_RETURN(const TrainedTokenizer tokenizer, TrainTokenizer(flags.seed, flags.dialogues, flags.vocab));
  std::error_code error;
  std::filesystem::create_directories(flags.tokenizer_directory, error);
  if (error) return IoError(StrCat("cannot create ", flags.tokenizer_directory, ": ", error.message()));
  FATHOM_RETURN_IF_ERROR(WriteFileAtomically(flags.tokenizer_directory + "/tokenizer.json", tokenizer.tokenizer_json));
  return WriteFileAtomically(flags.tokenizer_directory + "/tokenizer_config.json", tokenizer.tokenizer_config_json);
}

// Records what the trainer computes on a dialogue long enough for the indexer to choose among compressed rows.
Status WriteGoldenFor(const std::string& directory) {
  InstallInterruptHandler();
  constexpr int64_t kChoices = 8;     // rows more than the indexer takes
  constexpr int64_t kMostRows = 520;  // the corpus has such texts, and V4 takes 512
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(directory));
  const std::string config_path = directory + "/config.json";
  FATHOM_RETURN_IF_ERROR(CheckTrainable(checkpoint->config(), StrCat(config_path, ": config key ")));
  const int64_t rows = std::min(checkpoint->config().index_topk + kChoices, kMostRows);
  const int64_t tokens = 4 * rows + kGoldenDecode;
  FATHOM_RETURN_IF_ERROR(CheckMemory(checkpoint->config(), config_path, tokens, GetCpuFeatures().ram_bytes));
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
      return WriteGolden(*checkpoint, sequence.tokens);
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
    if (!trainer->has_state()) {
      WriteStderr(StrCat(flags.run, " has no state.safetensors: what is evaluated is ",
                         flags.from.empty() ? "a model of random numbers" : StrCat("the model in ", flags.from), "\n"));
    }
    FATHOM_ASSIGN_OR_RETURN(const StepLoss loss, trainer->Evaluate());
    std::printf("held out: loss %.6f, accuracy %.4f over %lld tokens\n", loss.answer_loss, loss.answer_accuracy,
                static_cast<long long>(loss.answer_tokens));
    return {};
  }
  FATHOM_RETURN_IF_ERROR(trainer->Run());
  if (flags.export_directory.empty()) return {};
  return trainer->Export(flags.export_directory);
}

Status Dispatch(const Flags& flags, const std::vector<std::string>& given) {
  FATHOM_RETURN_IF_ERROR(CheckFlags(flags, given));
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
  std::vector<std::string> given;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) given.push_back(option->get_name());
  }
  InstallMappingFaultHandler(MappedFileNameAt);
  IgnoreFileSizeSignal();
  KeepFreedMemory();
  // Left alone, libtorch takes half of the processors on machines whose topology it does not know.
  torch::set_num_threads(GetCpuFeatures().cores);
  TakeSignalsAside();
  Status status;
  try {  // libtorch and oneDNN report by exceptions
    status = Dispatch(flags, given);
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("out of memory");
  } catch (const std::exception& error) {
    status = Status(ErrorCode::kResource, StrCat("libtorch: ", error.what()));
  }
  if (!status.ok()) WriteStderr(StrCat("fathom train: ", status.message(), "\n"));
  return status.exit_code();
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  fathom::KeepStandardStreams();
  try {
    return fathom::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fathom train: %s\n", error.what());
    return 3;
  }
}
