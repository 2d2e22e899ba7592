#include "checkpoint/synth.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/signals.h"
#include "base/staging_directory.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/synth_values.h"
#include "checkpoint/tensor_table.h"

namespace fathom {
namespace {

// One piece of work of a thread; its own random stream. 4 MiB: large enough for the disk, and a layer is a thousand.
constexpr uint64_t kChunkBytes = 4u << 20;
// Left free on the file system beside what is written.
constexpr uint64_t kSpareBytes = 64u << 20;

bool IsHole(const ExpectedTensor& tensor, SynthHoles holes) {
  const bool routed = tensor.role == TensorRole::kRouted || tensor.role == TensorRole::kRoutedScale;
  return holes == SynthHoles::kAll || (holes == SynthHoles::kExperts && routed);
}

// How the tensor is stored.
TensorSpec SpecOf(const ExpectedTensor& t, const SynthOptions& options) {
  const bool fp4 = options.config.expert_dtype != "fp8";
  const TensorType fp8_scale = options.f32_scales ? TensorType::kF32 : TensorType::kF8E8m0;
  const std::vector<int64_t> plain = t.cols == 0 ? std::vector{t.rows} : std::vector{t.rows, t.cols};
  const std::vector<int64_t> blocks = {(t.rows + 127) / 128, (t.cols + 127) / 128};
  switch (t.role) {
    case TensorRole::kBf16:
      return {t.name, TensorType::kBf16, plain};
    case TensorRole::kF32:
      return {t.name, TensorType::kF32, plain};
    case TensorRole::kTokenTable:
      return {t.name, TensorType::kI64, plain};
    case TensorRole::kRouted:
      if (fp4) return {t.name, TensorType::kI8, {t.rows, t.cols / 2}};
      return {t.name, TensorType::kF8E4m3, plain};
    case TensorRole::kFp8:
      return {t.name, TensorType::kF8E4m3, plain};
    case TensorRole::kRoutedScale:
      if (fp4) return {t.name, TensorType::kF8E8m0, {t.rows, t.cols / 32}};
      return {t.name, fp8_scale, blocks};
    case TensorRole::kFp8Scale:
      return {t.name, fp8_scale, blocks};
    case TensorRole::kUnused:
      break;
  }
  FATHOM_CHECK(false);
}

// The tensors of every shard in order; the pointers in them are not used. `visit` is called once per shard.
void ForEachShard(const ModelConfig& config, const std::function<void(const TensorList&)>& visit) {
  ModelWeights weights;
  TensorList globals;
  ListGlobalTensors(config, &weights, &globals);
  const auto split = std::find_if(globals.begin(), globals.end(),
                                  [](const auto& t) { return t.tensor_class != TensorClass::kEmbedding; });
  visit(TensorList(globals.begin(), split));
  TensorList list;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    LayerWeights layer_weights;
    ListLayerTensors(config, layer, &layer_weights, &list);
    visit(list);
  }
  visit(TensorList(split, globals.end()));
  for (int64_t block = 0; block < config.mtp_layers; ++block) {
    MtpWeights mtp_weights;
    ListMtpTensors(config, block, &mtp_weights, &list);
    visit(list);
  }
}

// A range of one tensor to be filled by one thread.
struct Chunk {
  size_t tensor = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  ValueSource source;
  uint64_t seed = 0;
};

uint64_t HashName(std::string_view name) {  // FNV-1a
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash;
}

class Synthesizer {
 public:
  Synthesizer(const SynthOptions& options, std::string directory, Progress* progress)
      : options_(options), directory_(std::move(directory)), progress_(progress), pool_(options.threads) {
    buffers_.resize(static_cast<size_t>(pool_.threads()));
  }

  Status WriteAll() {
    const ModelConfig& config = options_.config.model;
    const int64_t shards = 1 + config.layers + 1 + config.mtp_layers;
    int64_t number = 0;
    Status status;
    ForEachShard(config, [&](const TensorList& list) {
      if (!status.ok()) return;
      ++number;
      status = WriteShard(StrFormat("model-%05lld-of-%05lld.safetensors", static_cast<long long>(number),
                                    static_cast<long long>(shards)),
                          list);
    });
    FATHOM_RETURN_IF_ERROR(status);
    return WriteSmallFiles();
  }

 private:
  Status WriteShard(const std::string& file, const TensorList& list) {
    std::vector<TensorSpec> specs;
    for (const ExpectedTensor& tensor : list) {
      specs.push_back(SpecOf(tensor, options_));
      total_bytes_ += specs.back().bytes();
      weight_map_.emplace_back(tensor.name, Json::String(file));
    }
    const std::vector<Chunk> chunks = Plan(list, specs);
    FATHOM_ASSIGN_OR_RETURN(const auto writer,
                            SafetensorsWriter::Create(StrCat(directory_, "/", file), std::move(specs)));
    Status status;
    std::mutex mutex;
    pool_.ParallelFor(static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t i = begin; i < end; ++i) {
        Status done = WriteChunk(chunks[static_cast<size_t>(i)], writer.get(), &buffers_[static_cast<size_t>(worker)]);
        if (done.ok()) continue;
        const std::lock_guard lock(mutex);
        if (status.ok()) status = std::move(done);
        failed_ = true;
      }
    });
    FATHOM_RETURN_IF_ERROR(status);
    return writer->Finish();
  }

  std::vector<Chunk> Plan(const TensorList& list, const std::vector<TensorSpec>& specs) {
    const ModelConfig& config = options_.config.model;
    std::vector<Chunk> chunks;
    for (size_t i = 0; i < list.size(); ++i) {
      if (IsHole(list[i], options_.holes)) continue;
      const ValueSource source =
          tables_.SourceOf(list[i], config, options_.config.expert_dtype == "fp8", options_.f32_scales);
      const uint64_t row = static_cast<uint64_t>(config.experts_per_token) * sizeof(int64_t);
      const uint64_t step = list[i].role == TensorRole::kTokenTable ? kChunkBytes / row * row : kChunkBytes;
      const uint64_t seed = MixSeed(options_.seed, HashName(list[i].name));
      const uint64_t size = specs[i].bytes();
      for (uint64_t offset = 0; offset < size; offset += step) {
        chunks.push_back({i, offset, std::min(step, size - offset), source, MixSeed(seed, offset)});
      }
    }
    return chunks;
  }

  Status WriteChunk(const Chunk& chunk, SafetensorsWriter* writer, std::vector<uint8_t>* buffer) {
    if (failed_) return {};
    if (InterruptRequested()) return Cancelled("interrupted; nothing was kept");
    buffer->resize(std::max<size_t>(buffer->size(), chunk.bytes));
    const std::span<uint8_t> out(buffer->data(), chunk.bytes);
    FillValues(chunk.source, chunk.seed, out);
    FATHOM_RETURN_IF_ERROR(writer->Write(chunk.tensor, chunk.offset, out));
    if (progress_ != nullptr) progress_->Add(chunk.bytes);
    return {};
  }

  Status WriteSmallFiles() {
    const auto write = [this](const std::string& name, const std::string& text) {
      return WriteFileAtomically(StrCat(directory_, "/", name), text);
    };
    Json metadata = Json::Object();
    metadata.Set("total_size", Json::Int(static_cast<int64_t>(total_bytes_)));
    Json index = Json::Object();
    index.Set("metadata", std::move(metadata));
    index.Set("weight_map", Json::Object(std::move(weight_map_)));
    FATHOM_RETURN_IF_ERROR(write("model.safetensors.index.json", index.DumpPretty() + "\n"));
    Json generation = Json::Object();
    generation.Set("_from_model_config", Json::Bool(true));
    generation.Set("bos_token_id", Json::Int(options_.config.model.bos_token));
    generation.Set("eos_token_id", Json::Int(options_.config.model.eos_token));
    generation.Set("do_sample", Json::Bool(true));
    generation.Set("temperature", Json::Number("1.0"));
    generation.Set("top_p", Json::Number("1.0"));
    FATHOM_RETURN_IF_ERROR(write("generation_config.json", generation.DumpPretty() + "\n"));
    for (const auto& [name, text] : options_.extra_files) FATHOM_RETURN_IF_ERROR(write(name, text));
    return write("config.json", ConfigToJson(options_.config).DumpPretty() + "\n");
  }

  const SynthOptions& options_;
  const std::string directory_;
  Progress* const progress_;
  ThreadPool pool_;
  ValueTables tables_;
  std::vector<std::vector<uint8_t>> buffers_;  // [worker]
  std::atomic<bool> failed_{false};
  uint64_t total_bytes_ = 0;
  std::vector<Json::Member> weight_map_;
};

Status CheckRoom(const std::string& parent, const std::string& directory, uint64_t bytes) {
  struct statvfs info = {};
  if (::statvfs(parent.c_str(), &info) != 0) {
    return NotFound(StrCat(parent, ": cannot be used as the parent directory: ", std::strerror(errno)));
  }
  const uint64_t free_bytes = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (free_bytes >= bytes + kSpareBytes) return {};
  return ResourceExhausted(StrCat(directory, ": needs ", HumanBytes(bytes + kSpareBytes),
                                  ", but its file system has only ", HumanBytes(free_bytes), " free"));
}

}  // namespace

uint64_t SyntheticBytes(const SynthOptions& options) {
  uint64_t bytes = 0;
  ForEachShard(options.config.model, [&](const TensorList& list) {
    for (const ExpectedTensor& tensor : list) {
      if (!IsHole(tensor, options.holes)) bytes += SpecOf(tensor, options).bytes();
    }
  });
  return bytes;
}

Status WriteSyntheticCheckpoint(const std::string& directory, const SynthOptions& options, Progress* progress) {
  FATHOM_RETURN_IF_ERROR(options.config.model.Validate());
  std::string path = directory;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::error_code error;
  const bool exists = std::filesystem::exists(path, error);
  if (exists && !(DirectoryExists(path) && std::filesystem::is_empty(path, error))) {
    return InvalidArgument(StrCat(path, ": exists already; a new or empty directory is accepted"));
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  FATHOM_RETURN_IF_ERROR(CheckRoom(parent.empty() ? "." : parent, path, SyntheticBytes(options)));
  StagingDirectory staging;
  FATHOM_RETURN_IF_ERROR(staging.Make(path));
  FATHOM_RETURN_IF_ERROR(Synthesizer(options, staging.path(), progress).WriteAll());
  return staging.MoveTo(path);
}

}  // namespace fathom
