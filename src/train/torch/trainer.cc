#include "train/torch/trainer.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/cpu_features.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "checkpoint/checkpoint.h"
#include "train/export_directory.h"
#include "train/loss_curve.h"
#include "train/torch/gemm.h"
#include "train/torch/train_limits.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string StatePath(const TrainerOptions& options) { return options.run_directory + "/state.safetensors"; }

std::string LogPath(const TrainerOptions& options) { return options.run_directory + "/log.jsonl"; }

// Whether the run directory has a state: whatever is at its place counts, so that what cannot be read is an error and
// not a new run. The log of a new run has no more steps than are done before the first checkpoint.
Result<bool> HasState(const TrainerOptions& options, int64_t checkpoint_every) {
  const std::string path = StatePath(options);
  struct stat info = {};
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno != ENOENT) return IoError(StrCat(path, ": cannot be looked at: ", std::strerror(errno)));
  FATHOM_ASSIGN_OR_RETURN(const int64_t steps, LossLog::CountLines(LogPath(options)));
  if (steps <= checkpoint_every) return false;
  return NotFound(StrCat(LogPath(options), " has ", steps, steps == 1 ? " step" : " steps", ", but there is no ", path,
                         "; bring it back, or remove the log to begin anew"));
}

// The generation settings of a release.
constexpr const char* kGenerationConfig =
    "{\n  \"bos_token_id\": 0,\n  \"eos_token_id\": 1,\n  \"do_sample\": true,\n  \"temperature\": 1.0,\n"
    "  \"top_p\": 1.0\n}\n";

// What the routed experts of a model are stored in, by their tensors: its config.json need not say it.
Result<std::string> ExpertDtypeOf(const Checkpoint& checkpoint) {
  int fp8 = 0;
  int fp4 = 0;
  const auto count = [&](const LayerWeights& layer) {
    ++(layer.experts.front().w1.type == WeightType::kFp8 ? fp8 : fp4);
  };
  for (const LayerWeights& layer : checkpoint.weights().layers) count(layer);
  for (const MtpWeights& block : checkpoint.weights().mtp) count(block.layer);
  if (fp8 > 0 && fp4 > 0) {
    return InvalidArgument(StrCat(checkpoint.directory(), " has routed experts in FP4 in ", fp4,
                                  " layers and in FP8 in ", fp8, "; the trainer takes models with one format"));
  }
  return std::string(fp8 > 0 ? "fp8" : "fp4");
}

// What an evaluation adds to a record beside the loss.
NamedNumbers HeldOutNumbers(const StepLoss& held_out) {
  return {{"held_out_accuracy", held_out.answer_accuracy}, {"held_out_mtp_accuracy", held_out.mtp_accuracy}};
}

}  // namespace

Trainer::Trainer(TrainConfig config, TrainerOptions options)
    : config_(std::move(config)), options_(std::move(options)) {}

Result<std::unique_ptr<Trainer>> Trainer::Create(TrainConfig config, TrainerOptions options) {
  std::unique_ptr<Trainer> trainer(new Trainer(std::move(config), std::move(options)));
  FATHOM_RETURN_IF_ERROR(trainer->ReadInputs());
  return trainer;
}

Status Trainer::ReadInputs() {
  if (!options_.export_directory.empty()) {
    FATHOM_RETURN_IF_ERROR(ExportTarget(options_.export_directory).status());
  }
  FATHOM_RETURN_IF_ERROR(CheckTrainable(config_.model, StrCat(config_.path, ": config key model.")));
  FATHOM_RETURN_IF_ERROR(CheckMemory(config_, GetCpuFeatures().ram_bytes));
  FATHOM_RETURN_IF_ERROR(FindState());
  FATHOM_RETURN_IF_ERROR(ReadTokenizer());
  FATHOM_ASSIGN_OR_RETURN(source_, DialogueSource::Open(config_, *tokenizer_));
  FATHOM_RETURN_IF_ERROR(ReadParameters());
  model_ = std::make_unique<TrainModel>(config_.model, *parameters_);
  optimizer_ = std::make_unique<Optimizer>(config_, *parameters_);
  position_.half = Arithmetic().half;
  if (!has_state_) return {};
  const CheckpointConfig config = {.model = config_.model, .expert_dtype = config_.expert_dtype};
  FATHOM_ASSIGN_OR_RETURN(position_, LoadTrainState(StatePath(options_), config, *parameters_, *optimizer_));
  // As the run began, though it may be slower where it goes on: its bits stay the same.
  Arithmetic().half = position_.half && HasBf16Products();
  return {};
}

Status Trainer::FindState() {
  if (!options_.only_evaluates && DirectoryExists(options_.run_directory)) {
    FATHOM_ASSIGN_OR_RETURN(lock_, RunLock::Take(options_.run_directory));
  }
  FATHOM_ASSIGN_OR_RETURN(has_state_, HasState(options_, config_.checkpoint_every));
  return {};
}

Status Trainer::ReadTokenizer() {
  FATHOM_ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Load(config_.tokenizer));
  if (tokenizer_->vocab_size() > config_.model.vocab_size) {
    return InvalidArgument(StrCat(config_.tokenizer, " has ", tokenizer_->vocab_size(), " tokens; in ", config_.path,
                                  " config key model.vocab_size is ", config_.model.vocab_size,
                                  ", which must not be less"));
  }
  const std::filesystem::path folder = std::filesystem::path(config_.tokenizer).parent_path();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    const std::string path = std::string_view(name) == "tokenizer.json" ? config_.tokenizer : (folder / name).string();
    if (!FileExists(path)) continue;
    constexpr uint64_t kMaxBytes = 64u << 20;
    FATHOM_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxBytes));
    tokenizer_files_.emplace_back(name, std::move(text));
  }
  if (const std::string path = (folder / "generation_config.json").string(); FileExists(path)) {
    FATHOM_ASSIGN_OR_RETURN(std::string text, ReadFile(path, 1 << 20));
    tokenizer_files_.emplace_back("generation_config.json", std::move(text));
  } else {
    tokenizer_files_.emplace_back("generation_config.json", kGenerationConfig);
  }
  return {};
}

Status Trainer::ReadParameters() {
  if (has_state_) {
    FATHOM_ASSIGN_OR_RETURN(const bool is_whole, IsWholeState(StatePath(options_)));
    if (is_whole) {
      parameters_ = std::make_unique<Parameters>(Parameters::Unset(config_.model));
      return {};
    }
  }
  if (!options_.from.empty()) return ReadModelToStartFrom();
  FATHOM_ASSIGN_OR_RETURN(Parameters random, Parameters::Random(config_.model, config_.seed));
  parameters_ = std::make_unique<Parameters>(std::move(random));
  if (!config_.expert_dtype.empty()) parameters_->SetExpertDtype(config_.expert_dtype);
  return {};
}

Status Trainer::ReadModelToStartFrom() {
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(options_.from));
  // The experts' format is what the tensors say.
  if (const std::optional<std::string> difference =
          ModelDifference(checkpoint->checkpoint_config(), {.model = config_.model, .expert_dtype = ""});
      difference) {
    return InvalidArgument(StrCat(options_.from, "/config.json is of another model configuration: ", *difference,
                                  " in ", config_.path, "; they must agree"));
  }
  FATHOM_ASSIGN_OR_RETURN(const std::string expert_dtype, ExpertDtypeOf(*checkpoint));
  if (!config_.expert_dtype.empty() && config_.expert_dtype != expert_dtype) {
    return InvalidArgument(StrCat(options_.from, " has routed experts in ", expert_dtype,
                                  "; config key model.expert_dtype is \"", config_.expert_dtype,
                                  "\"; they must agree"));
  }
  FATHOM_ASSIGN_OR_RETURN(Parameters parameters, Parameters::FromCheckpoint(*checkpoint));
  parameters_ = std::make_unique<Parameters>(std::move(parameters));
  return {};
}

double Trainer::RateAt(int64_t step) const {
  const auto at = static_cast<double>(step);
  if (step < config_.warmup_steps) return (at + 1) / static_cast<double>(config_.warmup_steps);
  const double total = static_cast<double>(config_.steps);
  const double decay_begin = total * (1 - config_.decay_share);
  if (at < decay_begin) return 1;
  const double share = (at - decay_begin) / std::max(1.0, total - decay_begin);
  return 1 - (1 - config_.final_rate) * std::min(1.0, share);
}

// V3's balancing without a loss: an expert that got more tokens than the mean becomes less likely, and conversely.
void Trainer::BalanceExperts(const StepLoss& loss) {
  const torch::NoGradGuard no_grad;
  for (size_t layer = 0; layer < loss.expert_load.size(); ++layer) {
    const std::vector<int64_t>& load = loss.expert_load[layer];
    if (load.empty()) continue;
    double mean = 0;
    for (const int64_t tokens : load) mean += static_cast<double>(tokens);
    mean /= static_cast<double>(load.size());
    const auto layers = static_cast<size_t>(config_.model.layers);
    const std::string prefix = layer < layers ? StrCat("layers.", layer) : StrCat("mtp.", layer - layers);
    float* bias = Floats(parameters_->Find(prefix + ".ffn.gate.bias").value);
    for (size_t e = 0; e < load.size(); ++e) {
      const double difference = mean - static_cast<double>(load[e]);
      bias[e] += static_cast<float>(difference > 0 ? config_.bias_rate : difference < 0 ? -config_.bias_rate : 0);
    }
  }
}

Result<StepLoss> Trainer::TrainStep(FedBatch& fed) {
  const int64_t step = position_.step;
  Arithmetic().quantize_weights = step >= config_.quantize_from;
  Arithmetic().quantize_activations = step >= config_.quantize_from;
  const LossWeights weights = {.mtp = step >= config_.mtp_from ? config_.mtp_weight : 0,
                               .balance = config_.balance_weight,
                               .indexer = config_.indexer_weight};
  model_->SetWindow(WindowAt(config_, step));
  StepLoss loss = model_->Loss(fed.batch, weights);
  const auto total = loss.total.item<double>();
  if (!std::isfinite(total)) {
    return Status(ErrorCode::kDataLoss, StrCat("the loss of step ", step + 1,
                                               " is not a number; lower optimizer.muon_rate and optimizer.adam_rate"));
  }
  loss.total.backward();
  FATHOM_ASSIGN_OR_RETURN(last_norm_, optimizer_->Step(RateAt(step)));
  parameters_->StartPass();
  BalanceExperts(loss);
  loss.total = Tensor();
  loss.pass.reset();
  return loss;
}

Result<StepLoss> Trainer::Evaluate() {
  if (!source_->has_held_out()) {
    return InvalidArgument(StrCat(config_.jsonl, ": its one dialogue is trained on; for an evaluation it needs two"));
  }
  const torch::NoGradGuard no_grad;
  Arithmetic().quantize_weights = true;
  Arithmetic().quantize_activations = true;
  model_->SetWindow(config_.model.window);
  const uint64_t total = std::min(static_cast<uint64_t>(config_.evaluate_tokens), source_->held_out_tokens());
  Progress progress("evaluating held-out dialogues", total, Progress::Unit::kTokens);
  uint64_t next = 0;
  StepLoss sum;
  int64_t tokens = 0;
  while (tokens < config_.evaluate_tokens && next < source_->held_out_count()) {
    if (InterruptRequested()) return Stopped();
    FATHOM_ASSIGN_OR_RETURN(const TrainBatch batch, FillBatch(config_, *source_, /*held_out=*/true, &next));
    tokens += static_cast<int64_t>(batch.tokens.size());
    const StepLoss loss = model_->Loss(batch, {.mtp = config_.mtp_weight});
    const auto count = static_cast<double>(loss.answer_tokens);
    sum.answer_tokens += loss.answer_tokens;
    sum.answer_loss += loss.answer_loss * count;
    sum.answer_accuracy += loss.answer_accuracy * count;
    sum.mtp_accuracy += loss.mtp_accuracy * count;
    progress.Update(std::min(static_cast<uint64_t>(tokens), total));
  }
  progress.Finish();
  const double divisor = std::max<double>(1, static_cast<double>(sum.answer_tokens));
  sum.answer_loss /= divisor;
  sum.answer_accuracy /= divisor;
  sum.mtp_accuracy /= divisor;
  parameters_->StartPass();
  return sum;
}

Status Trainer::SaveState() const {
  return SaveTrainState(StatePath(options_), position_, config_.model, *parameters_, *optimizer_);
}

Status Trainer::SaveCurve() const {
  return WriteFileAtomically(options_.run_directory + "/loss.svg", LossCurveSvg(log_->records(), "Loss"));
}

Status Trainer::Save() const {
  FATHOM_RETURN_IF_ERROR(SaveState());
  return SaveCurve();
}

Status Trainer::Stopped() const { return Cancelled(StrCat("stopped after step ", position_.step)); }

Status Trainer::Report(const StepLoss& loss, double tokens_per_second, const StepLoss* held_out) {
  TrainRecord record;
  record.step = position_.step;
  record.train_loss = loss.answer_loss;
  record.learning_rate = RateAt(position_.step - 1) * config_.muon_rate;
  record.tokens_per_second = tokens_per_second;
  record.more = {{"loss", loss.loss},         {"accuracy", loss.answer_accuracy},
                 {"mtp_loss", loss.mtp_loss}, {"mtp_accuracy", loss.mtp_accuracy},
                 {"balance", loss.balance},   {"indexer", loss.indexer},
                 {"norm", last_norm_},        {"seconds", position_.seconds}};
  if (held_out != nullptr) {
    record.held_out_loss = held_out->answer_loss;
    const NamedNumbers numbers = HeldOutNumbers(*held_out);
    record.more.insert(record.more.end(), numbers.begin(), numbers.end());
  }
  return log_->Append(record);
}

void Trainer::PrintHeldOut(const StepLoss& held_out) const {
  WriteStderr(StrFormat("step %lld  held out: loss %.4f, accuracy %.4f, draft accuracy %.4f\n",
                        static_cast<long long>(position_.step), held_out.answer_loss, held_out.answer_accuracy,
                        held_out.mtp_accuracy));
}

Status Trainer::Record(const StepLoss& loss, double tokens_per_second, bool ends, bool evaluates) {
  if (!evaluates) {
    FATHOM_RETURN_IF_ERROR(Report(loss, tokens_per_second, nullptr));
    return ends || position_.step % config_.checkpoint_every == 0 ? Save() : Status();
  }
  const Result<StepLoss> held_out = Evaluate();
  // The state after the record, since no run that goes on from it writes that again. An evaluation that fails loses
  // neither.
  FATHOM_RETURN_IF_ERROR(Report(loss, tokens_per_second, held_out.ok() ? &*held_out : nullptr));
  FATHOM_RETURN_IF_ERROR(Save());
  if (!held_out.ok()) return held_out.status();
  PrintHeldOut(*held_out);
  return {};
}

Status Trainer::Run() {
  std::unique_ptr<RunLock> lock = std::move(lock_);
  if (lock == nullptr) {
    FATHOM_ASSIGN_OR_RETURN(lock, RunLock::Take(options_.run_directory));
    FATHOM_ASSIGN_OR_RETURN(const bool has_state, HasState(options_, config_.checkpoint_every));
    if (has_state && position_.step == 0) {
      return ResourceExhausted(
          StrCat("another process has trained in ", options_.run_directory, " meanwhile; give the command again"));
    }
  }
  if (!options_.export_directory.empty()) {  // again: now that there is the run's, the one may lie in the other
    FATHOM_RETURN_IF_ERROR(ExportTarget(options_.export_directory).status());
  }
  const bool ended = position_.step >= config_.steps;
  if (ended) {
    WriteStderr(StrCat(options_.run_directory, " has ", position_.step, " steps of the ", config_.steps,
                       " in schedule.steps: nothing is left to train",
                       options_.from.empty() ? "\n" : ", and --from is not used\n"));
    if (!FileExists(LogPath(options_))) return {};
  }
  FATHOM_ASSIGN_OR_RETURN(LossLog log, LossLog::Open(LogPath(options_), position_.step + 1));
  log_ = std::make_unique<LossLog>(std::move(log));
  return ended ? EvaluateEnd() : RunSteps();
}

Status Trainer::EvaluateEnd() {
  const std::vector<TrainRecord>& records = log_->records();
  const bool lacks_it =
      !records.empty() && records.back().step == position_.step && !records.back().held_out_loss.has_value();
  if (!lacks_it || !source_->has_held_out()) return {};
  FATHOM_ASSIGN_OR_RETURN(const StepLoss held_out, Evaluate());
  FATHOM_RETURN_IF_ERROR(log_->AddHeldOut(held_out.answer_loss, HeldOutNumbers(held_out)));
  PrintHeldOut(held_out);
  return SaveCurve();
}

Status Trainer::RunSteps() {
  // The source's Training() is the feed's from now on.
  BatchFeed feed([this](uint64_t* next) { return FillBatch(config_, *source_, /*held_out=*/false, next); },
                 position_.next_dialogue);
  const int64_t first = position_.step;
  const int64_t last =
      options_.stop_after_steps > 0 ? std::min(config_.steps, first + options_.stop_after_steps) : config_.steps;
  double printed = -1e9;
  const Clock::time_point begin = Clock::now();
  constexpr double kPrintSeconds = 15;
  while (position_.step < last) {
    Result<FedBatch> fed = feed.Next();
    if (!fed.ok()) {
      if (position_.step > first) FATHOM_RETURN_IF_ERROR(Save());
      return fed.status().code() == ErrorCode::kCancelled ? Stopped() : fed.status();
    }
    const auto batch_tokens = static_cast<double>(fed->batch.tokens.size());
    const Clock::time_point start = Clock::now();
    FATHOM_ASSIGN_OR_RETURN(const StepLoss loss, TrainStep(*fed));
    const double seconds = SecondsSince(start);
    ++position_.step;
    position_.next_dialogue = fed->next_dialogue;
    position_.seconds += seconds;
    const bool interrupted = InterruptRequested();
    const bool ends = position_.step == last || interrupted;
    const bool evaluates = !interrupted && source_->has_held_out() &&
                           (position_.step % config_.evaluate_every == 0 || position_.step == config_.steps);
    FATHOM_RETURN_IF_ERROR(Record(loss, batch_tokens / seconds, ends, evaluates));
    if (SecondsSince(begin) - printed > kPrintSeconds || ends) {
      printed = SecondsSince(begin);
      const double left =
          printed / static_cast<double>(position_.step - first) * static_cast<double>(last - position_.step);
      WriteStderr(StrFormat(
          "step %lld of %lld  loss %.4f (answers %.4f, accuracy %.3f)  draft %.3f  indexer %.3f  balance %.3f  "
          "norm %.2f  %.0f tokens/s  %.0f s left\n",
          static_cast<long long>(position_.step), static_cast<long long>(last), loss.loss, loss.answer_loss,
          loss.answer_accuracy, loss.mtp_accuracy, loss.indexer, loss.balance, last_norm_, batch_tokens / seconds,
          left));
    }
    if (interrupted) return Stopped();
  }
  return {};
}

Status Trainer::Export(const std::string& directory) const {
  return parameters_->Export(directory, config_.model, config_.model_json, tokenizer_files_);
}

}  // namespace fathom
