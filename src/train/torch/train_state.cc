#include "train/torch/train_state.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"

namespace fathom {
namespace {

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

Result<uint64_t> ReadNumber(const SafetensorsFile& file, const std::string& path, std::string_view key) {
  const std::string* text = FindMetadata(file, key);
  uint64_t value = 0;
  if (text != nullptr && std::from_chars(text->data(), text->data() + text->size(), value).ec == std::errc()) {
    return value;
  }
  return Status(ErrorCode::kDataLoss, StrCat(path, " is no training state: its metadata has no number ", key));
}

// Shapes alone do not tell models apart. Both sides are read and written alike, so that only numbers, and the experts'
// format if both say it, can differ. Returns the state's format; empty: it does not say.
Result<std::string> CheckModel(const std::string& path, const std::string& text, const CheckpointConfig& config) {
  FATHOM_ASSIGN_OR_RETURN(const CheckpointConfig state, ParseConfigJson(text, StrCat(path, ", metadata model")));
  const Json theirs = ConfigToJson(state);
  const Json ours = ConfigToJson(config);
  for (const auto& [key, value] : ours.members()) {
    const Json* other = theirs.Find(key);
    if (other != nullptr && other->Dump() == value.Dump()) continue;
    if (other == nullptr && key == "expert_dtype") continue;
    return InvalidArgument(StrCat(path, " is of another model configuration: its ", key, " is ",
                                  other == nullptr ? "missing" : Printable(other->Dump(), 40), ", and model.", key,
                                  " is ", Printable(value.Dump(), 40), "; name another --run for another model"));
  }
  return state.expert_dtype;
}

Status ReadTable(const SafetensorsFile& file, const std::string& path, const std::string& name, int64_t experts,
                 std::vector<int64_t>* table) {
  const TensorInfo* info = file.Find(TableName(name));
  const size_t bytes = table->size() * sizeof(int64_t);
  if (info == nullptr || info->type != TensorType::kI64 || info->bytes.size() != bytes) {
    return DataLoss(StrCat(path, " has no tensor ", TableName(name), " of ", table->size(), " I64 values"));
  }
  std::vector<int64_t> ids(table->size());
  std::memcpy(ids.data(), info->bytes.data(), bytes);
  for (const int64_t id : ids) {
    if (id < 0 || id >= experts) {
      return DataLoss(
          StrCat(path, ": tensor ", TableName(name), " has the expert ", id, "; accepted are 0 to ", experts - 1));
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

Result<TrainPosition> LoadTrainState(const std::string& path, const CheckpointConfig& config, Parameters& parameters,
                                     Optimizer& optimizer) {
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const std::string* of_model = FindMetadata(file, "model");
  std::string expert_dtype;
  if (of_model != nullptr) {
    FATHOM_ASSIGN_OR_RETURN(expert_dtype, CheckModel(path, *of_model, config));
  }
  const auto tensors = AllTensors(parameters, optimizer);
  for (const auto& [name, tensor] : tensors) {
    const TensorInfo* info = file.Find(name);
    const std::string expected = ShapeText(tensor.sizes().vec());
    if (info == nullptr) {
      return Status(ErrorCode::kDataLoss, StrCat(path, " has no tensor ", name, "; it belongs to another config"));
    }
    if (info->type != TensorType::kF32 || info->bytes.size() != tensor.nbytes()) {
      return Status(ErrorCode::kDataLoss, StrCat(path, ": tensor ", name, " is ", TensorTypeName(info->type), " ",
                                                 ShapeText(info->shape), "; the config needs F32 ", expected));
    }
  }
  TrainPosition position;
  FATHOM_ASSIGN_OR_RETURN(const uint64_t step, ReadNumber(file, path, "step"));
  FATHOM_ASSIGN_OR_RETURN(const uint64_t optimizer_steps, ReadNumber(file, path, "optimizer_steps"));
  FATHOM_ASSIGN_OR_RETURN(position.next_dialogue, ReadNumber(file, path, "next_dialogue"));
  FATHOM_ASSIGN_OR_RETURN(const uint64_t milliseconds, ReadNumber(file, path, "milliseconds"));
  // States of earlier versions name no model and have no tables.
  std::map<std::string, std::vector<int64_t>> tables = parameters.token_tables();
  for (auto& [name, table] : tables) {
    if (of_model != nullptr) FATHOM_RETURN_IF_ERROR(ReadTable(file, path, name, config.model.experts, &table));
  }
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
