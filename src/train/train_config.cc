#include "train/train_config.h"

#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "corpus/corpus.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr int64_t kMaxOpeningDialogues = 1'000'000'000;  // of a part
constexpr double kAlmostOne = 0.999999;                  // what decays by 1 would never forget

struct WholeNumber {
  int64_t* out;
  int64_t low, high;
};
struct Real {
  double* out;
  double low, high;
};
struct Text {
  std::string* out;
};
struct OpeningParts {
  std::vector<OpeningPart>* out;
};

struct Key {
  std::string_view name;
  std::variant<WholeNumber, Real, Text, OpeningParts> value;
};
struct Section {
  std::string_view name;
  std::vector<Key> keys;
};

// Numbers whose members have another type than Key can write to.
struct Narrow {
  int64_t seed;
  double prompt_weight;
};

std::vector<Section> SectionsOf(TrainConfig* config, Narrow* narrow) {
  TrainConfig& c = *config;
  constexpr int64_t kMaxBatch = int64_t{1} << 22;
  return {
      {"data",
       {{"tokenizer", Text{&c.tokenizer}},
        {"jsonl", Text{&c.jsonl}},
        {"seed", WholeNumber{&narrow->seed, 0, INT64_MAX}},
        {"opening", OpeningParts{&c.opening}},
        {"max_sequence_tokens", WholeNumber{&c.max_sequence_tokens, 2, kMaxBatch}},
        {"prompt_weight", Real{&narrow->prompt_weight, 0, 1}}}},
      {"schedule",
       {{"steps", WholeNumber{&c.steps, 1, kMaxTrainSteps}},
        {"batch_tokens", WholeNumber{&c.batch_tokens, 1, kMaxBatch}},
        {"warmup_steps", WholeNumber{&c.warmup_steps, 0, kMaxTrainSteps}},
        {"decay_share", Real{&c.decay_share, 0, 1}},
        {"final_rate", Real{&c.final_rate, 0, 1}},
        {"quantize_from", WholeNumber{&c.quantize_from, 0, kMaxTrainSteps}},
        {"narrow_window", WholeNumber{&c.narrow_window, 0, kMaxTrainSteps}},
        {"narrow_from", WholeNumber{&c.narrow_from, 0, kMaxTrainSteps}},
        {"narrow_until", WholeNumber{&c.narrow_until, 0, kMaxTrainSteps}},
        {"narrow_share", Real{&c.narrow_share, 0, 1}},
        {"checkpoint_every", WholeNumber{&c.checkpoint_every, 1, kMaxTrainSteps}},
        {"evaluate_every", WholeNumber{&c.evaluate_every, 1, kMaxTrainSteps}},
        {"evaluate_tokens", WholeNumber{&c.evaluate_tokens, 1, int64_t{1} << 26}}}},
      {"optimizer",
       {{"muon_rate", Real{&c.muon_rate, 0, 1}},
        {"adam_rate", Real{&c.adam_rate, 0, 1}},
        {"muon_momentum", Real{&c.muon_momentum, 0, kAlmostOne}},
        {"adam_beta1", Real{&c.adam_beta1, 0, kAlmostOne}},
        {"adam_beta2", Real{&c.adam_beta2, 0, kAlmostOne}},
        {"weight_decay", Real{&c.weight_decay, 0, 10}},
        {"clip_norm", Real{&c.clip_norm, 1e-6, 1e6}}}},
      {"loss",
       {{"mtp_weight", Real{&c.mtp_weight, 0, 10}},
        {"mtp_from", WholeNumber{&c.mtp_from, 0, kMaxTrainSteps}},
        {"balance_weight", Real{&c.balance_weight, 0, 10}},
        {"bias_rate", Real{&c.bias_rate, 0, 1}},
        {"indexer_weight", Real{&c.indexer_weight, 0, 10}}}},
  };
}

Status Refused(std::string_view key, const Json& found, std::string_view accepted) {
  return InvalidArgument(StrCat(key, " is ", Printable(found.Dump(), 40), "; accepted ", accepted));
}

// One item of data.opening, which is `name` in errors.
Result<OpeningPart> ReadOpeningPart(const std::string& name, const Json& found) {
  if (!found.is_object()) return Refused(name, found, R"(are objects {"subjects": [...], "dialogues": N})");
  OpeningPart part;
  for (const auto& [key, value] : found.members()) {
    if (key == "subjects") {
      if (!value.is_array()) return Refused(StrCat(name, ".subjects"), value, "is a list of subjects");
      for (const Json& item : value.items()) {
        if (!item.is_string() || !IsSubjectOrGroup(item.string())) {
          return Refused(StrCat("an item of ", name, ".subjects"), item,
                         "are subjects and groups of the corpus, such as \"strings.copy\" and \"lookup\"");
        }
        part.subjects.push_back(item.string());
      }
    } else if (key == "dialogues") {
      const std::optional<int64_t> number = value.AsInt();
      if (!number || *number < 1 || *number > kMaxOpeningDialogues) {
        return Refused(StrCat(name, ".dialogues"), value, StrCat("are whole numbers from 1 to ", kMaxOpeningDialogues));
      }
      part.dialogues = *number;
    } else {
      return InvalidArgument(
          StrCat("there is no key ", Printable(StrCat(name, ".", key)), "; accepted are subjects, dialogues"));
    }
  }
  if (part.subjects.empty() || part.dialogues == 0) {
    return InvalidArgument(
        StrCat(name, " lacks ", part.subjects.empty() ? "subjects" : "dialogues",
               "; an object {\"subjects\": [...], \"dialogues\": N} with at least one of both is needed"));
  }
  return part;
}

Status ReadValue(const std::string& name, const Json& found, const Key& key) {
  if (const auto* text = std::get_if<Text>(&key.value)) {
    if (!found.is_string()) return Refused(name, found, "is a string");
    *text->out = found.string();
  } else if (const auto* parts = std::get_if<OpeningParts>(&key.value)) {
    if (!found.is_array()) return Refused(name, found, R"(is a list of {"subjects": [...], "dialogues": N})");
    for (const Json& item : found.items()) {
      FATHOM_ASSIGN_OR_RETURN(OpeningPart part, ReadOpeningPart(StrCat(name, "[", parts->out->size(), "]"), item));
      parts->out->push_back(std::move(part));
    }
  } else if (const auto* whole = std::get_if<WholeNumber>(&key.value)) {
    const std::optional<int64_t> number = found.AsInt();
    if (!number || *number < whole->low || *number > whole->high) {
      return Refused(name, found, StrCat("are whole numbers from ", whole->low, " to ", whole->high));
    }
    *whole->out = *number;
  } else {
    const Real& real = std::get<Real>(key.value);
    const std::optional<double> number = found.AsDouble();
    if (!number || !(*number >= real.low && *number <= real.high)) {
      return Refused(name, found, StrFormat("are numbers from %g to %g", real.low, real.high));
    }
    *real.out = *number;
  }
  return {};
}

// The one of `items` with this name; otherwise an error with all names that there are.
template <typename Item>
Result<const Item*> Named(const std::vector<Item>& items, std::string_view name, const std::string& shown,
                          std::string accepted) {
  for (const Item& item : items) {
    if (item.name == name) return &item;
    accepted += StrCat(accepted.empty() ? "" : ", ", item.name);
  }
  return InvalidArgument(StrCat("there is no key ", Printable(shown), "; accepted are ", accepted));
}

Status ReadSections(const Json& root, const std::vector<Section>& sections) {
  for (const auto& [name, value] : root.members()) {
    if (name == "model") continue;
    FATHOM_ASSIGN_OR_RETURN(const Section* section, Named(sections, name, name, "model"));
    if (!value.is_object()) return Refused(name, value, "is an object");
    for (const auto& [key_name, found] : value.members()) {
      const std::string full = StrCat(name, ".", key_name);
      FATHOM_ASSIGN_OR_RETURN(const Key* key, Named(section->keys, key_name, full, ""));
      FATHOM_RETURN_IF_ERROR(ReadValue(full, found, *key));
    }
  }
  return {};
}

// What single bounds do not say.
Status CheckTogether(const TrainConfig& config) {
  if (config.tokenizer.empty())
    return InvalidArgument("data.tokenizer is missing; the path of a tokenizer.json is needed");
  if (!config.opening.empty() && !config.jsonl.empty()) {
    return InvalidArgument("data.opening is for the generated corpus and does not go with data.jsonl");
  }
  if (config.max_sequence_tokens > config.model.max_context) {
    return InvalidArgument(StrCat("data.max_sequence_tokens is ", config.max_sequence_tokens,
                                  "; accepted are at most the ", config.model.max_context,
                                  " of model.max_position_embeddings"));
  }
  if (config.narrow_window > config.model.window) {
    return InvalidArgument(StrCat("schedule.narrow_window is ", config.narrow_window, "; accepted are at most the ",
                                  config.model.window, " of model.sliding_window"));
  }
  return {};
}

Result<TrainConfig> ParseTrainConfig(std::string_view text) {
  FATHOM_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  if (!root.is_object()) {
    return InvalidArgument(StrCat("the file holds ", Printable(root.Dump(), 40), "; a JSON object is expected"));
  }
  TrainConfig config;
  Narrow narrow = {static_cast<int64_t>(config.seed), config.prompt_weight};
  FATHOM_RETURN_IF_ERROR(ReadSections(root, SectionsOf(&config, &narrow)));
  config.seed = static_cast<uint64_t>(narrow.seed);
  config.prompt_weight = static_cast<float>(narrow.prompt_weight);

  const Json* model = root.Find("model");
  if (model == nullptr) return InvalidArgument("model is missing; an object with the keys of a config.json is needed");
  FATHOM_ASSIGN_OR_RETURN(const CheckpointConfig read, ParseConfigJson(model->Dump(), "model"));
  config.model_json = *model;
  config.model = read.model;
  config.expert_dtype = read.expert_dtype;
  FATHOM_RETURN_IF_ERROR(CheckTogether(config));
  return config;
}

}  // namespace

Result<TrainConfig> ReadTrainConfig(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  Result<TrainConfig> config = ParseTrainConfig(text);
  if (!config.ok()) return Status(config.status().code(), StrCat(path, ": ", config.status().message()));
  config->path = path;
  for (std::string* file : {&config->tokenizer, &config->jsonl}) {
    if (!file->empty()) *file = std::filesystem::path(path).parent_path() / *file;  // absolute paths stay as they are
  }
  return config;
}

int64_t WindowAt(const TrainConfig& config, int64_t step) {
  if (config.narrow_window == 0 || step < config.narrow_from) return config.model.window;
  const auto narrow_steps = [&](int64_t steps) { return std::floor(static_cast<double>(steps) * config.narrow_share); };
  const bool narrow = step < config.narrow_until || narrow_steps(step + 1) > narrow_steps(step);
  return narrow ? config.narrow_window : config.model.window;
}

}  // namespace fathom
