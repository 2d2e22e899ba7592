#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <random>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/strings.h"
#include "engine/stopwatch.h"

namespace fathom {
namespace internal {

// What other threads and the engine's share.
struct EngineMailbox {
  struct Submission {
    GenerateRequest request;
    EventHandler handler;
    std::shared_ptr<std::atomic<bool>> cancelled;
    SteadyTime time;
    uint64_t number = 0;
  };
  struct Snapshot {
    RequestInfo info;  // without its age
    SteadyTime submitted;
  };

  std::mutex mutex;
  std::condition_variable wake;
  std::vector<Submission> submissions;
  uint64_t next_number = 0;
  bool stop = false;
  bool wakened = false;        // something was cancelled or loaded, or all was written
  uint64_t cancel_before = 0;  // requests of lower numbers
  EngineStats stats;
  std::vector<Snapshot> requests;

  void Wake() {
    const std::lock_guard lock(mutex);
    wakened = true;
    wake.notify_one();
  }
};

}  // namespace internal

namespace {

using internal::EngineMailbox;

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

Status CheckOption(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(StrCat("engine option ", name, " is ", value, "; accepted is ", low, " to ", high));
}

Status CheckOptions(const EngineOptions& options) {
  constexpr int64_t kMaxStepTokens = 65536;
  constexpr int64_t kMaxQueue = 1 << 20;
  FATHOM_RETURN_IF_ERROR(CheckOption("step_tokens", options.step_tokens, 1, kMaxStepTokens));
  FATHOM_RETURN_IF_ERROR(CheckOption("max_sequences", options.max_sequences, 1, options.step_tokens));
  constexpr int64_t kMaxStepMs = int64_t{3600} * 1000;
  FATHOM_RETURN_IF_ERROR(CheckOption("step_ms", options.step_ms, 0, kMaxStepMs));
  return CheckOption("max_queue", options.max_queue, 1, kMaxQueue);
}

// A request that no step has seen yet.
EngineMailbox::Snapshot SnapshotOf(const EngineMailbox::Submission& submission) {
  RequestInfo info;
  info.number = submission.number;
  info.user = submission.request.user;
  info.priority = submission.request.priority;
  info.prompt_tokens = static_cast<int64_t>(submission.request.prompt.size());
  info.max_tokens = submission.request.max_tokens;
  info.sampling = submission.request.sampling;
  return {std::move(info), submission.time};
}

// The longest sequence whose cache fits into `bytes`, up to `most` tokens; 0 if none does.
int64_t TokensThatFit(const CacheLayout& layout, int64_t bytes, int64_t most) {
  const int64_t for_blocks = bytes - layout.state_bytes();
  if (for_blocks < 0) return 0;
  if (layout.block_bytes() == 0) return most;
  return std::min(most, for_blocks / layout.block_bytes() * CacheLayout::kBlockTokens);
}

}  // namespace

void RequestHandle::Cancel() const {
  cancelled_->store(true, std::memory_order_relaxed);  // the engine looks before every step
  if (const auto mailbox = mailbox_.lock()) mailbox->Wake();
}

Result<std::unique_ptr<Engine>> Engine::Create(const Model& model, const Tokenizer& tokenizer,
                                               const EngineOptions& options) {
  FATHOM_RETURN_IF_ERROR(CheckOptions(options));
  const ModelConfig& config = model.config();
  RequestLimits limits;
  limits.vocab_size = config.vocab_size;
  limits.context = config.max_context;
  if (options.context != 0) {
    if (options.context < 2 || options.context > config.max_context) {
      return InvalidArgument(
          StrCat("engine option context is ", options.context, "; this model accepts 2 to ", config.max_context));
    }
    limits.context = options.context;
    limits.context_source = "the context set for this run";
  }
  EngineOptions complete = options;
  if (complete.cache_bytes == 0) {
    constexpr uint64_t kUnknownRam = uint64_t{4} << 30;
    const uint64_t ram = GetCpuFeatures().ram_bytes;
    complete.cache_bytes = static_cast<int64_t>((ram == 0 ? kUnknownRam : ram) / 4);
  }
  const CacheLayout& layout = model.cache_layout();
  const int64_t for_disk = complete.prefixes.directory.empty() ? 0 : PrefixCache::MaxStuckBytes(layout);
  const int64_t fit = TokensThatFit(layout, complete.cache_bytes - for_disk, limits.context);
  if (fit < 2) {
    return ResourceExhausted(
        StrCat("one sequence needs ", HumanBytes(static_cast<uint64_t>(CacheBytes(layout, 2) + for_disk)),
               " of cache, and the limit is ", HumanBytes(static_cast<uint64_t>(complete.cache_bytes))));
  }
  if (fit < limits.context) {
    limits.context = fit;
    limits.context_source =
        StrCat("the memory set aside for caches (", HumanBytes(static_cast<uint64_t>(complete.cache_bytes)), ")");
  }
  complete.prefixes.replay = complete.state_policy == StatePolicy::kRecompute;
  FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<PrefixCache> prefixes, PrefixCache::Open(layout, complete.prefixes));
  return std::unique_ptr<Engine>(new Engine(model, tokenizer, complete, std::move(limits), std::move(prefixes)));
}

Engine::Engine(const Model& model, const Tokenizer& tokenizer, const EngineOptions& options, RequestLimits limits,
               std::unique_ptr<PrefixCache> prefixes)
    : tokenizer_(tokenizer),
      options_(options),
      limits_(std::move(limits)),
      mailbox_(std::make_shared<EngineMailbox>()),
      scheduler_(model.cache_layout(), std::move(prefixes),
                 {.max_sequences = options.max_sequences,
                  .step_tokens = options.step_tokens,
                  .cache_bytes = options.cache_bytes,
                  .state_policy = options.state_policy,
                  .snapshot_interval = options.snapshot_interval,
                  .step_seconds = static_cast<double>(options.step_ms) / 1e3}),
      runner_(model, tokenizer, options.step_tokens, options.max_sequences, limits_.context) {
  scheduler_.OnLoaded([mailbox = mailbox_.get()] { mailbox->Wake(); });
  thread_ = std::thread([this] { Run(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->stop = true;
    mailbox_->wake.notify_one();
  }
  thread_.join();
}

Result<RequestHandle> Engine::Submit(GenerateRequest request, EventHandler handler) {
  FATHOM_RETURN_IF_ERROR(ValidateRequest(request, limits_));
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  const std::lock_guard lock(mailbox_->mutex);
  if (mailbox_->stop) return Cancelled("the engine is shutting down");
  // Those for whom places are free wait only until the engine's thread has seen them.
  const int64_t arrived = mailbox_->stats.waiting + static_cast<int64_t>(mailbox_->submissions.size());
  const int64_t waiting = arrived - std::max<int64_t>(0, options_.max_sequences - mailbox_->stats.running);
  if (waiting >= options_.max_queue) {
    ++mailbox_->stats.refused;
    return ResourceExhausted(StrCat("the queue is full: ", waiting, " requests are waiting; try again later"));
  }
  ++mailbox_->stats.requests;
  mailbox_->submissions.push_back(
      {std::move(request), std::move(handler), cancelled, std::chrono::steady_clock::now(), mailbox_->next_number++});
  mailbox_->wake.notify_one();
  return RequestHandle(std::move(cancelled), mailbox_);
}

void Engine::CancelAll() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->cancel_before = mailbox_->next_number;
  mailbox_->wakened = true;
  mailbox_->wake.notify_one();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(mailbox_->mutex);
  return mailbox_->stats;
}

std::vector<RequestInfo> Engine::requests() const {
  std::vector<RequestInfo> requests;
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto add = [&](EngineMailbox::Snapshot snapshot) {
    snapshot.info.age_seconds = std::chrono::duration<double>(now - snapshot.submitted).count();
    requests.push_back(std::move(snapshot.info));
  };
  const std::lock_guard lock(mailbox_->mutex);
  for (const EngineMailbox::Snapshot& snapshot : mailbox_->requests) add(snapshot);
  for (const EngineMailbox::Submission& submission : mailbox_->submissions) add(SnapshotOf(submission));
  return requests;
}

void Engine::Run() {
  while (Receive()) Step();
  scheduler_.DropAll();
  TellEnds();
}

void Engine::TellEnds() {
  if (!scheduler_.has_ends()) return;
  PublishStats();
  PublishRequests();
  scheduler_.TellEnds();
}

EventHandler Engine::Timed(EventHandler handler) {
  return [this, inner = std::move(handler)](const Event& event) {
    const Stopwatch watch(&handler_seconds_);
    return inner(event);
  };
}

bool Engine::Receive() {
  std::vector<EngineMailbox::Submission> submissions;
  uint64_t cancel_before = 0;
  bool stop = false;
  {
    std::unique_lock lock(mailbox_->mutex);
    WaitForWork(&lock);
    mailbox_->wakened = false;
    // Read together with the submissions: none comes after it, so the last turn has them all to cancel.
    stop = mailbox_->stop;
    submissions.swap(mailbox_->submissions);
    cancel_before = std::exchange(mailbox_->cancel_before, 0);
    // Until the next PublishStats() and PublishRequests() they would be neither submitted nor waiting.
    mailbox_->stats.waiting += static_cast<int64_t>(submissions.size());
    for (const auto& submission : submissions) mailbox_->requests.push_back(SnapshotOf(submission));
  }
  const Stopwatch watch(&step_seconds_);
  for (EngineMailbox::Submission& submission : submissions) {
    const std::optional<uint64_t>& wanted = submission.request.sampling.seed;
    const uint64_t seed = wanted ? *wanted : RandomSeed();  // a system call, so only where it is needed
    if (submission.request.constraint.automaton != nullptr && trie_ == nullptr) {
      trie_ = std::make_unique<TokenTrie>(tokenizer_);
    }
    scheduler_.Add(std::make_unique<Sequence>(
        submission.number, std::move(submission.request), seed, Timed(std::move(submission.handler)),
        std::move(submission.cancelled), tokenizer_, limits_.context, submission.time, trie_.get(), &constraint_pool_));
  }
  if (cancel_before > 0) {
    scheduler_.CancelBefore(cancel_before);
    TellEnds();
  }
  return !stop;
}

void Engine::WaitForWork(std::unique_lock<std::mutex>* lock) {
  const bool idle = scheduler_.running() == 0 && scheduler_.waiting() == 0;
  if (!idle && !waits_for_disk_) return;
  const auto ready = [&] {
    return mailbox_->stop || mailbox_->cancel_before > 0 || !mailbox_->submissions.empty() || mailbox_->wakened;
  };
  const std::optional<SteadyTime> deadline = scheduler_.next_deadline();
  if (deadline) {
    mailbox_->wake.wait_until(*lock, *deadline, ready);
  } else {
    mailbox_->wake.wait(*lock, ready);
  }
}

void Engine::Step() {
  Stopwatch watch(&step_seconds_);
  ++turns_;
  scheduler_.DropEnded(std::chrono::steady_clock::now());
  TellEnds();
  const std::vector<Scheduler::Chunk>& chunks = scheduler_.NextStep();
  waits_for_disk_ = chunks.empty() && scheduler_.running() > 0;
  if (!chunks.empty()) {
    runner_.Run(chunks);
    ++steps_;
    step_sequences_ += static_cast<int64_t>(chunks.size());
    scheduler_.DidStep(watch.seconds());
  }
  scheduler_.RemoveFinished();
  watch.Add();
  if (scheduler_.has_ends()) return TellEnds();
  PublishStats();
  constexpr std::chrono::milliseconds kInterval(100);
  const bool idle = scheduler_.running() == 0 && scheduler_.waiting() == 0;
  if (idle || std::chrono::steady_clock::now() - requests_published_ >= kInterval) PublishRequests();
}

void Engine::PublishStats() {
  priorities_.clear();
  scheduler_.ForEach([&](const Sequence& sequence) {
    const int32_t priority = sequence.request().priority;
    auto load = std::ranges::lower_bound(priorities_, priority, std::greater<>(), &PriorityLoad::priority);
    if (load == priorities_.end() || load->priority != priority) load = priorities_.insert(load, {priority, 0, 0});
    ++(sequence.started() ? load->running : load->waiting);
  });
  const Usage& finished = scheduler_.finished_usage();
  const double service = scheduler_.mean_service_seconds();
  const std::lock_guard lock(mailbox_->mutex);
  EngineStats& stats = mailbox_->stats;
  stats.steps = steps_;
  stats.step_sequences = step_sequences_;
  stats.turns = turns_;
  stats.prompt_tokens_read = runner_.prompt_tokens_read();
  stats.generated_tokens = runner_.generated_tokens();
  stats.preemptions = scheduler_.preemptions();
  stats.step_seconds = step_seconds_;
  stats.model_seconds = runner_.model_seconds();
  stats.sampling_seconds = runner_.sampling_seconds();
  stats.handler_seconds = handler_seconds_;
  stats.waiting = scheduler_.waiting();
  stats.running = scheduler_.running();
  stats.priorities = priorities_;
  stats.cache_bytes = scheduler_.cache_bytes();
  stats.prefixes = scheduler_.prefixes();
  stats.prefill_budget = scheduler_.prefill_budget();
  const bool busy = stats.waiting > 0 || stats.running >= options_.max_sequences;
  stats.next_place_seconds = busy ? EstimateWaitSeconds(1, stats.running, service) : 0;
  stats.wait_seconds = busy ? EstimateWaitSeconds(stats.waiting + 1, stats.running, service) : 0;
  stats.prompt_tokens = finished.prompt_tokens;
  stats.cached_tokens = finished.cached_tokens;
  stats.completion_tokens = finished.completion_tokens;
}

void Engine::PublishRequests() {
  std::vector<EngineMailbox::Snapshot> requests;
  scheduler_.ForEach([&](const Sequence& sequence) { requests.push_back({sequence.Info(), sequence.submitted()}); });
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->requests.swap(requests);
  }
  requests_published_ = std::chrono::steady_clock::now();
}

}  // namespace fathom
