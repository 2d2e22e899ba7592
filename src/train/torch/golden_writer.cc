#include "train/torch/golden_writer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/safetensors_writer.h"
#include "train/torch/gemm.h"
#include "train/torch/train_model.h"

namespace fathom {
namespace {

// Arrays under their names, in the order of the file.
class Arrays {
 public:
  void Add(std::string name, const Tensor& values) {
    const bool ids = values.scalar_type() == torch::kInt32;
    specs_.push_back({std::move(name), ids ? TensorType::kI32 : TensorType::kF32, values.sizes().vec()});
    values_.push_back(values.contiguous());
  }
  void Add(std::string name, const std::vector<int32_t>& ids, int64_t columns) {
    Tensor values = torch::empty({static_cast<int64_t>(ids.size()) / columns, columns}, torch::kInt32);
    std::copy(ids.begin(), ids.end(), values.data_ptr<int32_t>());
    Add(std::move(name), values);
  }

  Status Write(const std::string& path) const {
    FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> writer, SafetensorsWriter::Create(path, specs_));
    for (size_t i = 0; i < values_.size(); ++i) {
      const auto* bytes = static_cast<const uint8_t*>(values_[i].data_ptr());
      FATHOM_RETURN_IF_ERROR(writer->Write(i, 0, {bytes, values_[i].nbytes()}));
    }
    return writer->Finish();
  }

 private:
  std::vector<TensorSpec> specs_;
  std::vector<Tensor> values_;
};

// A layer's choices in run A's prefill.
struct LayerIds {
  std::vector<int32_t> experts;   // [P, k]
  std::vector<int32_t> selected;  // [P, K], -1 where a token sees fewer rows
};

Status Stopped() { return Cancelled("stopped before anything was written"); }

Status AddMode(const std::string& mode, TrainModel& model, const ModelConfig& config, const TrainBatch& batch,
               Arrays* arrays) {
  const auto count = static_cast<int64_t>(batch.tokens.size());
  const int64_t prefill = count - kGoldenDecode;
  const int64_t selected_columns = std::min(config.index_topk, prefill / 4);
  std::vector<LayerIds> layers(static_cast<size_t>(config.layers));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (config.ratio(layer) != 4) continue;
    layers[static_cast<size_t>(layer)].selected.assign(static_cast<size_t>(prefill * selected_columns), -1);
  }
  ForwardTaps taps;
  Progress progress(StrCat("computing the layers of mode ", mode), static_cast<uint64_t>(config.layers),
                    Progress::Unit::kItems);
  taps.layer_done = [&](int64_t layer) {
    progress.Update(static_cast<uint64_t>(layer) + 1);
    return !InterruptRequested();
  };
  taps.experts = [&](int64_t layer, const std::vector<int32_t>& experts) {
    const auto end = experts.begin() + prefill * config.experts_per_token;
    layers[static_cast<size_t>(layer)].experts.assign(experts.begin(), end);
  };
  taps.selected = [&](int64_t layer, int64_t token, const std::vector<int32_t>& rows) {
    if (token >= prefill) return;
    std::vector<int32_t>& selected = layers[static_cast<size_t>(layer)].selected;
    std::copy(rows.begin(), rows.end(), selected.begin() + token * selected_columns);
  };
  const bool has_mtp = config.mtp_layers > 0;
  Tensor mtp;
  const Tensor logits = model.Logits(batch, has_mtp ? &mtp : nullptr, taps);
  if (!logits.defined()) return Stopped();
  progress.Finish();
  arrays->Add(mode + ".trace.logits", logits.narrow(0, 0, kGoldenDecode));
  arrays->Add(mode + ".A.decode_logits", logits.narrow(0, prefill, kGoldenDecode));
  if (has_mtp) arrays->Add(mode + ".A.mtp_decode_logits", mtp.narrow(0, prefill, kGoldenDecode - 1));
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    arrays->Add(StrCat(mode, ".A.", layer, ".expert_ids"), layers[layer].experts, config.experts_per_token);
    if (layers[layer].selected.empty()) continue;
    arrays->Add(StrCat(mode, ".A.", layer, ".selected"), layers[layer].selected, selected_columns);
  }
  return {};
}

}  // namespace

Status WriteGolden(const Checkpoint& checkpoint, const std::vector<int32_t>& tokens) {
  FATHOM_CHECK(static_cast<int64_t>(tokens.size()) >= 2 * kGoldenDecode);
  FATHOM_ASSIGN_OR_RETURN(Parameters parameters, Parameters::FromCheckpoint(checkpoint));
  TrainModel model(checkpoint.config(), parameters);
  TrainBatch batch;
  batch.tokens = tokens;
  batch.weights.assign(tokens.size(), 1.0f);
  batch.answers.assign(tokens.size(), 1);
  batch.lengths = {static_cast<int64_t>(tokens.size())};
  const torch::NoGradGuard no_grad;
  const TrainArithmetic before = Arithmetic();
  Arrays arrays;
  Tensor ids = torch::empty({static_cast<int64_t>(tokens.size())}, torch::kInt32);
  std::copy(tokens.begin(), tokens.end(), ids.data_ptr<int32_t>());
  arrays.Add("tokens", ids);
  Status status;
  for (const bool quantize : {false, true}) {
    Arithmetic() = {.half = false, .quantize_weights = true, .quantize_activations = quantize};
    if (status.ok()) status = AddMode(quantize ? "f32" : "exact", model, checkpoint.config(), batch, &arrays);
  }
  Arithmetic() = before;
  FATHOM_RETURN_IF_ERROR(status);
  if (InterruptRequested()) return Stopped();
  FATHOM_RETURN_IF_ERROR(arrays.Write(checkpoint.directory() + "/golden.safetensors"));
  const auto prefill = static_cast<int64_t>(tokens.size()) - kGoldenDecode;
  return WriteFileAtomically(
      checkpoint.directory() + "/golden.json",
      StrCat("{\n  \"tokens\": ", tokens.size(), ",\n  \"prefill_A\": ", prefill, ",\n  \"prefill_B\": ", kGoldenDecode,
             ",\n  \"end_B\": ", 2 * kGoldenDecode, ",\n  \"trace_prompt\": ", kGoldenDecode,
             ",\n  \"source\": \"fathom train --golden, float arithmetic\"\n}\n"));
}

}  // namespace fathom
