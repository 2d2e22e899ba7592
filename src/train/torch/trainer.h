// trainer.h - a training run: steps, evaluation, checkpoints, export.
#ifndef FATHOM_TRAIN_TORCH_TRAINER_H_
#define FATHOM_TRAIN_TORCH_TRAINER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer.h"
#include "train/loss_log.h"
#include "train/run_lock.h"
#include "train/torch/batch_feed.h"
#include "train/torch/optimizer.h"
#include "train/torch/parameters.h"
#include "train/torch/train_model.h"
#include "train/torch/train_state.h"
#include "train/train_config.h"

namespace fathom {

struct TrainerOptions {
  std::string run_directory;     // state.safetensors, log.jsonl, loss.svg and lock; Run() makes it if it is missing
  std::string from;              // a model directory to start from, not read for a whole state; empty: random numbers
  std::string export_directory;  // where Export() will write: checked before the first step; empty: not known
  int64_t stop_after_steps = 0;  // of this call; 0: all
  bool only_evaluates = false;   // Run() will not be called: the run directory may be another process's
};

class Trainer {
 public:
  // Reads the tokenizer and the dialogues, and goes on with the run directory's state if there is one; a log without a
  // state is an error. From then on the directory, if it is there, belongs to this process until Run() ends. Writes
  // nothing else.
  static Result<std::unique_ptr<Trainer>> Create(TrainConfig config, TrainerOptions options);

  // Trains to the config's last step, writing a checkpoint every so often and at the end. If the run has all its steps,
  // a line on stderr says so, and the last one is evaluated if its record lacks that. kCancelled after Ctrl-C, with a
  // checkpoint of the last whole step. kResource if another process trains in the run directory, or has since Create().
  Status Run();

  // The release layout, with the tokenizer's files.
  Status Export(const std::string& directory) const;

  const TrainPosition& position() const { return position_; }
  // Whether the run directory had a state at Create().
  bool has_state() const { return has_state_; }
  // Loss and accuracy over held-out dialogues, quantised as the exported model is. Writes nothing but progress on
  // stderr; an error if there are none, kCancelled after Ctrl-C.
  Result<StepLoss> Evaluate();

 private:
  Trainer(TrainConfig config, TrainerOptions options);
  Status ReadInputs();
  Status ReadTokenizer();
  Status FindState();
  // Those to start from; without values if the state has them.
  Status ReadParameters();
  Status ReadModelToStartFrom();
  Status RunSteps();
  // Evaluates the last step of a run that has them all, unless its record has that already.
  Status EvaluateEnd();
  Result<StepLoss> TrainStep(FedBatch& fed);
  void BalanceExperts(const StepLoss& loss);
  // Share of the full learning rates at a step: warm-up, a plateau, a straight descent.
  double RateAt(int64_t step) const;
  // Evaluation, log and checkpoint after a step, as far as they are due.
  Status Record(const StepLoss& loss, double tokens_per_second, bool ends, bool evaluates);
  Status Report(const StepLoss& loss, double tokens_per_second, const StepLoss* held_out);
  void PrintHeldOut(const StepLoss& held_out) const;
  Status Save() const;  // state and curve
  Status SaveState() const;
  Status SaveCurve() const;
  Status Stopped() const;  // what Ctrl-C returns

  const TrainConfig config_;
  const TrainerOptions options_;
  std::unique_ptr<RunLock> lock_;  // until Run() ends; null if there was no run directory to lock
  std::vector<std::pair<std::string, std::string>> tokenizer_files_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<DialogueSource> source_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<TrainModel> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<LossLog> log_;
  TrainPosition position_;
  bool has_state_ = false;
  double last_norm_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TRAINER_H_
