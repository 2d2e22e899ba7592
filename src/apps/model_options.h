// model_options.h - the flags of commands that run a model, and the model they name, loaded.
//
//   CLI::App app(...);
//   ModelFlags flags;
//   AddModelFlags(app, &flags);
//   ...
//   Result<std::unique_ptr<LoadedModel>> model = LoadedModel::Load(flags);
#ifndef FATHOM_APPS_MODEL_OPTIONS_H_
#define FATHOM_APPS_MODEL_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "engine/request.h"
#include "model/model.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/tokenizer.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace fathom {

struct ModelFlags {
  std::string model;  // empty: FindDefaultModel()'s
  int threads = 0;    // up to 1024; 0: every core this process may use
  std::string isa = "auto";
  std::string pin = "auto";         // how threads are held to CPUs
  bool mmap = true;                 // false: weights are read into memory
  std::string activations = "fp8";  // or int8: inputs of the experts
  int64_t context = 0;              // 0: what model and memory allow
};

// --model, --threads, --isa, --pin, --no-mmap, --activations.
void AddModelFlags(CLI::App& app, ModelFlags* flags);
// What --activations asks for.
Result<Precision> PrecisionOf(const ModelFlags& flags);
// --threads and --pin alone, for commands that have flags of their own for the rest.
void AddThreadsFlag(CLI::App& app, int* threads);
void AddPinFlag(CLI::App& app, std::string* pin);
// --ctx, for commands that generate.
void AddContextFlag(CLI::App& app, ModelFlags* flags);

// The model when none is named: $FATHOM_MODEL; else models/nano below $FATHOM_HOME or, without that, in the tree that
// the program is in (share/fathom or the repository), if it is there; else a tiny made-up one, written to the user's
// cache directory when it is not there yet.
struct DefaultModel {
  std::string directory;
  bool placeholder = false;  // the made-up one: its words mean nothing
};
Result<DefaultModel> FindDefaultModel();

// What generation_config.json says; values it lacks, or all if there is no such file, are the engine's defaults.
struct GenerationConfig {
  SamplingParams sampling;           // temperature, top_p, top_k, repetition_penalty
  std::vector<int32_t> stop_tokens;  // eos_token_id, one or several; otherwise config.json's
};
Result<GenerationConfig> ReadGenerationConfig(const std::string& path, const ModelConfig& config);

// A model ready to run: kernels chosen, checkpoint mapped, tokenizer read.
class LoadedModel {
 public:
  // Says on stderr what the user should know: that the model is a placeholder, the checkpoint's notes.
  static Result<std::unique_ptr<LoadedModel>> Load(const ModelFlags& flags);

  const std::string& directory() const { return checkpoint_->directory(); }
  bool placeholder() const { return placeholder_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Model& model() const { return *model_; }
  Dialect dialect() const { return dialect_; }
  const GenerationConfig& generation() const { return generation_; }

  // With --ctx in its options. The model's thread pool is the engine's as long as it lives.
  Result<std::unique_ptr<Engine>> StartEngine(EngineOptions options = {}) const;

 private:
  LoadedModel() = default;

  int64_t context_ = 0;
  bool placeholder_ = false;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
  Dialect dialect_ = Dialect::kV4;
  GenerationConfig generation_;
};

// "auto, reference, avx2": what --isa accepts here.
std::string KernelTableNames();

// Chooses kernels and makes the threads as the flags say, for commands that do without LoadedModel. On machines with
// several NUMA nodes what is read from now on goes to all of them in turn.
Result<std::unique_ptr<ThreadPool>> MakeThreadPool(const ModelFlags& flags);

// What was found of the machine, and how its threads are used: "1 NUMA node with 2 cores; 2 threads, not held to CPUs",
// and where the weights lie if that matters.
std::string DescribePlacement(const ModelFlags& flags, const ThreadPool& pool, const Checkpoint& checkpoint);

}  // namespace fathom

#endif  // FATHOM_APPS_MODEL_OPTIONS_H_
