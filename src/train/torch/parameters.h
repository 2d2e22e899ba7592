// parameters.h - a model's parameters while it is trained: float masters under the release's names, the values that
// the exported file will hold, reading from and writing to the release layout.
#ifndef FATHOM_TRAIN_TORCH_PARAMETERS_H_
#define FATHOM_TRAIN_TORCH_PARAMETERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "train/torch/linear_ops.h"
#include "train/torch/torch.h"

namespace fathom {

struct Parameter {
  // The release's name. Routed experts' matrices of one kind are one parameter: "layers.0.ffn.experts.*.w1.weight".
  std::string name;
  StoredAs stored = StoredAs::kF32;
  Tensor value;         // float: [n], [rows, cols], or [E, rows, cols] for experts
  bool trained = true;  // false: the router's bias, which has its own rule
  bool matrix = false;  // Muon's; the others are AdamW's
};

class Parameters {
 public:
  // Random ones from a seed: the same on every machine. Routed experts are FP4. With progress on stderr; kCancelled
  // after Ctrl-C.
  static Result<Parameters> Random(const ModelConfig& config, uint64_t seed);
  // The values of a checkpoint, routed experts in the format that they have there, likewise. An error if a hash layer's
  // table names an expert that there is not, or a tensor has a value that is not finite; it names both.
  static Result<Parameters> FromCheckpoint(const Checkpoint& checkpoint);
  // With no values and no experts in hash layers' tables: for a state that holds them all.
  static Parameters Unset(const ModelConfig& config);

  std::vector<Parameter>& all() { return all_; }
  const std::vector<Parameter>& all() const { return all_; }
  Parameter& Find(const std::string& name);
  // Expert ids [V, k] of a hash layer; nullptr if there is no such table.
  const std::vector<int64_t>* TokenTable(const std::string& name) const;
  // All of them by name.
  const std::map<std::string, std::vector<int64_t>>& token_tables() const { return tables_; }
  std::map<std::string, std::vector<int64_t>>& token_tables() { return tables_; }

  // What the exported file will hold for a parameter, differentiable; computed at the first call of a pass.
  Tensor StoredValue(const std::string& name);
  // Forgets the stored values: parameters or the arithmetic have changed.
  void StartPass() { stored_values_.clear(); }

  // How routed experts are stored, by config.json's word for it: "fp4" or "fp8". All of a model are alike.
  std::string expert_dtype() const;
  void SetExpertDtype(std::string_view dtype);

  // kDataLoss naming the first parameter with a value that is not finite.
  Status CheckFinite() const;

  // Writes a directory in the release layout: config.json with the experts' true format, one shard with its index, and
  // `extra_files`. Everything is written under another name and renamed at the end; what may be replaced is
  // ExportTarget()'s to say, which knows all names of extra files. Nothing is written of parameters that are not
  // finite, or after Ctrl-C (kCancelled). With progress on stderr.
  Status Export(const std::string& directory, const ModelConfig& config, const Json& config_json,
                const std::vector<std::pair<std::string, std::string>>& extra_files) const;

 private:
  explicit Parameters(const ModelConfig& config);
  void Index();

  std::vector<Parameter> all_;
  std::map<std::string, size_t> by_name_;
  std::map<std::string, std::vector<int64_t>> tables_;
  std::map<std::string, Tensor> stored_values_;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_PARAMETERS_H_
