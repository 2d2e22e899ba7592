// engine.h - requests in, token events out: one model, one thread, many sequences at once.
//
//   FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Create(model, tokenizer, {}));
//   FATHOM_ASSIGN_OR_RETURN(RequestHandle handle, engine->Submit(std::move(request), handler));
//   handle.Cancel();  // takes effect with the next step
//
// Every step reads the next tokens of all running sequences in one forward pass: chunks of prompts and one token of
// every answer. What a request gets is the same bits whatever else is running.
#ifndef FATHOM_ENGINE_ENGINE_H_
#define FATHOM_ENGINE_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/engine_stats.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct EngineOptions {
  int64_t context = 0;         // tokens of prompt and answer of one sequence; 0: what model and memory allow
  int64_t max_sequences = 32;  // running at once; at most step_tokens
  int64_t max_queue = 256;     // waiting for a place; more are refused
  int64_t step_tokens = 512;   // read in one step by all sequences together
  int64_t cache_bytes = 0;     // for caches and kept prefixes; 0: a quarter of this machine's RAM
  StatePolicy state_policy = StatePolicy::kPeriodic;
  int64_t snapshot_interval = 4096;  // see SchedulerOptions
  PrefixCacheOptions prefixes = {};
  // While answers are generated a step reads so much of prompts that it takes about this long; 0: step_tokens always.
  int64_t step_ms = 500;
};

namespace internal {
struct EngineMailbox;
}

// A submitted request. Copies mean the same request; it may outlive the engine.
class RequestHandle {
 public:
  // Ends the request with kCancelled within one step, unless it is done. Thread-safe.
  void Cancel() const;

 private:
  friend class Engine;
  RequestHandle(std::shared_ptr<std::atomic<bool>> cancelled, std::weak_ptr<internal::EngineMailbox> mailbox)
      : cancelled_(std::move(cancelled)), mailbox_(std::move(mailbox)) {}

  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::weak_ptr<internal::EngineMailbox> mailbox_;
};

class Engine {
 public:
  // `model` and `tokenizer` must outlive the engine; nobody else may use the model's thread pool meanwhile. An error if
  // an option is out of range, the memory limit holds no sequence at all, or the directory of kept prefixes is in use.
  static Result<std::unique_ptr<Engine>> Create(const Model& model, const Tokenizer& tokenizer,
                                                const EngineOptions& options);
  // Ends all requests with kCancelled after the running step, and joins the thread.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // What requests are checked against; `context` is what options and memory leave of the model's.
  const RequestLimits& limits() const { return limits_; }
  const EngineOptions& options() const { return options_; }

  // Checks the request and puts it into the queue. `handler` is called on the engine's thread, at last with Finished;
  // never if this returns an error: kInvalidArgument for the request, kResource if the queue is full, kCancelled if the
  // engine is being destroyed. Thread-safe.
  Result<RequestHandle> Submit(GenerateRequest request, EventHandler handler);

  // Ends all requests there are with kCancelled after the running step; what they have read is kept. Thread-safe.
  void CancelAll();

  // Thread-safe; as of the last step.
  EngineStats stats() const;
  // All requests that are not finished: those running, then those waiting. Thread-safe and never waits for a step.
  std::vector<RequestInfo> requests() const;

 private:
  Engine(const Model& model, const Tokenizer& tokenizer, const EngineOptions& options, RequestLimits limits,
         std::unique_ptr<PrefixCache> prefixes);

  void Run();
  // Takes new requests into the scheduler; waits if there is nothing to do. False when the engine is to end.
  bool Receive();
  // Returns when there is something to do.
  void WaitForWork(std::unique_lock<std::mutex>* lock);
  void Step();
  // `handler`, timed.
  EventHandler Timed(EventHandler handler);
  // Sends the last events of finished requests, after everything that tells of them.
  void TellEnds();
  void PublishStats();
  void PublishRequests();

  const Tokenizer& tokenizer_;
  const EngineOptions options_;
  const RequestLimits limits_;
  const std::shared_ptr<internal::EngineMailbox> mailbox_;  // handles refer to it

  // Of the engine's thread.
  std::unique_ptr<const TokenTrie> trie_;  // made for the first request with a constraint; sequences refer to it
  ConstraintPool constraint_pool_;
  Scheduler scheduler_;
  StepRunner runner_;
  bool waits_for_disk_ = false;  // all sequences do
  int64_t steps_ = 0;
  int64_t step_sequences_ = 0;
  int64_t turns_ = 0;
  double step_seconds_ = 0;
  double handler_seconds_ = 0;
  std::vector<PriorityLoad> priorities_;  // of PublishStats(), a member to keep its memory
  SteadyTime requests_published_;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_ENGINE_H_
