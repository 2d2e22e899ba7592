#include "train/torch/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/check.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/staging_directory.h"
#include "base/strings.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_table.h"
#include "corpus/random.h"
#include "model/moe.h"
#include "numeric/formats.h"
#include "train/export_directory.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

// Standard normal numbers (Box and Muller).
class Normal {
 public:
  explicit Normal(uint64_t seed) : random_(seed) {}
  float Next() {
    const double u = 1.0 - random_.Unit();
    return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * random_.Unit()));
  }

 private:
  CorpusRandom random_;
};

// All tensors a config calls for, with their places in `weights`.
struct Listing {
  explicit Listing(const ModelConfig& config, ModelWeights known = {}) : weights(std::move(known)) {
    weights.layers.resize(static_cast<size_t>(config.layers));
    weights.mtp.resize(static_cast<size_t>(config.mtp_layers));
    TensorList part;
    const auto append = [&] { tensors.insert(tensors.end(), part.begin(), part.end()); };
    ListGlobalTensors(config, &weights, &part);
    append();
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      ListLayerTensors(config, layer, &weights.layers[static_cast<size_t>(layer)], &part);
      append();
    }
    for (int64_t block = 0; block < config.mtp_layers; ++block) {
      ListMtpTensors(config, block, &weights.mtp[static_cast<size_t>(block)], &part);
      append();
    }
  }

  ModelWeights weights;
  TensorList tensors;
};

// "layers.0.ffn.experts.7.w1.weight" -> "layers.0.ffn.experts.*.w1.weight" and 7; other names as they are, -1.
std::pair<std::string, int64_t> SplitExpert(const std::string& name) {
  constexpr std::string_view kExperts = "ffn.experts.";
  const size_t at = name.find(kExperts);
  if (at == std::string::npos) return {name, -1};
  const size_t number = at + kExperts.size();
  const size_t end = name.find('.', number);
  return {StrCat(name.substr(0, number), "*", name.substr(end)), std::stoll(name.substr(number, end - number))};
}

StoredAs StorageOf(TensorRole role) {
  switch (role) {
    case TensorRole::kBf16:
      return StoredAs::kBf16;
    case TensorRole::kFp8:
      return StoredAs::kFp8;
    case TensorRole::kRouted:
      return StoredAs::kFp4;
    default:
      return StoredAs::kF32;
  }
}

bool EndsWith(const std::string& name, std::string_view tail) { return name.ends_with(tail); }

bool IsRoutedExpert(const Parameter& p) { return p.value.dim() == 3; }

// Muon is for matrices that map activations to activations; tables, mixes and vectors are AdamW's (V4 report).
bool IsMuons(const Parameter& p) {
  if (p.value.dim() < 2 || p.name == "embed.weight" || p.name == "head.weight") return false;
  return !EndsWith(p.name, "_fn") && !EndsWith(p.name, ".ape") && !EndsWith(p.name, "weights_proj.weight");
}

// The layer number in a name; MTP blocks count as layer 0.
int64_t LayerOf(const std::string& name) {
  constexpr std::string_view kLayers = "layers.";
  return name.starts_with(kLayers) ? std::stoll(name.substr(kLayers.size())) : 0;
}

// Streams start out as one: every sublayer reads mostly one of them, in turn, and writes to all; each stream goes on as
// it is. (Hyper-connections, Zhu et al. 2024, initialise in this way.)
void FillMixBase(const Parameter& p, const ModelConfig& config) {
  const int64_t s = config.streams;
  float* base = Floats(p.value);
  const int64_t sublayer = 2 * LayerOf(p.name) + (EndsWith(p.name, "hc_ffn_base") ? 1 : 0);
  const bool head = EndsWith(p.name, "hc_head_base");
  for (int64_t i = 0; i < s; ++i) base[i] = head ? -1.0f : i == sublayer % s ? 1.0f : -2.0f;
  if (head) return;
  for (int64_t i = 0; i < s; ++i) base[s + i] = 0;
  for (int64_t i = 0; i < s; ++i) {
    for (int64_t j = 0; j < s; ++j) base[2 * s + i * s + j] = i == j ? 4.0f : 0.0f;
  }
}

// Ends early after Ctrl-C.
void FillNormal(float* data, int64_t n, float deviation, Normal& normal, Progress& progress) {
  constexpr int64_t kPiece = 1 << 16;  // a few milliseconds
  for (int64_t begin = 0; begin < n && !InterruptRequested(); begin += kPiece) {
    const int64_t end = std::min(begin + kPiece, n);
    for (int64_t i = begin; i < end; ++i) data[i] = deviation * normal.Next();
    progress.Add(static_cast<uint64_t>(end - begin));
  }
}

void FillRandom(Parameter& p, const ModelConfig& config, Normal& normal, Progress& progress) {
  float* data = Floats(p.value);
  const int64_t n = p.value.numel();
  const bool vector = p.value.dim() == 1;
  if (vector && EndsWith(p.name, "norm.weight")) {
    std::fill_n(data, n, 1.0f);
  } else if (vector && EndsWith(p.name, "_base")) {
    FillMixBase(p, config);
  } else if (vector && EndsWith(p.name, "_scale")) {
    std::fill_n(data, n, 0.1f);
  } else if (vector || EndsWith(p.name, ".ape")) {
    std::fill_n(data, n, 0.0f);  // sinks, biases, offsets in a block
  } else {
    double deviation = 1 / std::sqrt(static_cast<double>(p.value.size(-1)));
    // What is added to the streams starts small; embeddings are compared with it, so they are not.
    if (EndsWith(p.name, "wo_b.weight") || EndsWith(p.name, "w2.weight")) deviation *= 0.3;
    if (p.name == "embed.weight") deviation = 0.5;
    if (p.name == "head.weight") deviation *= 0.3;
    FillNormal(data, n, static_cast<float>(deviation), normal, progress);
  }
}

// Of all parameters together, for progress.
uint64_t CountValues(const std::vector<Parameter>& parameters) {
  int64_t count = 0;
  for (const Parameter& p : parameters) count += p.value.numel();
  return static_cast<uint64_t>(count);
}

std::span<const uint8_t> FloatBytes(const float* data, int64_t count) {
  return {reinterpret_cast<const uint8_t*>(data), static_cast<size_t>(count) * sizeof(float)};
}

float ScaleValue(const Matrix& w, int64_t index) {
  return w.scale_type == ScaleType::kF32 ? LoadUnaligned<float>(w.scale + 4 * index) : E8m0ToFloat(w.scale[index]);
}

// All of W [rows, cols] as floats. Ends early after Ctrl-C.
void Decode(const Matrix& w, float* out, Progress& progress) {
  for (int64_t r = 0; r < w.rows && !InterruptRequested(); ++r) {
    progress.Add(static_cast<uint64_t>(w.cols));
    const uint8_t* row = w.data + r * w.row_bytes();
    for (int64_t c = 0; c < w.cols; ++c) {
      float value = 0;
      switch (w.type) {
        case WeightType::kFp4:
          value = E2m1ToFloat(static_cast<uint8_t>(c % 2 == 0 ? row[c / 2] & 15u : row[c / 2] >> 4)) *
                  ScaleValue(w, r * (w.cols / 32) + c / 32);
          break;
        case WeightType::kFp8:
          value = E4m3ToFloat(row[c]) * ScaleValue(w, r / 128 * ((w.cols + 127) / 128) + c / 128);
          break;
        case WeightType::kBf16:
          value = Bf16ToFloat(LoadUnaligned<uint16_t>(row + 2 * c));
          break;
        case WeightType::kF32:
          value = LoadUnaligned<float>(row + 4 * c);
          break;
      }
      out[r * w.cols + c] = value;
    }
  }
}

std::span<const uint8_t> Bytes(const std::vector<uint8_t>& data) { return {data.data(), data.size()}; }

std::vector<uint8_t> EncodePlain(const float* x, int64_t n, bool bf16) {
  std::vector<uint8_t> out(static_cast<size_t>(n * (bf16 ? 2 : 4)));
  for (int64_t i = 0; i < n; ++i) {
    if (bf16) {
      const uint16_t code = FloatToBf16(x[i]);
      std::memcpy(out.data() + 2 * i, &code, 2);
    } else {
      std::memcpy(out.data() + 4 * i, x + i, 4);
    }
  }
  return out;
}

// Codes and scales of a matrix; the values they stand for are those of StoredValues().
struct Encoded {
  std::vector<uint8_t> codes;
  std::vector<uint8_t> scales;
};

Encoded EncodeFp8(const float* w, int64_t rows, int64_t cols) {
  Encoded out;
  out.codes.resize(static_cast<size_t>(rows * cols));
  for (int64_t r0 = 0; r0 < rows; r0 += 128) {
    for (int64_t c0 = 0; c0 < cols; c0 += 128) {
      const int64_t r1 = std::min(rows, r0 + 128);
      const int64_t c1 = std::min(cols, c0 + 128);
      float amax = kFp8AmaxFloor;
      for (int64_t r = r0; r < r1; ++r) amax = std::max(amax, MaxMagnitude(w + r * cols + c0, c1 - c0));
      const float scale = Fp8BlockScale(amax);
      out.scales.push_back(PowerOfTwoToE8m0(scale));
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c)
          out.codes[static_cast<size_t>(r * cols + c)] = FloatToE4m3(w[r * cols + c] / scale);
      }
    }
  }
  return out;
}

Encoded EncodeFp4(const float* w, int64_t rows, int64_t cols) {
  Encoded out;
  out.codes.resize(static_cast<size_t>(rows * cols / 2));
  for (int64_t at = 0; at < rows * cols; at += 32) {
    const float scale = Fp4BlockScale(std::max(MaxMagnitude(w + at, 32), kFp4AmaxFloor));
    out.scales.push_back(PowerOfTwoToE8m0(scale));
    for (int64_t i = 0; i < 32; i += 2) {
      const auto low = FloatToE2m1(w[at + i] / scale);
      const auto high = FloatToE2m1(w[at + i + 1] / scale);
      out.codes[static_cast<size_t>((at + i) / 2)] = static_cast<uint8_t>(low | (high << 4));
    }
  }
  return out;
}

}  // namespace

Parameters::Parameters(const ModelConfig& config) {
  const Listing listing(config);
  for (const ExpectedTensor& tensor : listing.tensors) {
    if (tensor.is_scale()) continue;
    if (tensor.role == TensorRole::kTokenTable) {
      tables_[tensor.name].resize(static_cast<size_t>(tensor.rows * tensor.cols));
      continue;
    }
    const auto [name, expert] = SplitExpert(tensor.name);
    if (expert > 0) continue;
    Parameter p;
    p.name = name;
    p.stored = StorageOf(tensor.role);
    if (expert == 0) {
      p.value = torch::empty({config.experts, tensor.rows, tensor.cols}, torch::kFloat32);
    } else if (tensor.cols == 0) {
      p.value = torch::empty({tensor.rows}, torch::kFloat32);
    } else {
      p.value = torch::empty({tensor.rows, tensor.cols}, torch::kFloat32);
    }
    p.trained = !EndsWith(name, "gate.bias");
    p.matrix = IsMuons(p);
    all_.push_back(std::move(p));
  }
}

void Parameters::Index() {
  by_name_.clear();
  for (size_t i = 0; i < all_.size(); ++i) {
    by_name_[all_[i].name] = i;
    all_[i].value.set_requires_grad(all_[i].trained);
  }
}

Parameters Parameters::Unset(const ModelConfig& config) {
  Parameters out(config);
  out.Index();
  return out;
}

Result<Parameters> Parameters::Random(const ModelConfig& config, uint64_t seed) {
  Parameters out(config);
  Normal normal(seed);
  Progress progress("drawing random parameters", CountValues(out.all_), Progress::Unit::kItems);
  for (Parameter& p : out.all_) {
    FillRandom(p, config, normal, progress);
    if (InterruptRequested()) return Cancelled("stopped while parameters were drawn");
  }
  progress.Finish();
  CorpusRandom random(seed);
  for (auto& [name, table] : out.tables_) {  // k different experts for each token
    std::vector<int64_t> experts(static_cast<size_t>(config.experts));
    for (size_t at = 0; at < table.size(); at += static_cast<size_t>(config.experts_per_token)) {
      for (size_t e = 0; e < experts.size(); ++e) experts[e] = static_cast<int64_t>(e);
      random.Shuffle(experts);
      std::copy_n(experts.begin(), config.experts_per_token, table.begin() + static_cast<int64_t>(at));
    }
  }
  out.Index();
  return out;
}

Result<Parameters> Parameters::FromCheckpoint(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  const Status tables = CheckHashTables(config, checkpoint.weights());
  if (!tables.ok()) return DataLoss(StrCat(checkpoint.directory(), ": ", tables.message()));
  Parameters out(config);
  out.Index();
  // The listing names each tensor and points to its place in a copy of the checkpoint's weights, which are views.
  const Listing listing(config, checkpoint.weights());
  const torch::NoGradGuard no_grad;
  Progress progress(StrCat("reading ", checkpoint.directory()), CountValues(out.all_), Progress::Unit::kItems);
  for (const ExpectedTensor& tensor : listing.tensors) {
    if (tensor.is_scale()) continue;
    if (tensor.table != nullptr) {
      std::vector<int64_t>& table = out.tables_[tensor.name];
      std::memcpy(table.data(), *tensor.table, table.size() * sizeof(int64_t));
      continue;
    }
    const auto [name, expert] = SplitExpert(tensor.name);
    Parameter& p = out.Find(name);
    float* to = Floats(p.value) + (expert > 0 ? expert * tensor.rows * tensor.cols : 0);
    if (tensor.matrix != nullptr) {
      if (expert >= 0 && tensor.matrix->type == WeightType::kFp8) p.stored = StoredAs::kFp8;
      Decode(*tensor.matrix, to, progress);
    } else {
      for (int64_t i = 0; i < tensor.vector->size; ++i) to[i] = (*tensor.vector)[i];
    }
    if (InterruptRequested()) return Cancelled(StrCat("stopped while ", checkpoint.directory(), " was read"));
    if (!AllFinite(FloatBytes(to, tensor.matrix != nullptr ? tensor.rows * tensor.cols : tensor.vector->size))) {
      return DataLoss(StrCat(checkpoint.directory(), ": tensor ", tensor.name,
                             " has a value that is not finite; bring back an intact copy of the model"));
    }
  }
  progress.Finish();
  return out;
}

Parameter& Parameters::Find(const std::string& name) {
  const auto at = by_name_.find(name);
  FATHOM_CHECK(at != by_name_.end());
  return all_[at->second];
}

const std::vector<int64_t>* Parameters::TokenTable(const std::string& name) const {
  const auto at = tables_.find(name);
  return at == tables_.end() ? nullptr : &at->second;
}

Tensor Parameters::StoredValue(const std::string& name) {
  Tensor& value = stored_values_[name];
  if (!value.defined()) {
    const Parameter& p = Find(name);
    value = StoredValues(p.value, p.stored);
  }
  return value;
}

std::string Parameters::expert_dtype() const {
  const auto expert = std::ranges::find_if(all_, IsRoutedExpert);
  FATHOM_CHECK(expert != all_.end());
  return expert->stored == StoredAs::kFp8 ? "fp8" : "fp4";
}

void Parameters::SetExpertDtype(std::string_view dtype) {
  for (Parameter& p : all_) {
    if (IsRoutedExpert(p)) p.stored = dtype == "fp8" ? StoredAs::kFp8 : StoredAs::kFp4;
  }
  StartPass();
}

Status Parameters::CheckFinite() const {
  for (const Parameter& p : all_) {
    if (AllFinite(FloatBytes(Floats(p.value), p.value.numel()))) continue;
    return DataLoss(StrCat("parameter ", p.name, " has a value that is not finite, so that nothing is written; lower ",
                           "optimizer.muon_rate and optimizer.adam_rate and go on from the last checkpoint"));
  }
  return {};
}

namespace {

// A parameter's tensors in the file, in order: names with their bytes.
struct StoredTensor {
  TensorSpec spec;
  std::vector<uint8_t> data;
};

void AppendMatrix(const std::string& name, StoredAs stored, const float* w, int64_t rows, int64_t cols,
                  std::vector<StoredTensor>* out) {
  const std::string scale_name = StrCat(name.substr(0, name.rfind('.')), ".scale");
  if (stored == StoredAs::kFp8) {
    Encoded encoded = EncodeFp8(w, rows, cols);
    out->push_back({{name, TensorType::kF8E4m3, {rows, cols}}, std::move(encoded.codes)});
    out->push_back(
        {{scale_name, TensorType::kF8E8m0, {(rows + 127) / 128, (cols + 127) / 128}}, std::move(encoded.scales)});
  } else if (stored == StoredAs::kFp4) {
    Encoded encoded = EncodeFp4(w, rows, cols);
    out->push_back({{name, TensorType::kI8, {rows, cols / 2}}, std::move(encoded.codes)});
    out->push_back({{scale_name, TensorType::kF8E8m0, {rows, cols / 32}}, std::move(encoded.scales)});
  } else {
    const bool bf16 = stored == StoredAs::kBf16;
    out->push_back(
        {{name, bf16 ? TensorType::kBf16 : TensorType::kF32, {rows, cols}}, EncodePlain(w, rows * cols, bf16)});
  }
}

Status StoppedBeforeExport() { return Cancelled("stopped before the model was exported"); }

Result<std::vector<StoredTensor>> EncodeAll(const std::vector<Parameter>& parameters,
                                            const std::map<std::string, std::vector<int64_t>>& tables,
                                            const ModelConfig& config) {
  std::vector<StoredTensor> out;
  Progress progress("encoding parameters", CountValues(parameters), Progress::Unit::kItems);
  uint64_t done = 0;
  for (const Parameter& p : parameters) {
    if (InterruptRequested()) return StoppedBeforeExport();
    progress.Update(done);
    done += static_cast<uint64_t>(p.value.numel());
    const float* data = Floats(p.value);
    if (IsRoutedExpert(p)) {
      const int64_t rows = p.value.size(1);
      const int64_t cols = p.value.size(2);
      for (int64_t e = 0; e < p.value.size(0); ++e) {
        if (InterruptRequested()) return StoppedBeforeExport();
        progress.Add(static_cast<uint64_t>(rows * cols));
        std::string name = p.name;
        name.replace(name.find('*'), 1, std::to_string(e));
        AppendMatrix(name, p.stored, data + e * rows * cols, rows, cols, &out);
      }
    } else if (p.value.dim() == 2) {
      AppendMatrix(p.name, p.stored, data, p.value.size(0), p.value.size(1), &out);
    } else {
      const bool bf16 = p.stored == StoredAs::kBf16;
      out.push_back({{p.name, bf16 ? TensorType::kBf16 : TensorType::kF32, {p.value.size(0)}},
                     EncodePlain(data, p.value.numel(), bf16)});
    }
  }
  progress.Update(done);
  progress.Finish();
  for (const auto& [name, table] : tables) {
    std::vector<uint8_t> bytes(table.size() * sizeof(int64_t));
    std::memcpy(bytes.data(), table.data(), bytes.size());
    out.push_back({{name, TensorType::kI64, {config.vocab_size, config.experts_per_token}}, std::move(bytes)});
  }
  return out;
}

std::string IndexJson(const std::vector<StoredTensor>& tensors) {
  uint64_t bytes = 0;
  for (const StoredTensor& tensor : tensors) bytes += tensor.data.size();
  std::string out = StrCat("{\n  \"metadata\": {\"total_size\": ", bytes, "},\n  \"weight_map\": {");
  for (size_t i = 0; i < tensors.size(); ++i) {
    out += StrCat(i == 0 ? "\n" : ",\n", "    \"", tensors[i].spec.name, "\": \"", kModelShard, "\"");
  }
  return out + "\n  }\n}\n";
}

Status WriteShard(const std::string& path, const std::vector<StoredTensor>& tensors) {
  std::vector<TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) specs.push_back(tensor.spec);
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> writer, SafetensorsWriter::Create(path, specs));
  Progress progress(StrCat("writing ", path), writer->file_bytes(), Progress::Unit::kBytes);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (InterruptRequested()) return StoppedBeforeExport();
    FATHOM_RETURN_IF_ERROR(writer->Write(i, 0, Bytes(tensors[i].data)));
    progress.Add(tensors[i].data.size());
  }
  progress.Finish();
  return writer->Finish();
}

}  // namespace

Status Parameters::Export(const std::string& directory, const ModelConfig& config, const Json& config_json,
                          const std::vector<std::pair<std::string, std::string>>& extra_files) const {
  FATHOM_RETURN_IF_ERROR(CheckFinite());
  FATHOM_ASSIGN_OR_RETURN(const std::string target, ExportTarget(directory));
  const std::filesystem::path parent = std::filesystem::path(target).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return IoError(StrCat("cannot create ", parent.string(), ": ", error.message()));
  StagingDirectory staging;
  FATHOM_RETURN_IF_ERROR(staging.Make(target));
  const auto write = [&](std::string_view name, const std::string& text) {
    return WriteFileAtomically(StrCat(staging.path(), "/", name), text);
  };
  FATHOM_ASSIGN_OR_RETURN(const std::vector<StoredTensor> tensors, EncodeAll(all_, tables_, config));
  FATHOM_RETURN_IF_ERROR(WriteShard(StrCat(staging.path(), "/", kModelShard), tensors));
  FATHOM_RETURN_IF_ERROR(write(kModelIndex, IndexJson(tensors)));
  Json written_config = config_json;
  written_config.Set("expert_dtype", Json::String(expert_dtype()));
  FATHOM_RETURN_IF_ERROR(write("config.json", written_config.Dump() + "\n"));
  for (const auto& [name, text] : extra_files) FATHOM_RETURN_IF_ERROR(write(name, text));
  return staging.Replace(target);
}

}  // namespace fathom
