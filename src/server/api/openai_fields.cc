// The fields that chat completions and completions have in common.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "server/api/openai_request.h"

namespace fathom {
namespace {

Result<std::pair<int32_t, float>> ReadBias(const JsonFields& fields, const std::string& id, const Json& bias) {
  int32_t token = 0;
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), token);
  if (parsed.ec != std::errc() || parsed.ptr != id.data() + id.size()) {
    return InvalidArgument(
        StrCat(fields.PathOf("logit_bias"), " has the key \"", Printable(id, 40), "\"; accepted are token ids"));
  }
  const std::optional<double> value = bias.AsDouble();
  if (!value) return fields.Wrong("logit_bias." + id, bias, "a number");
  return std::pair(token, static_cast<float>(*value));
}

// {"1234": -5}, or llama.cpp's [[1234, -5], [99, false]].
Status ReadBiases(const JsonFields& fields, SamplingRequest* sampling) {
  const Json* biases = fields.Find("logit_bias");
  if (biases == nullptr) return {};
  if (!biases->is_object() && !biases->is_array()) {
    return fields.Wrong("logit_bias", *biases, "an object from token ids to numbers");
  }
  const size_t count = biases->is_object() ? biases->members().size() : biases->items().size();
  if (count > kMaxBiases) {
    return InvalidArgument(
        StrCat(fields.PathOf("logit_bias"), " has ", count, " entries; accepted are at most ", kMaxBiases));
  }
  if (biases->is_object()) {
    for (const auto& [id, value] : biases->members()) {
      FATHOM_ASSIGN_OR_RETURN(const auto bias, ReadBias(fields, id, value));
      sampling->logit_bias.push_back(bias);
    }
    return {};
  }
  for (const Json& entry : biases->items()) {
    if (!entry.is_array() || entry.items().size() != 2 || !entry.items()[0].is_integer()) {
      return fields.Wrong("logit_bias", *biases, "a list of pairs of a token id and a number");
    }
    const Json& value = entry.items()[1];
    const bool never = value.is_bool() && !value.boolean();
    FATHOM_ASSIGN_OR_RETURN(auto bias, ReadBias(fields, entry.items()[0].number_text(), never ? Json::Int(0) : value));
    if (never) bias.second = -INFINITY;
    sampling->logit_bias.push_back(bias);
  }
  return {};
}

bool IsUserId(const std::string& text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
}

Result<Json> SchemaOf(const JsonFields& fields, std::string_view key, const Json& value) {
  if (value.is_object() || value.is_bool()) return value;
  if (value.is_string()) {
    Result<Json> parsed = ParseJson(value.string());
    if (parsed.ok() && parsed->is_object()) return parsed;
  }
  return fields.Wrong(key, value, "a JSON Schema");
}

Status ReadResponseFormat(const JsonFields& fields, AnswerForm* form) {
  FATHOM_ASSIGN_OR_RETURN(const Json* const format, fields.ReadObject("response_format"));
  if (format == nullptr) return {};
  const std::string path = fields.PathOf("response_format");
  const JsonFields inside(*format, path);
  std::string type;
  FATHOM_RETURN_IF_ERROR(inside.Read("type", &type));
  if (type == "text") return {};
  const Json* schema = inside.Find("schema");  // llama.cpp has it here
  std::string schema_path = path + ".schema";
  if (type == "json_schema") {
    FATHOM_ASSIGN_OR_RETURN(const Json* const named, inside.ReadObject("json_schema"));
    if (named != nullptr) {
      schema = JsonFields(*named).Find("schema");
      schema_path = path + ".json_schema.schema";
    }
    if (schema == nullptr) return InvalidArgument(schema_path + " is missing; accepted is a JSON Schema");
  } else if (type != "json_object") {
    return InvalidArgument(StrCat(path, ".type is \"", Printable(type, 40),
                                  "\"; accepted are \"text\", \"json_object\" and \"json_schema\""));
  }
  form->kind = schema == nullptr ? AnswerForm::Kind::kJsonObject : AnswerForm::Kind::kJsonSchema;
  form->path = schema_path;
  if (schema == nullptr) return {};
  if (!schema->is_object() && !schema->is_bool())
    return JsonFields(*format).Wrong(schema_path, *schema, "a JSON Schema");
  form->schema = *schema;
  return {};
}

}  // namespace

Status ReadSampling(const JsonFields& fields, SamplingRequest* sampling) {
  FATHOM_RETURN_IF_ERROR(fields.Read("temperature", &sampling->temperature));
  FATHOM_RETURN_IF_ERROR(fields.Read("top_p", &sampling->top_p));
  FATHOM_RETURN_IF_ERROR(fields.Read("top_k", &sampling->top_k, -1));
  if (sampling->top_k == -1) sampling->top_k = 0;  // vLLM's way to turn it off
  FATHOM_RETURN_IF_ERROR(fields.Read("min_p", &sampling->min_p));
  FATHOM_RETURN_IF_ERROR(fields.Read("presence_penalty", &sampling->presence_penalty));
  FATHOM_RETURN_IF_ERROR(fields.Read("frequency_penalty", &sampling->frequency_penalty));
  FATHOM_RETURN_IF_ERROR(fields.Read("repeat_penalty", &sampling->repetition_penalty));
  FATHOM_RETURN_IF_ERROR(fields.Read("repetition_penalty", &sampling->repetition_penalty));
  std::optional<int64_t> seed;
  FATHOM_RETURN_IF_ERROR(fields.Read("seed", &seed));
  if (seed && *seed != -1) sampling->seed = static_cast<uint64_t>(*seed);  // -1: llama.cpp's way to ask for any
  return ReadBiases(fields, sampling);
}

Status ReadAnswerOptions(const JsonFields& fields, OpenAiAnswerOptions* options) {
  FATHOM_RETURN_IF_ERROR(fields.Read("stream", &options->stream));
  FATHOM_ASSIGN_OR_RETURN(const Json* const stream_options, fields.ReadObject("stream_options"));
  if (stream_options != nullptr) {
    FATHOM_RETURN_IF_ERROR(
        JsonFields(*stream_options, "stream_options").Read("include_usage", &options->include_usage));
  }
  FATHOM_RETURN_IF_ERROR(fields.Read("user", &options->user, kMaxUserBytes));
  FATHOM_RETURN_IF_ERROR(fields.Read("user_id", &options->user, kMaxUserBytes));
  if (fields.Find("user_id") != nullptr && !IsUserId(options->user)) {
    return InvalidArgument(StrCat("user_id is \"", Printable(options->user, 60),
                                  "\"; accepted are at most 512 letters, digits, '_' and '-'"));
  }
  return {};
}

Status ReadMaxTokens(const JsonFields& fields, int64_t least, std::optional<int64_t>* max_tokens) {
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    const Json* found = fields.Find(key);
    if (found == nullptr || found->AsInt() == -1) continue;
    std::optional<int64_t> value;
    FATHOM_RETURN_IF_ERROR(fields.Read(key, &value, least));
    *max_tokens = max_tokens->has_value() ? std::min(**max_tokens, *value) : *value;
  }
  return {};
}

Status ReadAnswerForm(const JsonFields& fields, AnswerForm* form) {
  for (const char* key : {"grammar", "guided_grammar", "guided_regex", "guided_choice"}) {
    const Json* found = fields.Find(key);
    if (found == nullptr || (found->is_string() && found->string().empty())) continue;
    return InvalidArgument(StrCat(fields.PathOf(key), " is not supported; response_format with a JSON Schema is"));
  }
  FATHOM_RETURN_IF_ERROR(ReadResponseFormat(fields, form));
  const Json* schema = nullptr;
  std::string key;
  for (const char* name : {"guided_json", "json_schema"}) {
    if (fields.Find(name) == nullptr) continue;
    schema = fields.Find(name);
    key = name;
  }
  FATHOM_ASSIGN_OR_RETURN(const Json* const structured, fields.ReadObject("structured_outputs"));
  if (structured != nullptr) {
    schema = JsonFields(*structured).Find("json");
    key = "structured_outputs.json";
    if (schema == nullptr) return InvalidArgument("structured_outputs has no json; accepted is a JSON Schema there");
  }
  if (schema == nullptr) return {};
  FATHOM_ASSIGN_OR_RETURN(form->schema, SchemaOf(fields, key, *schema));
  form->kind = AnswerForm::Kind::kJsonSchema;
  form->path = fields.PathOf(key);
  return {};
}

}  // namespace fathom
