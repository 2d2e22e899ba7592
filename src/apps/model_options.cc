#include "apps/model_options.h"

#include <CLI/CLI.hpp>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "apps/flags.h"
#include "base/cpu_features.h"
#include "base/file.h"
#include "base/json.h"
#include "base/numa_memory.h"
#include "base/strings.h"
#include "base/term.h"
#include "base/topology.h"
#include "kernels/kernels.h"
#include "model/moe.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxConfigBytes = 16 << 20;
constexpr int kMaxThreads = 1024;

std::optional<Pinning> PinningOf(std::string_view name) {
  if (name == "auto") return Pinning::kAuto;
  if (name == "none") return Pinning::kNone;
  if (name == "nodes") return Pinning::kNodes;
  if (name == "cores") return Pinning::kCores;
  return std::nullopt;
}

// Reads an optional number of `json` into *value.
Status ReadNumber(const Json& json, const char* key, const std::string& path, double* value) {
  const Json* member = json.Find(key);
  if (member == nullptr || member->is_null()) return {};
  const std::optional<double> number = member->AsDouble();
  if (!number) return DataLoss(StrCat(path, ": ", key, " is ", Printable(member->Dump(), 40), ", not a number"));
  *value = *number;
  return {};
}

Status ReadStopTokens(const Json& json, const std::string& path, int64_t vocab_size, std::vector<int32_t>* tokens) {
  const Json* member = json.Find("eos_token_id");
  if (member == nullptr || member->is_null()) return {};
  tokens->clear();
  const std::vector<Json> ids = member->is_array() ? member->items() : std::vector<Json>{*member};
  for (const Json& id : ids) {
    const std::optional<int64_t> number = id.AsInt();
    if (!number || *number < 0 || *number >= vocab_size) {
      return DataLoss(StrCat(path, ": eos_token_id is ", Printable(member->Dump(), 40),
                             "; accepted are token ids 0 to ", vocab_size - 1, ", one or a list"));
    }
    tokens->push_back(static_cast<int32_t>(*number));
  }
  return {};
}

Result<Json> ReadJsonFile(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  return json;
}

}  // namespace

std::string KernelTableNames() {
  std::string names = "auto";
  for (const KernelTable* table : SupportedKernels()) names += StrCat(", ", table->name);
  return names;
}

void AddModelFlags(CLI::App& app, ModelFlags* flags) {
  app.add_option("--model", flags->model, "Directory with config.json, tokenizer.json and safetensors shards")
      ->type_name("DIR");
  AddThreadsFlag(app, &flags->threads);
  app.add_option("--isa", flags->isa, "Kernels to use: " + KernelTableNames())->type_name("NAME");
  AddPinFlag(app, &flags->pin);
  app.add_flag("!--no-mmap", flags->mmap,
               "Read the weights into memory at the start instead of mapping the files: slower to start, faster where "
               "the system maps files by small pages");
  app.add_option(
         "--activations", flags->activations,
         "Inputs of the FP4 experts: fp8, as the model was trained, or int8, which is faster and changes the answers "
         "(`fathom verify golden --mode int8` shows by how much); without effect on experts in FP8")
      ->type_name("FORMAT");
}

Result<Precision> PrecisionOf(const ModelFlags& flags) {
  if (flags.activations == "fp8") return Precision::kF32;
  if (flags.activations == "int8") return Precision::kInt8;
  return InvalidArgument(
      StrCat("--activations is '", Printable(flags.activations, 40), "'; accepted are fp8 and int8"));
}

void AddThreadsFlag(CLI::App& app, int* threads) {
  CLI::Option* option = app.add_option("--threads", *threads, "Threads (default: every core this process may use)");
  AcceptWhole(option->type_name("N"), 0, kMaxThreads);
}

void AddPinFlag(CLI::App& app, std::string* pin) {
  app.add_option("--pin", *pin, "Hold threads to CPUs: auto (to NUMA nodes, if there are several), none, nodes, cores")
      ->type_name("HOW");
}

void AddContextFlag(CLI::App& app, ModelFlags* flags) {
  CLI::Option* context =
      app.add_option("--ctx", flags->context,
                     "Tokens of prompt and answer together (default, and with 0: what model and memory allow)");
  AcceptWhole(context->type_name("N"), 0);
}

Result<std::unique_ptr<ThreadPool>> MakeThreadPool(const ModelFlags& flags) {
  if (!SelectKernels(flags.isa)) {
    return InvalidArgument(
        StrCat("--isa is '", Printable(flags.isa, 40), "'; this machine and build have ", KernelTableNames()));
  }
  const std::optional<Pinning> pinning = PinningOf(flags.pin);
  if (!pinning) {
    return InvalidArgument(
        StrCat("--pin is '", Printable(flags.pin, 40), "'; accepted are auto, none, nodes and cores"));
  }
  const int threads = flags.threads == 0 ? GetCpuFeatures().cores : flags.threads;
  InterleaveNewPages(GetTopology());
  return std::make_unique<ThreadPool>(threads, PlaceThreads(GetTopology(), threads, *pinning));
}

std::string DescribePlacement(const ModelFlags& flags, const ThreadPool& pool, const Checkpoint& checkpoint) {
  const Topology& topology = GetTopology();
  const std::vector<std::vector<int>> placed =
      PlaceThreads(topology, pool.threads(), PinningOf(flags.pin).value_or(Pinning::kNone));
  const std::vector<int>& first = placed.front();
  std::string text =
      StrCat(DescribeTopology(topology), "; ", pool.threads(), pool.threads() == 1 ? " thread" : " threads",
             first.empty() || pool.threads() == 1 ? ", not held to CPUs"
             : !pool.holds()                      ? ", which the system does not let be held to CPUs"
             : first.size() == 1                  ? ", all but the first held to a CPU each"
                                                  : ", all but the first held to a node each");
  if (topology.nodes() < 2) return text;
  std::vector<std::span<const uint8_t>> ranges;
  for (const SafetensorsFile& shard : checkpoint.shards()) ranges.push_back(shard.bytes());
  // MakeThreadPool() did it already: once more only says whether it could.
  const bool interleaved = InterleaveNewPages(topology);
  return StrCat(text, "; ", DescribeNodeShares(topology, ResidentNodeShares(ranges), interleaved));
}

Result<GenerationConfig> ReadGenerationConfig(const std::string& path, const ModelConfig& config) {
  GenerationConfig generation;
  generation.stop_tokens = {config.eos_token};
  if (!FileExists(path)) return generation;
  FATHOM_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path));
  if (!json.is_object()) return DataLoss(StrCat(path, ": holds no JSON object"));
  FATHOM_RETURN_IF_ERROR(ReadNumber(json, "temperature", path, &generation.sampling.temperature));
  FATHOM_RETURN_IF_ERROR(ReadNumber(json, "top_p", path, &generation.sampling.top_p));
  FATHOM_RETURN_IF_ERROR(ReadNumber(json, "repetition_penalty", path, &generation.sampling.repetition_penalty));
  double top_k = 0;
  FATHOM_RETURN_IF_ERROR(ReadNumber(json, "top_k", path, &top_k));
  constexpr double kMaxTopK = 1e9;
  generation.sampling.top_k = top_k >= 0 && top_k <= kMaxTopK ? static_cast<int64_t>(top_k) : -1;
  FATHOM_RETURN_IF_ERROR(ReadStopTokens(json, path, config.vocab_size, &generation.stop_tokens));
  // The same rules as for a request, in the file's name.
  GenerateRequest request;
  request.prompt = {0};
  request.sampling = generation.sampling;
  const Status status = ValidateRequest(request, {.vocab_size = config.vocab_size, .context = 2});
  if (!status.ok()) return DataLoss(StrCat(path, ": ", status.message()));
  return generation;
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::Load(const ModelFlags& flags) {
  std::unique_ptr<LoadedModel> loaded(new LoadedModel);
  FATHOM_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(flags));
  FATHOM_ASSIGN_OR_RETURN(loaded->pool_, MakeThreadPool(flags));
  std::string directory = flags.model;
  if (directory.empty()) {
    FATHOM_ASSIGN_OR_RETURN(const DefaultModel found, FindDefaultModel());
    directory = found.directory;
    loaded->placeholder_ = found.placeholder;
  }
  loaded->context_ = flags.context;
  FATHOM_ASSIGN_OR_RETURN(loaded->checkpoint_, Checkpoint::Open(directory));
  const Checkpoint& checkpoint = *loaded->checkpoint_;
  if (flags.mmap) {
    checkpoint.PreferLargePages();
  } else {
    FATHOM_RETURN_IF_ERROR(loaded->checkpoint_->ReadIntoMemory(*loaded->pool_));
  }
  const Status tables = CheckHashTables(checkpoint.config(), checkpoint.weights());
  if (!tables.ok()) return DataLoss(StrCat(directory, ": ", tables.message()));
  for (const std::string& note : checkpoint.notes()) WriteStderr(StrCat("fathom: ", note, "\n"));
  if (GetTopology().nodes() > 1) {
    WriteStderr(StrCat("fathom: ", DescribePlacement(flags, *loaded->pool_, checkpoint), "\n"));
  }
  FATHOM_ASSIGN_OR_RETURN(loaded->tokenizer_, Tokenizer::Load(directory + "/tokenizer.json"));
  if (loaded->tokenizer_->vocab_size() > checkpoint.config().vocab_size) {
    return DataLoss(StrCat(directory, "/tokenizer.json has token ids up to ", loaded->tokenizer_->vocab_size() - 1,
                           ", but config.json's vocab_size is ", checkpoint.config().vocab_size));
  }
  FATHOM_ASSIGN_OR_RETURN(const Json config, ReadJsonFile(directory + "/config.json"));
  loaded->dialect_ = DialectOf(config);
  FATHOM_ASSIGN_OR_RETURN(loaded->generation_,
                          ReadGenerationConfig(directory + "/generation_config.json", checkpoint.config()));
  loaded->model_ = std::make_unique<Model>(checkpoint.config(), checkpoint.weights(),
                                           ModelOptions{.precision = precision}, *loaded->pool_);
  return loaded;
}

Result<std::unique_ptr<Engine>> LoadedModel::StartEngine(EngineOptions options) const {
  options.context = context_;
  Result<std::unique_ptr<Engine>> engine = Engine::Create(*model_, *tokenizer_, options);
  if (!engine.ok()) return WithFlag(engine.status(), "engine option context", "--ctx");
  return engine;
}

}  // namespace fathom
