#include "server/serve_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

using Unit = ServeOption::Unit;

constexpr uint64_t kMaxConfigFileBytes = 1 << 20;
constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kMaxBytes = int64_t{1} << 50;

std::vector<ServeOption> MakeOptions() {
  using C = ServeConfig;
  return {
      {"model", "Directory with config.json, tokenizer.json and safetensors shards", &C::model},
      {"model-name", "Name in the list of models (default: the directory's)", &C::model_name},
      {"aliases", "Other names of the model, separated by commas", &C::aliases},
      {"strict-names", "Refuse requests for other model names instead of answering them with this model",
       &C::strict_names},
      {"threads", "Threads of the model (0: every core this process may use)", &C::threads, Unit::kCount, 0, 1024},
      {"isa", "Kernels to use; auto takes the best", &C::isa},
      {"pin",
       "Hold threads to CPUs: auto to NUMA nodes, if there are several; cores each to a CPU, for a machine of its own",
       &C::pin,
       Unit::kCount,
       0,
       0,
       {"auto", "none", "nodes", "cores"}},
      {"no-mmap",
       "Read the weights into memory at the start instead of mapping the files: slower to start, faster where the "
       "system maps files by small pages",
       &C::no_mmap},
      {"activations",
       "Inputs of the FP4 experts: fp8, as the model was trained, or int8, which is faster and changes the answers; "
       "without effect on experts in FP8",
       &C::activations,
       Unit::kCount,
       0,
       0,
       {"fp8", "int8"}},
      {"effort", "Reasoning where a request says nothing about it: none, low, high or max (default: high)", &C::effort},
      {"reasoning-field",
       "Name of the reasoning in chat answers: reasoning_content, or both for `reasoning`, too",
       &C::reasoning_field,
       Unit::kCount,
       0,
       0,
       {"reasoning_content", "both"}},
      {"normalise-prompts",
       "Lines of system prompts that change with every request or day, and so end the hits on kept prefixes: headers "
       "removes billing headers; first-user and last-user also move dates to that message, drop removes them",
       &C::normalise_prompts,
       Unit::kCount,
       0,
       0,
       {"off", "headers", "first-user", "last-user", "drop"}},
      {"ctx", "Tokens of prompt and answer together (0: what model and memory allow)", &C::ctx},
      {"max-sequences", "Answers at once", &C::max_sequences, Unit::kCount, 1, 65536},
      {"max-queue", "Requests that may wait; more are refused with 429", &C::max_queue, Unit::kCount, 1, 1 << 20},
      {"step-tokens", "Tokens read in one step by all together", &C::step_tokens, Unit::kCount, 1, 65536},
      {"step-ms",
       "About how long a step takes while prompts are read beside running answers (0: only --step-tokens counts)",
       &C::step_ms, Unit::kMilliseconds, 0, 60'000},
      {"deadline", "A request that is not answered by then ends with an error (0: never)", &C::deadline_s,
       Unit::kSeconds, 0, 7 * kDaySeconds},
      {"cache-ram", "Memory for caches and kept prefixes (0: a quarter of the machine's)", &C::cache_ram_bytes,
       Unit::kBytes, 0, kMaxBytes},
      {"cache-dir", "Directory for prefixes that outlive memory and restarts (default: none are written)",
       &C::cache_dir},
      {"cache-disk", "Bytes in --cache-dir at most (0: half of what is free at the start)", &C::cache_disk_bytes,
       Unit::kBytes, 0, kMaxBytes},
      {"state-policy",
       "Where a kept prompt can be left and gone on from, beside its ends and where prompts were seen to part: full is "
       "every 128 tokens, periodic every --state-interval; recompute keeps no states and reads the last tokens before "
       "any block again",
       &C::state_policy,
       Unit::kCount,
       0,
       0,
       {"full", "periodic", "recompute"}},
      {"state-interval", "Tokens between states under --state-policy periodic", &C::state_interval, Unit::kCount, 128,
       1 << 20},
      {"response-bytes",
       "Memory for responses that the Responses API stores, in --cache-dir, too; the least recently used are dropped "
       "(0: none are stored)",
       &C::response_bytes, Unit::kBytes, 0, int64_t{1} << 40},
      {"response-count", "Stored responses at most", &C::response_count, Unit::kCount, 1, 100'000'000},
      {"response-days", "Days after which a stored response is dropped", &C::response_days, Unit::kCount, 1, 36500},
      {"host", "Address to listen at; localhost is 127.0.0.1 and, where there is one, ::1", &C::host},
      {"port", "Port to listen at (0: any free one; the first line of output names it)", &C::port, Unit::kCount, 0,
       65535},
      {"keys", "File of API keys (`fathom serve keys --help`); they are asked for once the file is there", &C::keys},
      {"allow-anyone", "Listen at an address that other machines reach without asking for keys", &C::allow_anyone},
      {"tls-cert", "PEM file of the certificate chain; with --tls-key the server speaks TLS only", &C::tls_cert},
      {"tls-key", "PEM file of the certificate's private key", &C::tls_key},
      {"cors", "Origins whose web pages may use the server, separated by commas; * is all", &C::cors},
      {"page", "Serve the web page at /", &C::page},
      {"workers", "Threads that parse requests", &C::workers, Unit::kCount, 1, 256},
      {"max-connections", "Open connections", &C::max_connections, Unit::kCount, 1, 1 << 20},
      {"max-body", "Bytes of a request's body", &C::max_body_bytes, Unit::kBytes, 1024, int64_t{1} << 32},
      {"max-bodies",
       "Bytes of all bodies together that are still arriving; requests beyond get 503 (0: four times --max-body)",
       &C::max_bodies_bytes, Unit::kBytes, 0, kMaxBytes},
      {"max-headers", "Bytes of a request's headers", &C::max_header_bytes, Unit::kBytes, 1024, 1 << 24},
      {"max-unsent", "Bytes of an answer that its client has not yet taken; beyond, it is dropped",
       &C::max_unsent_bytes, Unit::kBytes, 1024, int64_t{1} << 32},
      {"header-timeout", "Time for a request's headers", &C::header_timeout_s, Unit::kSeconds, 1, kDaySeconds},
      {"body-timeout", "Time for a request's body", &C::body_timeout_s, Unit::kSeconds, 1, kDaySeconds},
      {"idle-timeout", "Time a connection may stay open without a request", &C::idle_timeout_s, Unit::kSeconds, 1,
       kDaySeconds},
      {"write-timeout", "A client that takes nothing of its answer for so long is dropped", &C::write_timeout_s,
       Unit::kSeconds, 1, kDaySeconds},
      {"heartbeat", "A stream in which nothing happens for so long gets a comment or ping", &C::heartbeat_s,
       Unit::kSeconds, 1, 3600},
      {"drain", "Time that running answers get after SIGTERM", &C::drain_s, Unit::kSeconds, 0, kDaySeconds},
      {"audit-log", "File that gets a JSON line per request (-: standard output)", &C::audit_log},
      {"audit-text", "With --audit-log: what was asked and answered, too", &C::audit_text},
  };
}

std::optional<bool> ParseSwitch(std::string_view text) {
  for (const char* yes : {"true", "1", "on", "yes"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"false", "0", "off", "no"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

// "4096", "512MB", "1.5 GiB". Nothing for anything else.
std::optional<int64_t> ParseBytes(std::string_view text) {
  struct Suffix {
    const char* name;
    double factor;
  };
  constexpr double kKib = 1024;
  constexpr Suffix kSuffixes[] = {{"", 1},
                                  {"B", 1},
                                  {"KB", 1e3},
                                  {"MB", 1e6},
                                  {"GB", 1e9},
                                  {"TB", 1e12},
                                  {"KiB", kKib},
                                  {"MiB", kKib * kKib},
                                  {"GiB", kKib * kKib * kKib},
                                  {"TiB", kKib * kKib * kKib * kKib}};
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Suffix& suffix : kSuffixes) {
    if (unit != suffix.name) continue;
    const double bytes = std::floor(number * suffix.factor);
    if (bytes > static_cast<double>(kMaxBytes)) return std::nullopt;
    return static_cast<int64_t>(bytes);
  }
  return std::nullopt;
}

std::optional<int64_t> ParseWhole(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

std::string AcceptedNumbers(const ServeOption& option) {
  const char* unit = "";
  switch (option.unit) {
    case Unit::kSeconds:
      unit = " seconds";
      break;
    case Unit::kMilliseconds:
      unit = " milliseconds";
      break;
    case Unit::kBytes:
      unit = " bytes, also as 512MB or 4GiB";
      break;
    case Unit::kCount:
      break;
  }
  if (option.high == std::numeric_limits<int64_t>::max()) return StrCat(option.low, " and more");
  return StrCat(option.low, " to ", option.high, unit);
}

Status SetNumber(const ServeOption& option, std::string_view text, const std::string& source, int64_t* value) {
  const std::optional<int64_t> number = option.unit == Unit::kBytes ? ParseBytes(text) : ParseWhole(text);
  if (number && *number >= option.low && *number <= option.high) {
    *value = *number;
    return {};
  }
  return InvalidArgument(StrCat(source, " is '", Printable(text, 40), "'; accepted is ", AcceptedNumbers(option)));
}

Status SetText(const ServeOption& option, std::string_view text, const std::string& source, std::string* value) {
  const std::vector<std::string>& accepted = option.accepted;
  if (!accepted.empty() && std::find(accepted.begin(), accepted.end(), text) == accepted.end()) {
    std::string names;
    for (const std::string& name : accepted) {
      if (!name.empty()) names += StrCat(names.empty() ? "" : ", ", name);
    }
    return InvalidArgument(StrCat(source, " is '", Printable(text, 40), "'; accepted are ", names));
  }
  *value = text;
  return {};
}

// A member of the configuration file, as the text that SetOption() reads.
Result<std::string> MemberText(const ServeOption& option, const Json& value, const std::string& source) {
  const bool is_text = std::holds_alternative<std::string ServeConfig::*>(option.field);
  const bool is_list = std::holds_alternative<std::vector<std::string> ServeConfig::*>(option.field);
  if (value.is_string()) return value.string();
  if (value.is_bool() && option.is_flag()) return std::string(value.boolean() ? "true" : "false");
  if (value.is_number() && !option.is_flag() && !is_text && !is_list) return value.number_text();
  if (value.is_array() && is_list) {
    std::string text;
    for (const Json& item : value.items()) {
      if (!item.is_string() || item.string().find(',') != std::string::npos) {
        return InvalidArgument(
            StrCat(source, " holds ", Printable(item.Dump(), 40), "; accepted are strings without commas"));
      }
      text += StrCat(text.empty() ? "" : ",", item.string());
    }
    return text;
  }
  const char* accepted = option.is_flag() ? "true or false"
                         : is_text        ? "a string"
                         : is_list        ? "a list of strings"
                                          : "a number";
  return InvalidArgument(StrCat(source, " is ", Printable(value.Dump(), 40), "; accepted is ", accepted));
}

}  // namespace

std::string ServeOption::key() const {
  std::string text = name;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

std::string ServeOption::environment() const {
  std::string text = "FATHOM_SERVE_";
  for (const char c : std::string_view(name)) text += c == '-' ? '_' : static_cast<char>(c - 'a' + 'A');
  return text;
}

std::span<const ServeOption> ServeOptions() {
  static const std::vector<ServeOption> kOptions = MakeOptions();
  return kOptions;
}

Status SetOption(const ServeOption& option, std::string_view text, const std::string& source, ServeConfig* config) {
  if (const auto* field = std::get_if<int64_t ServeConfig::*>(&option.field)) {
    return SetNumber(option, text, source, &(config->**field));
  }
  if (const auto* field = std::get_if<std::string ServeConfig::*>(&option.field)) {
    return SetText(option, text, source, &(config->**field));
  }
  if (const auto* field = std::get_if<std::vector<std::string> ServeConfig::*>(&option.field)) {
    config->** field = SplitList(text);
    return {};
  }
  const std::optional<bool> value = ParseSwitch(text);
  if (!value) return InvalidArgument(StrCat(source, " is '", Printable(text, 40), "'; accepted is true or false"));
  config->*std::get<bool ServeConfig::*>(option.field) = *value;
  return {};
}

Status ApplyConfigFile(const std::string& path, ServeConfig* config) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigFileBytes));
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  if (!json->is_object()) return DataLoss(StrCat(path, ": holds no JSON object"));
  for (const Json::Member& entry : json->members()) {
    const std::string& key = entry.first;
    const std::span<const ServeOption> options = ServeOptions();
    const auto option =
        std::find_if(options.begin(), options.end(), [&](const ServeOption& o) { return o.key() == key; });
    if (option == options.end()) {
      return InvalidArgument(StrCat(path, ": there is no option '", Printable(key, 40),
                                    "'; `fathom serve --help` lists them (write _ for -)"));
    }
    const std::string source = StrCat(path, ": ", key);
    FATHOM_ASSIGN_OR_RETURN(const std::string member, MemberText(*option, entry.second, source));
    FATHOM_RETURN_IF_ERROR(SetOption(*option, member, source, config));
  }
  return {};
}

Status ApplyEnvironment(const std::function<const char*(const char*)>& get, ServeConfig* config) {
  for (const ServeOption& option : ServeOptions()) {
    const std::string name = option.environment();
    if (const char* text = get(name.c_str())) FATHOM_RETURN_IF_ERROR(SetOption(option, text, name, config));
  }
  return {};
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

Status CheckTogether(const ServeConfig& config, bool has_keys) {
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return InvalidArgument(StrCat("--tls-", config.tls_cert.empty() ? "key" : "cert", " needs --tls-",
                                  config.tls_cert.empty() ? "cert" : "key", ", too"));
  }
  if (config.max_sequences > config.step_tokens) {
    return InvalidArgument(StrCat("--max-sequences is ", config.max_sequences, "; accepted is at most --step-tokens, ",
                                  config.step_tokens));
  }
  if (config.max_bodies_bytes != 0 && config.max_bodies_bytes < config.max_body_bytes) {
    return InvalidArgument(StrCat("--max-bodies is ", config.max_bodies_bytes, "; accepted is at least --max-body, ",
                                  config.max_body_bytes, ", or 0"));
  }
  if (config.audit_text && config.audit_log.empty()) return InvalidArgument("--audit-text needs --audit-log FILE");
  if (IsLoopback(config.host) || has_keys || config.allow_anyone) return {};
  return InvalidArgument(StrCat("--host ", config.host,
                                " is reached by other machines, and there are no API keys: make one "
                                "with `fathom serve keys add NAME`, or start with --allow-anyone"));
}

Json ConfigJson(const ServeConfig& config) {
  std::vector<Json::Member> members;
  for (const ServeOption& option : ServeOptions()) {
    Json value;
    if (const auto* number = std::get_if<int64_t ServeConfig::*>(&option.field)) {
      value = Json::Int(config.**number);
    } else if (const auto* text = std::get_if<std::string ServeConfig::*>(&option.field)) {
      value = Json::String(config.**text);
    } else if (const auto* flag = std::get_if<bool ServeConfig::*>(&option.field)) {
      value = Json::Bool(config.**flag);
    } else {
      std::vector<Json> items;
      for (const std::string& item : config.*std::get<std::vector<std::string> ServeConfig::*>(option.field)) {
        items.push_back(Json::String(item));
      }
      value = Json::Array(std::move(items));
    }
    members.emplace_back(option.key(), std::move(value));
  }
  return Json::Object(std::move(members));
}

}  // namespace fathom
