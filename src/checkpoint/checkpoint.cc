#include "checkpoint/checkpoint.h"

#include <algorithm>

#include "base/cpu_features.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxIndexBytes = 32u << 20;  // V4-Pro's is about 11 MB, and JSON takes up to 50 times its size
constexpr size_t kMaxShards = 65536;

// A file name in the directory itself: shards elsewhere would let an index read any file. Without control characters:
// names are shown in errors.
bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\\') == std::string_view::npos && Printable(name, name.size()) == name;
}

// A dtype with its shape that is accepted for an expected tensor.
struct Form {
  TensorType type = TensorType::kUnknown;
  std::vector<int64_t> shape;
  WeightType weight = WeightType::kF32;  // of codes and plain numbers
  ScaleType scale = ScaleType::kNone;    // of scales
};

// All accepted forms, the release's first.
std::vector<Form> AcceptedForms(const ExpectedTensor& t) {
  const std::vector<int64_t> plain = t.cols == 0 ? std::vector{t.rows} : std::vector{t.rows, t.cols};
  const std::vector<int64_t> blocks = {(t.rows + 127) / 128, (t.cols + 127) / 128};
  const std::vector<int64_t> halves = {t.rows, t.cols / 2};
  const std::vector<int64_t> rows32 = {t.rows, t.cols / 32};
  switch (t.role) {
    case TensorRole::kBf16:
      return {{TensorType::kBf16, plain, WeightType::kBf16, ScaleType::kNone}};
    case TensorRole::kF32:
      return {{TensorType::kF32, plain, WeightType::kF32, ScaleType::kNone}};
    case TensorRole::kTokenTable:
      return {{TensorType::kI64, plain, WeightType::kF32, ScaleType::kNone}};
    case TensorRole::kFp8:
      return {{TensorType::kF8E4m3, plain, WeightType::kFp8, ScaleType::kNone}};
    case TensorRole::kFp8Scale:
      return {{TensorType::kF8E8m0, blocks, WeightType::kFp8, ScaleType::kE8m0},
              {TensorType::kF32, blocks, WeightType::kFp8, ScaleType::kF32},
              {TensorType::kU8, blocks, WeightType::kFp8, ScaleType::kE8m0}};
    case TensorRole::kRouted:
      return {{TensorType::kI8, halves, WeightType::kFp4, ScaleType::kNone},
              {TensorType::kF8E4m3, plain, WeightType::kFp8, ScaleType::kNone},
              {TensorType::kU8, halves, WeightType::kFp4, ScaleType::kNone}};
    case TensorRole::kRoutedScale:  // which of the two depends on the codes, which are bound before
      if (t.matrix->type == WeightType::kFp4) {
        return {{TensorType::kF8E8m0, rows32, WeightType::kFp4, ScaleType::kE8m0},
                {TensorType::kU8, rows32, WeightType::kFp4, ScaleType::kE8m0}};
      }
      return {{TensorType::kF32, blocks, WeightType::kFp8, ScaleType::kF32},
              {TensorType::kF8E8m0, blocks, WeightType::kFp8, ScaleType::kE8m0},
              {TensorType::kU8, blocks, WeightType::kFp8, ScaleType::kE8m0}};
    case TensorRole::kUnused:
      break;
  }
  return {};
}

std::string AcceptedText(const std::vector<Form>& forms) {
  std::string text;
  for (const Form& form : forms) {
    if (!text.empty()) text += " or ";
    text += StrCat(TensorTypeName(form.type), " ", ShapeText(form.shape));
  }
  return text;
}

std::string_view FoundTypeName(const TensorInfo& info) {
  return info.type == TensorType::kUnknown ? std::string_view{info.type_name} : TensorTypeName(info.type);
}

void Point(const ExpectedTensor& expected, const Form& form, const uint8_t* data) {
  if (expected.table != nullptr) {
    *expected.table = data;
  } else if (expected.vector != nullptr) {
    *expected.vector = {data, form.weight, expected.rows};
  } else if (expected.is_scale()) {
    expected.matrix->scale = data;
    expected.matrix->scale_type = form.scale;
  } else {
    expected.matrix->data = data;
    expected.matrix->type = form.weight;
    expected.matrix->rows = expected.rows;
    expected.matrix->cols = expected.cols;
  }
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& directory) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->directory_ = directory;
  if (!DirectoryExists(directory)) return NotFound(StrCat(directory, ": is no directory; a checkpoint is one"));
  FATHOM_ASSIGN_OR_RETURN(checkpoint->config_, ReadConfigJson(directory + "/config.json"));
  FATHOM_RETURN_IF_ERROR(checkpoint->OpenShards());
  checkpoint->DecideDraft();
  FATHOM_RETURN_IF_ERROR(checkpoint->BindAll());
  FATHOM_RETURN_IF_ERROR(checkpoint->AccountForUnused());
  return checkpoint;
}

Status Checkpoint::OpenShards() {
  const std::string index_path = directory_ + "/model.safetensors.index.json";
  if (FileExists(index_path)) return OpenIndexed(index_path);
  const std::string single = directory_ + "/model.safetensors";
  if (!FileExists(single)) {
    return NotFound(StrCat(directory_, ": holds neither model.safetensors.index.json nor model.safetensors"));
  }
  FATHOM_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(single));
  shards_.push_back(std::move(file));
  for (const TensorInfo& info : shards_[0].tensors()) FATHOM_RETURN_IF_ERROR(Collect(info, 0));
  return {};
}

Status Checkpoint::OpenIndexed(const std::string& index_path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path, kMaxIndexBytes));
  Result<Json> parsed = ParseJson(text);
  if (!parsed.ok()) return DataLoss(StrCat(index_path, ": ", parsed.status().message()));
  const Json* weight_map = parsed->Find("weight_map");
  if (weight_map == nullptr || !weight_map->is_object()) {
    return DataLoss(StrCat(index_path, ": has no object weight_map, which says where each tensor is"));
  }
  stored_.reserve(weight_map->members().size());
  order_.reserve(weight_map->members().size());
  std::unordered_map<std::string_view, size_t> shard_of;
  for (const auto& [name, file] : weight_map->members()) {
    const std::string tensor = StrCat("tensor '", Printable(name, 200), "'");
    if (!file.is_string()) return DataLoss(StrCat(index_path, ": weight_map of ", tensor, " is no string"));
    if (!IsPlainFileName(file.string())) {
      return DataLoss(StrCat(index_path, ": ", tensor, " is said to be in '", Printable(file.string(), 200),
                             "'; a plain file name in the same directory is accepted"));
    }
    auto found = shard_of.find(file.string());
    if (found == shard_of.end()) {
      if (shards_.size() >= kMaxShards)
        return DataLoss(StrCat(index_path, ": names more than ", kMaxShards, " shards"));
      const std::string path = StrCat(directory_, "/", file.string());
      if (!FileExists(path)) {
        return NotFound(StrCat(path, ": this shard is missing; model.safetensors.index.json names it for ", tensor));
      }
      FATHOM_ASSIGN_OR_RETURN(SafetensorsFile shard, SafetensorsFile::Open(path));
      found = shard_of.emplace(file.string(), shards_.size()).first;
      shards_.push_back(std::move(shard));
    }
    const TensorInfo* info = shards_[found->second].Find(name);
    if (info == nullptr) {
      return DataLoss(StrCat(shards_[found->second].path(), ": does not hold ", tensor,
                             ", which model.safetensors.index.json says it does"));
    }
    FATHOM_RETURN_IF_ERROR(Collect(*info, found->second));
  }
  return CheckAllListed();
}

Status Checkpoint::CheckAllListed() const {
  std::string storage;
  for (const SafetensorsFile& shard : shards_) {
    for (const TensorInfo& info : shard.tensors()) {
      const std::string name(CanonicalTensorName(info.name, &storage));
      const auto found = stored_.find(name);
      const bool listed = found != stored_.end() && found->second.info == &info;
      if (listed || name.starts_with("mtp.")) continue;
      return DataLoss(StrCat(shard.path(), ": holds tensor '", Printable(info.name, 200),
                             "', which model.safetensors.index.json ",
                             found == stored_.end() ? std::string("does not list")
                                                    : StrCat("says is in ", shards_[found->second.shard].path())));
    }
  }
  return {};
}

Status Checkpoint::Collect(const TensorInfo& info, size_t shard) {
  std::string storage;
  const std::string_view name = CanonicalTensorName(info.name, &storage);
  const auto [entry, inserted] = stored_.try_emplace(std::string(name), Stored{&info, shard, false});
  if (!inserted) {
    return DataLoss(StrCat(shards_[shard].path(), ": tensor '", Printable(info.name, 200),
                           "' is stored twice (also as '", Printable(entry->second.info->name, 200), "' in ",
                           shards_[entry->second.shard].path(), ")"));
  }
  order_.push_back(&entry->first);
  return {};
}

// The config's word on drafts is not enough: 0731 says num_nextn_predict_layers 1 but stores DSpark, and a copy may
// have been made without its draft.
void Checkpoint::DecideDraft() {
  const auto is_dspark = [](const std::string* name) {
    return *name == "mtp.0.main_proj.weight" || name->starts_with("mtp.2.");
  };
  if (std::ranges::any_of(order_, is_dspark)) config_.has_dspark = true;
  ModelConfig& model = config_.model;
  if (config_.has_dspark) model.mtp_layers = 0;
  if (model.mtp_layers > 0 && !StoresMtp()) {
    notes_.push_back("the MTP block that config.json announces is not stored; it is not used");
    model.mtp_layers = 0;
  }
  model.ratios.resize(static_cast<size_t>(model.layers + model.mtp_layers));
}

bool Checkpoint::StoresMtp() const {
  for (int64_t block = 0; block < config_.model.mtp_layers; ++block) {
    MtpWeights weights;
    TensorList expected;
    ListMtpTensors(config_.model, block, &weights, &expected);
    if (std::ranges::any_of(expected, [&](const ExpectedTensor& tensor) { return stored_.contains(tensor.name); })) {
      return true;
    }
  }
  return false;
}

Status Checkpoint::BindAll() {
  const ModelConfig& model = config_.model;
  tensors_.reserve(stored_.size());
  TensorList expected;
  ListGlobalTensors(model, &weights_, &expected);
  FATHOM_RETURN_IF_ERROR(Bind(expected));
  // One at a time, and the vector grows with what was found: a config that calls for more than is stored stops early.
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    LayerWeights& weights = weights_.layers.emplace_back();
    ListLayerTensors(model, layer, &weights, &expected);
    FATHOM_RETURN_IF_ERROR(Bind(expected));
    FATHOM_RETURN_IF_ERROR(CheckExpertsAlike(weights, StrCat("layers.", layer)));
  }
  for (int64_t block = 0; block < model.mtp_layers; ++block) {
    MtpWeights& weights = weights_.mtp.emplace_back();
    ListMtpTensors(model, block, &weights, &expected);
    FATHOM_RETURN_IF_ERROR(Bind(expected));
    FATHOM_RETURN_IF_ERROR(CheckExpertsAlike(weights.layer, StrCat("mtp.", block)));
  }
  return {};
}

Status Checkpoint::Bind(const TensorList& expected) {
  for (const ExpectedTensor& tensor : expected) FATHOM_RETURN_IF_ERROR(BindOne(tensor));
  return {};
}

Status Checkpoint::BindOne(const ExpectedTensor& expected) {
  const auto found = stored_.find(expected.name);
  const std::vector<Form> forms = AcceptedForms(expected);
  if (found == stored_.end()) {
    return NotFound(
        StrCat(directory_, ": tensor '", expected.name, "' is missing; config.json calls for ", AcceptedText(forms)));
  }
  Stored& stored = found->second;
  const TensorInfo& info = *stored.info;
  const auto form = std::find_if(forms.begin(), forms.end(),
                                 [&](const Form& f) { return f.type == info.type && f.shape == info.shape; });
  if (form == forms.end()) {
    return DataLoss(StrCat(shards_[stored.shard].path(), ": tensor '", Printable(info.name, 200), "' is ",
                           FoundTypeName(info), " ", ShapeText(info.shape), "; config.json calls for ",
                           AcceptedText(forms)));
  }
  Point(expected, *form, info.bytes.data());
  stored.used = true;
  tensors_.push_back(
      {&info, found->first, stored.shard, expected.role, expected.tensor_class, expected.rows, expected.cols});
  return {};
}

Status Checkpoint::CheckExpertsAlike(const LayerWeights& layer, const std::string& prefix) const {
  const Matrix& first = layer.experts[0].w1;
  for (size_t expert = 0; expert < layer.experts.size(); ++expert) {
    const ExpertWeights& e = layer.experts[expert];
    for (const Matrix* m : {&e.w1, &e.w2, &e.w3}) {
      if (m->type == first.type && m->scale_type == first.scale_type) continue;
      return DataLoss(StrCat(directory_, ": routed experts 0 and ", expert, " of '", prefix,
                             "' are stored in different formats; one format per layer is accepted"));
    }
  }
  return {};
}

Status Checkpoint::AccountForUnused() {
  size_t draft_tensors = 0;
  uint64_t draft_bytes = 0;
  const std::string* example = nullptr;
  for (const std::string* name : order_) {
    const Stored& stored = stored_.at(*name);
    if (stored.used) continue;
    if (!name->starts_with("mtp.")) {
      return DataLoss(StrCat(shards_[stored.shard].path(), ": tensor '", Printable(stored.info->name, 200),
                             "' is unknown: no tensor of that name belongs to a model of this config.json"));
    }
    ++draft_tensors;
    draft_bytes += stored.info->bytes.size();
    if (example == nullptr) example = name;
    tensors_.push_back({stored.info, *name, stored.shard, TensorRole::kUnused, TensorClass::kUnused, 0, 0});
  }
  if (draft_tensors == 0) return {};
  const std::string amount =
      StrCat(draft_tensors, draft_tensors == 1 ? " tensor, " : " tensors, ", HumanBytes(draft_bytes));
  notes_.push_back(config_.has_dspark ? StrCat("the DSpark draft module (", amount, ") is left unused")
                                      : StrCat("unknown tensors below mtp. (", amount, ", first '",
                                               Printable(*example, 200), "') are left unused"));
  return {};
}

std::string Checkpoint::model_name() const {
  const std::string name = ModelName(config_);
  const bool fp8 = weights_.layers[0].experts[0].w1.type == WeightType::kFp8;
  return fp8 && name.starts_with("DeepSeek-V4-") ? name + "-Base" : name;
}

uint64_t Checkpoint::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const CheckpointTensor& tensor : tensors_) bytes += tensor.info->bytes.size();
  return bytes;
}

uint64_t Checkpoint::shard_bytes() const {
  uint64_t bytes = 0;
  for (const SafetensorsFile& shard : shards_) bytes += shard.bytes().size();
  return bytes;
}

bool Checkpoint::FitsMemory() const { return shard_bytes() <= GetCpuFeatures().ram_bytes / 5 * 4; }

void Checkpoint::PreferLargePages() const {
  if (!FitsMemory()) return;
  for (const SafetensorsFile& shard : shards_) shard.PreferLargePages();
}

Status Checkpoint::ReadIntoMemory(ThreadPool& pool) {
  const uint64_t bytes = shard_bytes();
  if (GetCpuFeatures().ram_bytes != 0 && !FitsMemory()) {
    return Status(ErrorCode::kResource,
                  StrCat(directory_, ": the weights take ", HumanBytes(bytes), "; of the ",
                         HumanBytes(GetCpuFeatures().ram_bytes),
                         " of memory that this process may use at most four fifths can be theirs; without --no-mmap "
                         "they need not fit"));
  }
  Progress progress("reading weights", bytes, Progress::Unit::kBytes);
  for (SafetensorsFile& shard : shards_) FATHOM_RETURN_IF_ERROR(shard.ReadIntoMemory(pool, progress));
  progress.Finish();
  return {};
}

}  // namespace fathom
