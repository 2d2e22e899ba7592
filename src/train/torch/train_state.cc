#include "train/torch/train_state.h"

#include <bit>
#include <charconv>
#include <cstring>
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

Result<uint64_t> ReadNumber(const SafetensorsFile& file, const std::string& path, std::string_view key) {
  for (const auto& [name, text] : file.metadata()) {
    uint64_t value = 0;
    if (name != key) continue;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) return value;
  }
  return Status(ErrorCode::kDataLoss, StrCat(path, " is no training state: its metadata has no number ", key));
}

}  // namespace

Status SaveTrainState(const std::string& path, const TrainPosition& position, const Parameters& parameters,
                      const Optimizer& optimizer) {
  const auto tensors = AllTensors(parameters, optimizer);
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) specs.push_back({name, TensorType::kF32, tensor.sizes().vec()});
  const std::vector<std::pair<std::string, std::string>> metadata = {
      {"format", "pt"},
      {"step", std::to_string(position.step)},
      {"optimizer_steps", std::to_string(optimizer.steps())},
      {"next_dialogue", std::to_string(position.next_dialogue)},
      {"milliseconds", std::to_string(static_cast<uint64_t>(position.seconds * 1000))},
  };
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> writer,
                          SafetensorsWriter::Create(path, std::move(specs), metadata));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor tensor = tensors[i].second.contiguous();
    const auto* bytes = static_cast<const uint8_t*>(tensor.data_ptr());
    FATHOM_RETURN_IF_ERROR(writer->Write(i, 0, {bytes, tensor.nbytes()}));
  }
  return writer->Finish();
}

Result<TrainPosition> LoadTrainState(const std::string& path, Parameters& parameters, Optimizer& optimizer) {
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
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
  position.step = static_cast<int64_t>(step);
  position.seconds = static_cast<double>(milliseconds) / 1000;
  optimizer.set_steps(static_cast<int64_t>(optimizer_steps));
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    std::memcpy(tensor.data_ptr(), file.Find(name)->bytes.data(), tensor.nbytes());
  }
  return position;
}

}  // namespace fathom
