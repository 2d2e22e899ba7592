#include "tests/checkpoint/release_shapes.h"

#include <map>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

// The numbers that stand for {L}: "all", a list, or first/last/step; one dummy where there is none.
std::vector<int64_t> Layers(const Json* layers, int64_t count) {
  std::vector<int64_t> out;
  if (layers == nullptr) {
    out.push_back(0);
  } else if (layers->is_string()) {
    for (int64_t layer = 0; layer < count; ++layer) out.push_back(layer);
  } else if (layers->is_array()) {
    for (const Json& layer : layers->items()) out.push_back(*layer.AsInt());
  } else {
    const int64_t last = *layers->Find("last")->AsInt();
    for (int64_t layer = *layers->Find("first")->AsInt(); layer <= last; layer += *layers->Find("step")->AsInt()) {
      out.push_back(layer);
    }
  }
  return out;
}

std::string Replace(std::string text, std::string_view what, int64_t number) {
  const size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), std::to_string(number));
}

// "layers.7", "mtp.0", "embed" or "head": what shares a shard.
std::string ShardKey(const std::string& name) {
  if (name.starts_with("layers.") || name.starts_with("mtp."))
    return name.substr(0, name.find('.', name.find('.') + 1));
  return name.starts_with("embed") ? "embed" : "head";
}

}  // namespace

Result<ReleaseShapes> ExpandRelease(const std::string& model) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(StrCat(FATHOM_SHARED_DIR, "/spec/checkpoint_tensors.json"), 16 << 20));
  FATHOM_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  const Json* release = root.Find("models")->Find(model);
  if (release == nullptr) return NotFound(model);
  ReleaseShapes out;
  out.tensor_count = *release->Find("tensor_count")->AsInt();
  out.total_bytes = static_cast<uint64_t>(*release->Find("total_bytes")->AsInt());
  const int64_t layers = *release->Find("layers")->AsInt();
  const int64_t experts = *release->Find("n_routed_experts")->AsInt();
  for (const Json& row : release->Find("tensors")->items()) {
    const std::string& name = row.Find("name")->string();
    TensorSpec spec;
    spec.type = ParseTensorType(row.Find("dtype")->string());
    for (const Json& size : row.Find("shape")->items()) spec.shape.push_back(*size.AsInt());
    const int64_t copies = name.find("{E}") == std::string::npos ? 1 : experts;
    for (const int64_t layer : Layers(row.Find("layers"), layers)) {
      for (int64_t expert = 0; expert < copies; ++expert) {
        spec.name = Replace(Replace(name, "{L}", layer), "{E}", expert);
        out.tensors.push_back(spec);
      }
    }
  }
  return out;
}

Status WriteSparseRelease(const std::string& directory, const std::string& config_json,
                          const std::vector<TensorSpec>& tensors) {
  std::map<std::string, std::vector<TensorSpec>> shards;
  for (const TensorSpec& tensor : tensors) shards[ShardKey(tensor.name)].push_back(tensor);
  Json weight_map = Json::Object();
  size_t number = 0;
  uint64_t total = 0;
  for (auto& [key, list] : shards) {
    const std::string file = StrFormat("model-%05zu-of-%05zu.safetensors", ++number, shards.size());
    for (const TensorSpec& tensor : list) {
      weight_map.members().emplace_back(tensor.name, Json::String(file));
      total += tensor.bytes();
    }
    FATHOM_ASSIGN_OR_RETURN(const auto writer,
                            SafetensorsWriter::Create(StrCat(directory, "/", file), std::move(list)));
    FATHOM_RETURN_IF_ERROR(writer->Finish());
  }
  Json metadata = Json::Object();
  metadata.Set("total_size", Json::Int(static_cast<int64_t>(total)));
  Json index = Json::Object();
  index.Set("metadata", std::move(metadata));
  index.Set("weight_map", std::move(weight_map));
  FATHOM_RETURN_IF_ERROR(WriteFileAtomically(directory + "/model.safetensors.index.json", index.DumpPretty()));
  return WriteFileAtomically(directory + "/config.json", config_json);
}

}  // namespace fathom
