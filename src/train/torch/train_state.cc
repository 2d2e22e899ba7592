#include "train/torch/train_state.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "train/torch/vector_ops.h"
#include "train/train_config.h"

namespace fathom {
namespace {

// More than the longest run of the longest steps reads of the shortest dialogues, and than any run's milliseconds; far
// below where counting on would begin again at 0.
constexpr uint64_t kMostCounted = uint64_t{1} << 53;

// The metadata that says what goes into products.
constexpr std::string_view kProducts = "products";
constexpr std::string_view kBf16Products = "bf16";
constexpr std::string_view kFloatProducts = "float";

std::vector<std::pair<std::string, Tensor>> AllTensors(const Parameters& parameters, const Optimizer& optimizer) {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const Parameter& p : parameters.all()) all.emplace_back(StrCat("value/", p.name), p.value.detach());
  for (auto& moment : optimizer.State()) all.push_back(std::move(moment));
  return all;
}

std::string TableName(const std::string& name) { return StrCat("table/", name); }

// The metadata's text of a key; nullptr if there is none.
const std::string* FindMetadata(const SafetensorsFile& file, std::string_view key) {
  for (const auto& [name, text] : file.metadata()) {
    if (name == key) return &text;
  }
  return nullptr;
}

Result<uint64_t> ReadNumber(const SafetensorsFile& file, std::string_view key, uint64_t most) {
  const std::string* text = FindMetadata(file, key);
  if (text == nullptr) {
    return DataLoss(StrCat(file.path(), " is no training state: its metadata has no number ", key));
  }
  uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const std::from_chars_result read = std::from_chars(text->data(), end, value);
  if (read.ec == std::errc() && read.ptr == end && value <= most) return value;
  return DataLoss(StrCat(file.path(), " is no training state: its metadata ", key, " is \"", Printable(*text, 40),
                         "\"; accepted are whole numbers from 0 to ", most));
}

// Whether they are BF16: in states of earlier versions, which do not say it, they are.
Result<bool> ReadProducts(const SafetensorsFile& file) {
  const std::string* text = FindMetadata(file, kProducts);
  if (text == nullptr || *text == kBf16Products) return true;
  if (*text == kFloatProducts) return false;
  return DataLoss(StrCat(file.path(), " is no training state: its metadata ", kProducts, " is \"", Printable(*text, 40),
                         "\"; accepted are ", kBf16Products, " and ", kFloatProducts));
}

// The configuration in a state's metadata.
Result<CheckpointConfig> ParseModel(const SafetensorsFile& file, const std::string& text) {
  return ParseConfigJson(text, StrCat(file.path(), ", metadata model"));
}

// Returns the state's format of experts; empty: it does not say.
Result<std::string> CheckModel(const SafetensorsFile& file, const std::string& text, const CheckpointConfig& config) {
  FATHOM_ASSIGN_OR_RETURN(const CheckpointConfig state, ParseModel(file, text));
  if (const std::optional<std::string> difference = ModelDifference(state, config); difference) {
    return InvalidArgument(StrCat(file.path(), " is of another model configuration: ", *difference,
                                  "; name another --run for another model"));
  }
  return state.expert_dtype;
}

// Each of the tensors is there with its shape.
Status CheckShapes(const SafetensorsFile& file, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const TensorInfo* info = file.Find(name);
    if (info == nullptr)
      return DataLoss(StrCat(file.path(), " has no tensor ", name, "; it belongs to another config"));
    const std::vector<int64_t> shape = tensor.sizes().vec();
    if (info->type != TensorType::kF32 || info->shape != shape) {
      return DataLoss(StrCat(file.path(), ": tensor ", name, " is ", TensorTypeName(info->type), " ",
                             ShapeText(info->shape), "; the config needs F32 ", ShapeText(shape)));
    }
  }
  return {};
}

// A value that is not finite would be taken for the work of a too high learning rate some steps later.
Status CheckValues(const SafetensorsFile& file, const std::vector<std::pair<std::string, Tensor>>& tensors) {
  Progress progress(StrCat("reading ", file.path()), file.bytes().size(), Progress::Unit::kBytes);
  constexpr size_t kPiece = 1 << 20;
  for (const auto& [name, tensor] : tensors) {
    std::span<const uint8_t> rest = file.Find(name)->bytes;
    while (!rest.empty()) {
      if (InterruptRequested()) return Cancelled(StrCat("stopped while ", file.path(), " was read"));
      const std::span<const uint8_t> piece = rest.first(std::min(rest.size(), kPiece));
      if (!AllFinite(piece)) {
        return DataLoss(
            StrCat(file.path(), ": tensor ", name, " has a value that is not finite; no run goes on from it"));
      }
      progress.Add(piece.size());
      rest = rest.subspan(piece.size());
    }
  }
  progress.Finish();
  return {};
}

Status ReadTable(const SafetensorsFile& file, const std::string& name, int64_t experts, std::vector<int64_t>* table) {
  const TensorInfo* info = file.Find(TableName(name));
  const size_t bytes = table->size() * sizeof(int64_t);
  if (info == nullptr || info->type != TensorType::kI64 || info->bytes.size() != bytes) {
    return DataLoss(StrCat(file.path(), " has no tensor ", TableName(name), " of ", table->size(), " I64 values"));
  }
  std::vector<int64_t> ids(table->size());
  std::memcpy(ids.data(), info->bytes.data(), bytes);
  for (const int64_t id : ids) {
    if (id < 0 || id >= experts) {
      return DataLoss(StrCat(file.path(), ": tensor ", TableName(name), " has the expert ", id, "; accepted are 0 to ",
                             experts - 1));
    }
  }
  *table = std::move(ids);
  return {};
}

}  // namespace

Status SaveTrainState(const std::string& path, const TrainPosition& position, const ModelConfig& model,
                      const Parameters& parameters, const Optimizer& optimizer) {
  FATHOM_RETURN_IF_ERROR(parameters.CheckFinite());
  const auto tensors = AllTensors(parameters, optimizer);
  const CheckpointConfig config = {.model = model, .expert_dtype = parameters.expert_dtype()};
  std::vector<TensorSpec> specs;
  specs.reserve(tensors.size() + parameters.token_tables().size());
  for (const auto& [name, tensor] : tensors) specs.push_back({name, TensorType::kF32, tensor.sizes().vec()});
  for (const auto& [name, table] : parameters.token_tables()) {
    specs.push_back({TableName(name), TensorType::kI64, {model.vocab_size, model.experts_per_token}});
  }
  const std::vector<std::pair<std::string, std::string>> metadata = {
      {"format", "pt"},
      {"step", std::to_string(position.step)},
      {"optimizer_steps", std::to_string(optimizer.steps())},
      {"next_dialogue", std::to_string(position.next_dialogue)},
      {"milliseconds", std::to_string(static_cast<uint64_t>(position.seconds * 1000))},
      {std::string(kProducts), std::string(position.half ? kBf16Products : kFloatProducts)},
      {"model", ConfigToJson(config).Dump()},
  };
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> writer,
                          SafetensorsWriter::Create(path, std::move(specs), metadata));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor tensor = tensors[i].second.contiguous();
    const auto* bytes = static_cast<const uint8_t*>(tensor.data_ptr());
    FATHOM_RETURN_IF_ERROR(writer->Write(i, 0, {bytes, tensor.nbytes()}));
  }
  size_t index = tensors.size();
  for (const auto& [name, table] : parameters.token_tables()) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(table.data());
    FATHOM_RETURN_IF_ERROR(writer->Write(index++, 0, {bytes, table.size() * sizeof(int64_t)}));
  }
  return writer->Finish();
}

std::optional<std::string> ModelDifference(const CheckpointConfig& theirs, const CheckpointConfig& ours) {
  // Both sides are written alike, so that only numbers, and the experts' format if both say it, can differ.
  const Json their_keys = ConfigToJson(theirs);
  const Json our_keys = ConfigToJson(ours);
  for (const auto& [key, value] : our_keys.members()) {
    const Json* other = their_keys.Find(key);
    if (other == nullptr && key == "expert_dtype") continue;
    if (other != nullptr && other->Dump() == value.Dump()) continue;
    return StrCat("its ", key, " is ", other == nullptr ? "missing" : Printable(other->Dump(), 40), ", and model.", key,
                  " is ", Printable(value.Dump(), 40));
  }
  return std::nullopt;
}

Result<bool> IsWholeState(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const std::string* of_model = FindMetadata(file, "model");
  if (of_model == nullptr) return false;
  FATHOM_ASSIGN_OR_RETURN(const CheckpointConfig model, ParseModel(file, *of_model));
  return !model.expert_dtype.empty();
}

Result<TrainPosition> LoadTrainState(const std::string& path, const CheckpointConfig& config, Parameters& parameters,
                                     Optimizer& optimizer) {
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const std::string* of_model = FindMetadata(file, "model");
  std::string expert_dtype;
  if (of_model != nullptr) {
    FATHOM_ASSIGN_OR_RETURN(expert_dtype, CheckModel(file, *of_model, config));
  }
  const auto tensors = AllTensors(parameters, optimizer);
  FATHOM_RETURN_IF_ERROR(CheckShapes(file, tensors));
  TrainPosition position;
  FATHOM_ASSIGN_OR_RETURN(const uint64_t step, ReadNumber(file, "step", kMaxTrainSteps));
  FATHOM_ASSIGN_OR_RETURN(const uint64_t optimizer_steps, ReadNumber(file, "optimizer_steps", kMaxTrainSteps));
  FATHOM_ASSIGN_OR_RETURN(position.next_dialogue, ReadNumber(file, "next_dialogue", kMostCounted));
  FATHOM_ASSIGN_OR_RETURN(const uint64_t milliseconds, ReadNumber(file, "milliseconds", kMostCounted));
  FATHOM_ASSIGN_OR_RETURN(position.half, ReadProducts(file));
  // States of earlier versions name no model and have no tables.
  std::map<std::string, std::vector<int64_t>> tables = parameters.token_tables();
  for (auto& [name, table] : tables) {
    if (of_model != nullptr) FATHOM_RETURN_IF_ERROR(ReadTable(file, name, config.model.experts, &table));
  }
  FATHOM_RETURN_IF_ERROR(CheckValues(file, tensors));
  position.step = static_cast<int64_t>(step);
  position.seconds = static_cast<double>(milliseconds) / 1000;
  optimizer.set_steps(static_cast<int64_t>(optimizer_steps));
  if (!expert_dtype.empty()) parameters.SetExpertDtype(expert_dtype);
  parameters.token_tables() = std::move(tables);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    std::memcpy(tensor.data_ptr(), file.Find(name)->bytes.data(), tensor.nbytes());
  }
  return position;
}

}  // namespace fathom
