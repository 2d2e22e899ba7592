// train_config.h - everything that decides a training run, in one JSON file.
//
// Object `model` holds the keys of a release's config.json and is copied into the export; the other objects are
// `data`, `schedule`, `optimizer` and `loss`, whose keys are the members below. `model` and `data.tokenizer` are
// required, everything else has the value that stands here. An unknown key is an error (inside `model` it is ignored,
// as in a config.json).
#ifndef FATHOM_TRAIN_TRAIN_CONFIG_H_
#define FATHOM_TRAIN_TRAIN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/config.h"

namespace fathom {

// A part of the generated corpus that comes before the mixture of all subjects.
struct OpeningPart {
  std::vector<std::string> subjects;  // and groups, drawn by their shares
  int64_t dialogues = 0;
};

// The most steps of a run.
inline constexpr int64_t kMaxTrainSteps = 1'000'000'000;

struct TrainConfig {
  std::string path;   // of the file, for errors
  Json model_json;    // as in the file
  ModelConfig model;  // read from it
  // Format of the routed experts: "fp4", "fp8", or empty if the file does not say. Then a run has that of the model it
  // starts from, and FP4 without one.
  std::string expert_dtype;

  // data
  std::string tokenizer;  // path of tokenizer.json; what is relative in the file, to the file's folder, is resolved
  std::string jsonl;      // path of the user's dialogues, likewise; empty: the generated corpus
  uint64_t seed = 1;
  int64_t max_sequence_tokens = 8192;  // longer dialogues are left out
  // What the generated corpus begins with, part after part: copying and looking up are learnt in a few hundred steps
  // from texts that ask for nothing else, and late or never from a mixture.
  std::vector<OpeningPart> opening;
  float prompt_weight = 0.1f;  // loss weight of tokens that the assistant did not write

  // schedule
  int64_t steps = 1000;
  int64_t batch_tokens = 16384;  // of a step, at least; a step ends with the dialogue that reaches it
  int64_t warmup_steps = 50;
  double decay_share = 0.3;  // the last part of the steps, in which the learning rate falls to `final_rate` of itself
  double final_rate = 0.05;
  int64_t quantize_from = 0;  // first step with FP4/FP8 quantisation
  // A narrow sliding window leaves more to the compressed rows, which are learnt late or never as long as the window
  // has what is asked for: the window of the steps from `narrow_from` until before `narrow_until` and of this share of
  // those after them. The others and the export have model.sliding_window. 0: always that.
  int64_t narrow_window = 0;
  int64_t narrow_from = 0;
  int64_t narrow_until = 0;
  double narrow_share = 0;
  int64_t checkpoint_every = 200;   // steps
  int64_t evaluate_every = 200;     // steps; held-out loss
  int64_t evaluate_tokens = 65536;  // at least, in whole steps of batch_tokens; a user's held-out dialogues count once

  // optimizer
  double muon_rate = 2e-3;  // learning rates at their height
  double adam_rate = 2e-3;
  double muon_momentum = 0.95;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.95;
  double weight_decay = 0.1;
  double clip_norm = 1.0;

  // loss
  double mtp_weight = 0.3;
  int64_t mtp_from = 0;          // first step with the MTP block
  double balance_weight = 1e-4;  // sequence-wise balance loss
  double bias_rate = 1e-3;       // step of the router's bias
  double indexer_weight = 1e-2;  // Kullback-Leibler loss of the indexer
};

// Reads and checks the file; each number has bounds that a run can survive (steps at most 10^9, batch_tokens at most
// 2^22, ...), and sequences fit the model's context. Errors name the file, the key, what was found and what is
// accepted. That the files exist and that the vocabulary is the model's is for the caller to see.
Result<TrainConfig> ReadTrainConfig(const std::string& path);

// The sliding window of a step: narrow_window from narrow_from until before narrow_until and in narrow_share of the
// steps (evenly spread) after both, otherwise the model's.
int64_t WindowAt(const TrainConfig& config, int64_t step);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TRAIN_CONFIG_H_
