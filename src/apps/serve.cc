#include "apps/serve.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "apps/flags.h"
#include "apps/inspect_report.h"
#include "apps/model_fingerprint.h"
#include "apps/model_options.h"
#include "apps/sampling_options.h"
#include "apps/serve_keys.h"
#include "base/cpu_features.h"
#include "base/file.h"
#include "base/log.h"
#include "base/machine_limits.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "kernels/kernels.h"
#include "server/serve_config.h"
#include "server/server.h"

namespace fathom {
namespace {

using std::chrono::seconds;

constexpr seconds kLastWords{5};  // for answers that are cut off to say so

constexpr char kServeFooter[] =
    R"(Every option can also be set by the environment, --max-queue as FATHOM_SERVE_MAX_QUEUE, and by a key of the JSON object in
--config FILE, there as "max_queue". Flags win over the environment, the environment over the file.

`fathom serve keys --help` explains API keys. SIGHUP reads them and the TLS files again and opens the audit log again. SIGTERM and Ctrl-C let
running answers finish (--drain); once more ends at once.

Examples:
  fathom serve --model DeepSeek-V4-Flash
  fathom serve keys add laptop && fathom serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  curl http://127.0.0.1:8000/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Hello!"}]}'

Exit code: 0 after SIGTERM or Ctrl-C, 2 if an option or the model is not accepted, 3 if memory, a file or the address fails.)";

// What the arguments say, by option; applied after the file and the environment.
struct ServeFlags {
  std::string config_file;
  std::map<std::string, std::string> values;
};

void AddOptions(CLI::App& app, ServeFlags* flags) {
  app.add_option("--config", flags->config_file, "JSON file of options")->type_name("FILE");
  for (const ServeOption& option : ServeOptions()) {
    const std::string name = option.name;
    if (option.is_flag()) {
      // --page alone says nothing new: what is on by default has --no-page, and --no-mmap has --mmap.
      const std::string opposite = name.starts_with("no-") ? name.substr(3) : StrCat("no-", name);
      app.add_flag_function(
          StrCat("--", name, ",!--", opposite),
          [flags, name](int64_t count) { flags->values[name] = count > 0 ? "true" : "false"; }, option.help);
      continue;
    }
    const char* unit = "TEXT";
    if (std::holds_alternative<int64_t ServeConfig::*>(option.field)) {
      unit = option.unit == ServeOption::Unit::kSeconds        ? "SECONDS"
             : option.unit == ServeOption::Unit::kMilliseconds ? "MS"
             : option.unit == ServeOption::Unit::kBytes        ? "BYTES"
                                                               : "N";
    }
    app.add_option_function<std::string>(
           StrCat("--", name), [flags, name](const std::string& text) { flags->values[name] = text; }, option.help)
        ->type_name(unit);
  }
}

Result<ServeConfig> ReadConfig(const ServeFlags& flags) {
  ServeConfig config;
  std::string file = flags.config_file;
  const char* named = std::getenv("FATHOM_SERVE_CONFIG");
  if (file.empty() && named != nullptr) file = named;
  if (!file.empty()) FATHOM_RETURN_IF_ERROR(ApplyConfigFile(file, &config));
  FATHOM_RETURN_IF_ERROR(ApplyEnvironment([](const char* name) { return std::getenv(name); }, &config));
  for (const ServeOption& option : ServeOptions()) {
    const auto value = flags.values.find(option.name);
    if (value == flags.values.end()) continue;
    FATHOM_RETURN_IF_ERROR(SetOption(option, value->second, StrCat("--", option.name), &config));
  }
  return config;
}

Result<std::unique_ptr<Authenticator>> OpenKeys(const ServeConfig& config) {
  if (!config.keys.empty()) return Authenticator::Open(config.keys, true);
  const Result<std::string> file = DefaultKeyFile();
  return Authenticator::Open(file.ok() ? *file : "", false);
}

StatePolicy PolicyFrom(const std::string& name) {
  if (name == "full") return StatePolicy::kFull;
  return name == "recompute" ? StatePolicy::kRecompute : StatePolicy::kPeriodic;
}

Result<EngineOptions> EngineOptionsFrom(const ServeConfig& config, const LoadedModel& loaded) {
  EngineOptions options;
  options.max_sequences = config.max_sequences;
  options.max_queue = config.max_queue;
  options.step_tokens = config.step_tokens;
  options.step_ms = config.step_ms;
  options.cache_bytes = config.cache_ram_bytes;
  options.state_policy = PolicyFrom(config.state_policy);
  options.snapshot_interval = config.state_interval;
  if (config.cache_dir.empty()) return options;
  options.prefixes.directory = config.cache_dir;
  options.prefixes.disk_bytes = config.cache_disk_bytes;
  if (options.prefixes.disk_bytes == 0) {
    std::error_code error;
    std::filesystem::create_directories(config.cache_dir, error);
    const std::filesystem::space_info space = std::filesystem::space(config.cache_dir, error);
    if (error) return IoError(StrCat("--cache-dir ", config.cache_dir, ": ", error.message()));
    options.prefixes.disk_bytes = static_cast<int64_t>(space.available / 2);
  }
  FATHOM_ASSIGN_OR_RETURN(options.prefixes.model_fingerprint,
                          ModelFingerprint(loaded.checkpoint(), loaded.model().options()));
  return options;
}

Result<EffortRequest> DefaultEffort(const ServeConfig& config, Dialect dialect) {
  EffortRequest effort;
  if (config.effort.empty()) return effort;
  effort.effort = config.effort;
  const Result<EffortChoice> choice = ChooseEffort(dialect, effort);
  if (!choice.ok()) return choice.status();
  return effort;
}

Result<ServedModel> ServedModelFrom(const ServeConfig& config, const LoadedModel& loaded) {
  ServedModel model;
  model.name = config.model_name;
  model.aliases = config.aliases;
  model.any_name = !config.strict_names;
  model.directory = loaded.directory();
  struct stat info = {};
  if (stat((loaded.directory() + "/config.json").c_str(), &info) == 0) model.created = info.st_mtim.tv_sec;
  model.dialect = loaded.dialect();
  model.sampling = loaded.generation().sampling;
  model.stop_tokens = loaded.generation().stop_tokens;
  FATHOM_ASSIGN_OR_RETURN(model.normalization, ParsePromptNormalization(config.normalise_prompts));
  FATHOM_ASSIGN_OR_RETURN(model.default_effort, DefaultEffort(config, loaded.dialect()));
  model.bytes = static_cast<int64_t>(loaded.checkpoint().tensor_bytes());
  model.parameters = static_cast<int64_t>(MakeInspectReport(loaded.checkpoint(), {}, {}).parameters);
  model.hidden_size = loaded.checkpoint().config().hidden_size;
  return model;
}

std::string NameOf(const std::string& directory) {
  std::error_code ignored;
  const std::filesystem::path path = std::filesystem::weakly_canonical(directory, ignored);
  const std::string name = path.filename().string();
  return name.empty() ? "fathom" : name;
}

Json MachineJson(const ServeConfig& config) {
  const CpuFeatures& cpu = GetCpuFeatures();
  return Json::Object({{"cpu", Json::String(CpuinfoField("model name"))},
                       {"cores", Json::Int(cpu.cores)},
                       {"threads", Json::Int(config.threads == 0 ? cpu.cores : config.threads)},
                       {"kernels", Json::String(Kernels().name)},
                       {"ram_bytes", Json::Int(static_cast<int64_t>(cpu.ram_bytes))}});
}

// Tells systemd, if it asked to be told. One datagram; nothing happens if nobody listens.
void NotifySystemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address = {};
  if (path == nullptr || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, std::strlen(path));
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  close(fd);
}

std::string ReadyLine(const ServeConfig& config, const Server& server, const Engine& engine) {
  std::string cache = StrCat(HumanBytes(static_cast<uint64_t>(engine.options().cache_bytes)), " of memory");
  cache += config.cache_dir.empty() ? ", no disk" : StrCat(" and ", config.cache_dir);
  return StrCat("fathom serve: ready at ", server.url(), ", model ", config.model_name, ", context ",
                engine.limits().context, " tokens, API keys ", server.needs_keys() ? "on" : "off", ", cache ", cache);
}

void SayReady(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Until a signal asks for the end.
void ServeUntilInterrupted(Server& server) {
  constexpr auto kPoll = std::chrono::milliseconds(50);
  auto next_tick = std::chrono::steady_clock::now();
  while (!InterruptRequested()) {
    std::this_thread::sleep_for(kPoll);
    if (TakeReloadRequest()) {
      WriteStderr(StrCat("fathom serve: ", server.Reload(), "\n"));
    }
    if (std::chrono::steady_clock::now() < next_tick) continue;
    next_tick = std::chrono::steady_clock::now() + seconds(1);
    server.Tick();
  }
}

Status Serve(ServeConfig config) {
  FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<Authenticator> authenticator, OpenKeys(config));
  if (config.model.empty()) {
    FATHOM_ASSIGN_OR_RETURN(const DefaultModel found, FindDefaultModel());
    config.model = found.directory;
  }
  if (config.model_name.empty()) config.model_name = NameOf(config.model);
  std::unique_ptr<LoadedModel> loaded;
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(config, std::move(authenticator)));
  std::unique_ptr<Engine> engine;  // ends before the server, whose logs its last events go to
  WriteStderr(StrCat("fathom serve: listening at ", server->url(), ", loading ", config.model, "\n"));
  FATHOM_ASSIGN_OR_RETURN(loaded, LoadedModel::Load({.model = config.model,
                                                     .threads = static_cast<int>(config.threads),
                                                     .isa = config.isa,
                                                     .pin = config.pin,
                                                     .mmap = !config.no_mmap,
                                                     .activations = config.activations,
                                                     .context = config.ctx}));
  FATHOM_ASSIGN_OR_RETURN(const EngineOptions options, EngineOptionsFrom(config, *loaded));
  FATHOM_ASSIGN_OR_RETURN(engine, loaded->StartEngine(options));
  FATHOM_ASSIGN_OR_RETURN(ServedModel model, ServedModelFrom(config, *loaded));
  FATHOM_RETURN_IF_ERROR(server->Attach(engine.get(), &loaded->tokenizer(), std::move(model), MachineJson(config)));
  SayReady(ReadyLine(config, *server, *engine));
  NotifySystemd("READY=1");
  ServeUntilInterrupted(*server);
  NotifySystemd("STOPPING=1");
  WriteStderr(StrCat("fathom serve: no new requests; running answers have ", config.drain_s, " s to finish\n"));
  const bool all = server->Drain(seconds(config.drain_s));
  if (!all) {
    engine->CancelAll();
    server->Drain(kLastWords);
  }
  server->Stop();
  engine.reset();
  WriteStderr(all ? "fathom serve: ended\n" : "fathom serve: ended; answers that were still running were cut off\n");
  return {};
}

}  // namespace

int ServeMain(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "keys") return ServeKeysMain(argc - 1, argv + 1);
  ServeFlags flags;
  CLI::App app("Answers HTTP clients of the OpenAI, Anthropic and DeepSeek APIs with one model.", "fathom serve");
  app.footer(kServeFooter);
  AddOptions(app, &flags);
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  Result<ServeConfig> config = ReadConfig(flags);
  if (!config.ok()) return Fail(config.status());
  InstallInterruptHandler();
  InstallReloadHandler();
  signal(SIGPIPE, SIG_IGN);
  const Status status = Serve(std::move(*config));
  return status.ok() ? 0 : Fail(status);
}

}  // namespace fathom
