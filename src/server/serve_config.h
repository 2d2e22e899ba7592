// serve_config.h - every option of `fathom serve`, wherever it is set.
//
// An option has one name in three spellings: --max-sequences, FATHOM_SERVE_MAX_SEQUENCES and "max_sequences" in the
// configuration file. Flags win over the environment, the environment over the file.
#ifndef FATHOM_SERVER_SERVE_CONFIG_H_
#define FATHOM_SERVER_SERVE_CONFIG_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

struct ServeConfig {
  // The model.
  std::string model = {};  // empty: the default model
  std::string model_name = {};
  std::vector<std::string> aliases = {};
  bool strict_names = false;
  int64_t threads = 0;
  std::string isa = "auto";
  std::string pin = "auto";
  bool no_mmap = false;
  std::string activations = "fp8";
  std::string effort = {};
  std::string reasoning_field = "reasoning_content";
  std::string normalise_prompts = "off";

  // The engine.
  int64_t ctx = 0;
  int64_t max_sequences = 32;
  int64_t max_queue = 256;
  int64_t step_tokens = 512;
  int64_t step_ms = 500;
  int64_t deadline_s = 0;

  // Caches.
  int64_t cache_ram_bytes = 0;
  std::string cache_dir = {};
  int64_t cache_disk_bytes = 0;
  std::string state_policy = "periodic";
  int64_t state_interval = 4096;

  // Responses that the Responses API keeps.
  int64_t response_bytes = int64_t{64} << 20;
  int64_t response_count = 10'000;
  int64_t response_days = 30;

  // The network.
  std::string host = "127.0.0.1";
  int64_t port = 8000;
  bool allow_anyone = false;
  std::string tls_cert = {};
  std::string tls_key = {};
  std::vector<std::string> cors = {};
  bool page = true;
  int64_t workers = 2;
  int64_t max_connections = 4096;
  int64_t max_body_bytes = int64_t{64} << 20;
  int64_t max_bodies_bytes = 0;
  int64_t max_header_bytes = int64_t{64} << 10;
  int64_t max_unsent_bytes = int64_t{1} << 20;
  int64_t header_timeout_s = 30;
  int64_t body_timeout_s = 120;
  int64_t idle_timeout_s = 300;
  int64_t write_timeout_s = 30;
  int64_t heartbeat_s = 10;
  int64_t drain_s = 30;

  // Who may, and what is written down.
  std::string keys = {};
  std::string audit_log = {};
  bool audit_text = false;
};

struct ServeOption {
  enum class Unit { kCount, kSeconds, kMilliseconds, kBytes };
  using Field = std::variant<std::string ServeConfig::*, std::vector<std::string> ServeConfig::*,
                             int64_t ServeConfig::*, bool ServeConfig::*>;

  const char* name;  // as a flag, without "--"
  const char* help;
  Field field;
  Unit unit = Unit::kCount;
  int64_t low = 0;
  int64_t high = std::numeric_limits<int64_t>::max();
  std::vector<std::string> accepted = {};  // texts; empty: any

  std::string key() const;          // max_sequences
  std::string environment() const;  // FATHOM_SERVE_MAX_SEQUENCES
  bool is_flag() const { return std::holds_alternative<bool ServeConfig::*>(field); }
};

// All options in the order of the help text.
std::span<const ServeOption> ServeOptions();

// Sets an option from text; `source` ("--port", "FATHOM_SERVE_PORT") begins messages. Lists are separated by commas,
// bytes may be written as 512MB, 4GB or 1.5GiB, switches as true, false, 1, 0, on, off, yes and no.
Status SetOption(const ServeOption& option, std::string_view text, const std::string& source, ServeConfig* config);

// Sets what a configuration file says: one JSON object whose members are options' keys. A member that is none is an
// error that names it.
Status ApplyConfigFile(const std::string& path, ServeConfig* config);
// Sets what variables FATHOM_SERVE_* say. `get` looks one up: null if it is not set.
Status ApplyEnvironment(const std::function<const char*(const char*)>& get, ServeConfig* config);

// What several options say together: TLS files in pairs, and no address that others reach without keys unless that is
// asked for. `has_keys`: requests need a key.
Status CheckTogether(const ServeConfig& config, bool has_keys);
bool IsLoopback(std::string_view host);

// All options with their values, for people who ask what is in force. Holds no secret.
Json ConfigJson(const ServeConfig& config);

}  // namespace fathom

#endif  // FATHOM_SERVER_SERVE_CONFIG_H_
