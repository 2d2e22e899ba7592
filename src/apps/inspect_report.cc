#include "apps/inspect_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/strings.h"
#include "cache/sequence_cache.h"
#include "kernels/kv_row.h"

namespace fathom {
namespace {

bool IsScale(const CheckpointTensor& tensor) {
  return tensor.role == TensorRole::kFp8Scale || tensor.role == TensorRole::kRoutedScale;
}

bool IsRouted(const CheckpointTensor& tensor) {
  return tensor.role == TensorRole::kRouted || tensor.role == TensorRole::kRoutedScale;
}

// Weights of a tensor; none for scales and tables.
uint64_t Parameters(const CheckpointTensor& tensor) {
  if (IsScale(tensor) || tensor.role == TensorRole::kTokenTable || tensor.role == TensorRole::kUnused) return 0;
  return static_cast<uint64_t>(tensor.rows * std::max<int64_t>(tensor.cols, 1));
}

// The part of a tensor that one token uses.
double ShareOf(const CheckpointTensor& tensor, const ModelConfig& config) {
  if (IsRouted(tensor)) return static_cast<double>(config.experts_per_token) / static_cast<double>(config.experts);
  const bool by_token = tensor.tensor_class == TensorClass::kEmbedding || tensor.role == TensorRole::kTokenTable;
  return by_token ? 1.0 / static_cast<double>(config.vocab_size) : 1.0;
}

void AddTensors(const Checkpoint& checkpoint, InspectReport* report) {
  std::array<ClassRow, kTensorClasses> rows;
  double active = 0;
  double routed = 0;
  double other = 0;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    const uint64_t bytes = tensor.info->bytes.size();
    ClassRow& row = rows[static_cast<size_t>(tensor.tensor_class)];
    ++row.tensors;
    row.bytes += bytes;
    if (tensor.tensor_class == TensorClass::kUnused) continue;
    if (tensor.tensor_class == TensorClass::kMtp) {
      report->mtp_parameters += Parameters(tensor);
      continue;
    }
    const double share = ShareOf(tensor, checkpoint.config());
    report->parameters += Parameters(tensor);
    active += share * static_cast<double>(Parameters(tensor));
    report->weight_bytes += bytes;
    (IsRouted(tensor) ? routed : other) += share * static_cast<double>(bytes);
    if (IsRouted(tensor)) report->routed_bytes += bytes;
  }
  report->active_parameters = static_cast<uint64_t>(std::llround(active));
  report->routed_bytes_per_token = static_cast<uint64_t>(std::llround(routed));
  report->other_bytes_per_token = static_cast<uint64_t>(std::llround(other));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].tensor_class = static_cast<TensorClass>(i);
    if (rows[i].tensors > 0) report->classes.push_back(rows[i]);
  }
}

// "284 B", "1.6 T": numbers of parameters.
std::string HumanCount(uint64_t count) {
  const char* const units[] = {"", " k", " M", " B", " T"};
  auto value = static_cast<double>(count);
  int unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return std::to_string(count);
  return StrFormat("%.*f%s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
}

// "2150", "8.8", "0.0412".
std::string Rate(double value) { return value >= 99.5 ? StrFormat("%.0f", value) : StrFormat("%.2g", value); }

// "8K", "128K", "1M", "5000".
std::string ContextName(int64_t tokens) {
  if (tokens % (1 << 20) == 0) return StrCat(tokens >> 20, "M");
  if (tokens % 1024 == 0) return StrCat(tokens >> 10, "K");
  return std::to_string(tokens);
}

std::string ExpertFormat(const Checkpoint& checkpoint) {
  return checkpoint.weights().layers[0].experts[0].w1.type == WeightType::kFp4 ? "FP4" : "FP8";
}

std::string LayerKinds(const ModelConfig& config) {
  int64_t window = 0;
  int64_t ratio4 = 0;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    window += config.ratio(layer) == 0 ? 1 : 0;
    ratio4 += config.ratio(layer) == 4 ? 1 : 0;
  }
  std::string text = StrCat(config.layers, config.layers == 1 ? " layer (" : " layers (", window, " window, ", ratio4,
                            " ratio 4, ", config.layers - window - ratio4, " ratio 128)");
  if (config.hash_layers > 0) text += StrCat(", the first ", config.hash_layers, " routed by token id");
  if (config.mtp_layers > 0) text += StrCat(", ", config.mtp_layers, " MTP block", config.mtp_layers == 1 ? "" : "s");
  return text;
}

}  // namespace

bool InspectReport::fits_ram() const {
  const uint64_t cache = contexts.empty() ? 0 : contexts.front().cache_bytes;
  return machine.ram_bytes >= weight_bytes + cache + kWorkspaceBytes;
}

double InspectReport::tokens_per_second() const {
  return bytes_per_token() == 0 ? 0 : machine.read_bandwidth / static_cast<double>(bytes_per_token());
}

double InspectReport::disk_bytes_per_token() const {
  if (fits_ram() || machine.ram_bytes == 0 || routed_bytes == 0) return 0;
  const uint64_t rest =
      weight_bytes - routed_bytes + kWorkspaceBytes + (contexts.empty() ? 0 : contexts.front().cache_bytes);
  if (machine.ram_bytes <= rest) {
    // Not even the dense part stays; what is missing of it comes from the disk too.
    return static_cast<double>(routed_bytes_per_token) +
           static_cast<double>(std::min(rest - machine.ram_bytes, other_bytes_per_token));
  }
  const double held = static_cast<double>(machine.ram_bytes - rest) / static_cast<double>(routed_bytes);
  return static_cast<double>(routed_bytes_per_token) * std::max(0.0, 1 - held);
}

InspectReport MakeInspectReport(const Checkpoint& checkpoint, const std::vector<int64_t>& contexts,
                                const MachineFacts& machine) {
  InspectReport report;
  report.machine = machine;
  AddTensors(checkpoint, &report);
  const ModelConfig& config = checkpoint.config();
  const CacheLayout layout({RowFormat::kQuantized, config.head_dim, config.rope_dim},
                           {RowFormat::kQuantized, config.index_dim}, config.window,
                           {config.ratios.begin(), config.ratios.begin() + config.layers});
  report.cache_fixed_bytes = static_cast<uint64_t>(layout.state_bytes());
  report.cache_bytes_per_token =
      static_cast<double>(layout.block_bytes()) / static_cast<double>(CacheLayout::kBlockTokens);
  for (const int64_t tokens : contexts) {
    if (tokens > config.max_context) continue;
    report.contexts.push_back(
        {tokens, static_cast<uint64_t>(layout.state_bytes() + layout.BlocksFor(tokens) * layout.block_bytes())});
  }
  return report;
}

std::string InspectText(const Checkpoint& checkpoint, const InspectReport& report) {
  const ModelConfig& config = checkpoint.config();
  std::string text = StrCat(checkpoint.model_name(), "  (", checkpoint.directory(), ")\n");
  text += StrCat("  ", LayerKinds(config), "\n");
  text += StrCat("  width ", config.hidden_size, " x ", config.streams, " streams, ", config.heads, " heads of ",
                 config.head_dim, ", ", config.experts, " ", ExpertFormat(checkpoint), " experts of which ",
                 config.experts_per_token, " + 1 shared per token, ", config.vocab_size, " tokens, context ",
                 config.max_context, "\n");
  text += StrCat("  parameters            ", HumanCount(report.parameters), ", of which ",
                 HumanCount(report.active_parameters), " act per token");
  if (report.mtp_parameters > 0) text += StrCat("; ", HumanCount(report.mtp_parameters), " more in the MTP block");
  text += "\n";
  for (const std::string& note : checkpoint.notes()) text += StrCat("  note: ", note, "\n");

  text += "\nbytes by class\n";
  const uint64_t total = checkpoint.tensor_bytes();
  for (const ClassRow& row : report.classes) {
    text +=
        StrFormat("  %-22s %10s  %5.1f %%  %7lld tensor%s\n", std::string(TensorClassName(row.tensor_class)).c_str(),
                  HumanBytes(row.bytes).c_str(), 100 * static_cast<double>(row.bytes) / static_cast<double>(total),
                  static_cast<long long>(row.tensors), row.tensors == 1 ? "" : "s");
  }
  text +=
      StrFormat("  %-22s %10s           %7zu tensors in %zu file%s\n", "total", HumanBytes(total).c_str(),
                checkpoint.tensors().size(), checkpoint.shards().size(), checkpoint.shards().size() == 1 ? "" : "s");

  text +=
      StrFormat("\nread per decoded token   %s: %s of routed experts (%lld of %lld per layer), %s of everything else\n",
                HumanBytes(report.bytes_per_token()).c_str(), HumanBytes(report.routed_bytes_per_token).c_str(),
                static_cast<long long>(config.experts_per_token), static_cast<long long>(config.experts),
                HumanBytes(report.other_bytes_per_token).c_str());
  text += StrFormat("\ncache of one sequence    %.0f B per token and a fixed %s\n", report.cache_bytes_per_token,
                    HumanBytes(report.cache_fixed_bytes).c_str());
  for (const ContextRow& row : report.contexts) {
    text +=
        StrFormat("  %-22s %10s\n", (ContextName(row.tokens) + " tokens").c_str(), HumanBytes(row.cache_bytes).c_str());
  }
  return text;
}

std::string MachineText(const InspectReport& report) {
  const MachineFacts& machine = report.machine;
  const std::string weights = HumanBytes(report.weight_bytes);
  std::string text = "this machine\n";
  if (machine.ram_bytes == 0) {
    text += StrCat("  memory                its size is unknown; the weights are ", weights, "\n");
  } else if (report.fits_ram()) {
    text += StrCat("  memory                ", weights, " of weights fit in ", HumanBytes(machine.ram_bytes), "\n");
  } else {
    text +=
        StrCat("  memory                ", weights, " of weights do not fit in ", HumanBytes(machine.ram_bytes), "\n");
  }
  text += StrFormat("  read bandwidth        %.1f GB/s with %d thread%s, measured now\n", machine.read_bandwidth / 1e9,
                    machine.threads, machine.threads == 1 ? "" : "s");
  text += StrCat("  decode speed          at most ", Rate(report.tokens_per_second()),
                 " tokens/s: bandwidth / bytes read per token",
                 report.fits_ram() || machine.ram_bytes == 0 ? "" : ", if all were in memory", "\n");
  const double disk = report.disk_bytes_per_token();
  if (disk > 0) {
    text += StrCat("  from disk             about ", HumanBytes(static_cast<uint64_t>(disk)),
                   " per token, so the disk decides: ", Rate(1e9 / disk), " tokens/s for each GB/s it reads\n");
  }
  return text;
}

Json InspectJson(const Checkpoint& checkpoint, const InspectReport& report) {
  const auto number = [](uint64_t value) { return Json::Int(static_cast<int64_t>(value)); };
  const ModelConfig& config = checkpoint.config();
  std::vector<Json> notes;
  for (const std::string& note : checkpoint.notes()) notes.push_back(Json::String(note));
  std::vector<Json> classes;
  for (const ClassRow& row : report.classes) {
    classes.push_back(Json::Object({{"class", Json::String(std::string(TensorClassName(row.tensor_class)))},
                                    {"tensors", Json::Int(row.tensors)},
                                    {"bytes", number(row.bytes)}}));
  }
  std::vector<Json> contexts;
  for (const ContextRow& row : report.contexts) {
    contexts.push_back(Json::Object({{"tokens", Json::Int(row.tokens)}, {"cache_bytes", number(row.cache_bytes)}}));
  }
  Json machine = Json::Object({{"ram_bytes", number(report.machine.ram_bytes)},
                               {"threads", Json::Int(report.machine.threads)},
                               {"read_bytes_per_second", Json::Double(std::round(report.machine.read_bandwidth))},
                               {"weights_fit_ram", Json::Bool(report.fits_ram())},
                               {"tokens_per_second_at_most", Json::Double(report.tokens_per_second())},
                               {"disk_bytes_per_token", Json::Double(std::round(report.disk_bytes_per_token()))}});
  return Json::Object({{"model", Json::String(checkpoint.model_name())},
                       {"directory", Json::String(checkpoint.directory())},
                       {"notes", Json::Array(std::move(notes))},
                       {"config", ConfigToJson(checkpoint.checkpoint_config())},
                       {"expert_format", Json::String(ExpertFormat(checkpoint))},
                       {"parameters", number(report.parameters)},
                       {"active_parameters", number(report.active_parameters)},
                       {"mtp_parameters", number(report.mtp_parameters)},
                       {"tensors", Json::Int(static_cast<int64_t>(checkpoint.tensors().size()))},
                       {"files", Json::Int(static_cast<int64_t>(checkpoint.shards().size()))},
                       {"tensor_bytes", number(checkpoint.tensor_bytes())},
                       {"classes", Json::Array(std::move(classes))},
                       {"weight_bytes", number(report.weight_bytes)},
                       {"bytes_per_decoded_token", number(report.bytes_per_token())},
                       {"routed_bytes_per_decoded_token", number(report.routed_bytes_per_token)},
                       {"cache_bytes_per_token", Json::Double(report.cache_bytes_per_token)},
                       {"cache_fixed_bytes", number(report.cache_fixed_bytes)},
                       {"max_context", Json::Int(config.max_context)},
                       {"contexts", Json::Array(std::move(contexts))},
                       {"machine", std::move(machine)}});
}

namespace {

std::string ShardName(const Checkpoint& checkpoint, const CheckpointTensor& tensor) {
  const std::string& path = checkpoint.shards()[tensor.shard].path();
  return path.substr(path.rfind('/') + 1);
}

std::string TypeName(const TensorInfo& info) {
  return info.type == TensorType::kUnknown ? info.type_name : std::string(TensorTypeName(info.type));
}

}  // namespace

std::string TensorListText(const Checkpoint& checkpoint) {
  std::string text;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    text += StrFormat("%-52s %-8s %-18s %14zu  %s%s\n", Printable(tensor.info->name, 200).c_str(),
                      TypeName(*tensor.info).c_str(), ShapeText(tensor.info->shape).c_str(), tensor.info->bytes.size(),
                      ShardName(checkpoint, tensor).c_str(), tensor.role == TensorRole::kUnused ? "  unused" : "");
  }
  return text;
}

Json TensorListJson(const Checkpoint& checkpoint) {
  std::vector<Json> list;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    std::vector<Json> shape;
    for (const int64_t size : tensor.info->shape) shape.push_back(Json::Int(size));
    list.push_back(Json::Object({{"name", Json::String(tensor.info->name)},
                                 {"dtype", Json::String(TypeName(*tensor.info))},
                                 {"shape", Json::Array(std::move(shape))},
                                 {"bytes", Json::Int(static_cast<int64_t>(tensor.info->bytes.size()))},
                                 {"file", Json::String(ShardName(checkpoint, tensor))},
                                 {"class", Json::String(std::string(TensorClassName(tensor.tensor_class)))}}));
  }
  return Json::Array(std::move(list));
}

}  // namespace fathom
