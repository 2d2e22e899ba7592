// generation.h - chat and text requests to the engine and back: rendering, constraints, parsing, replay, accounting.
//
//   FATHOM_ASSIGN_OR_RETURN(Generation generation, service.Start(request, caller, sink));
//   exchange->OnDisconnect([generation] { generation.Cancel(); });
//
// Everything a protocol has in common with the others happens here, once.
#ifndef FATHOM_SERVER_API_GENERATION_H_
#define FATHOM_SERVER_API_GENERATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "server/api/answer_constraint.h"
#include "server/api/answer_sink.h"
#include "server/api/api_error.h"
#include "server/api/chat_request.h"
#include "server/api/prompt_normalizer.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

class AnswerReplay;
struct AnswerPumpSetup;

// The model behind the server, and the defaults of its requests.
struct ServedModel {
  std::string name;                       // first of the list of models
  std::vector<std::string> aliases = {};  // other names that mean it
  bool any_name = true;                   // unknown names mean it, too; otherwise they are an error
  std::string directory;
  int64_t created = 0;  // Unix time
  Dialect dialect = Dialect::kV4;
  SamplingParams sampling;  // generation_config.json
  std::vector<int32_t> stop_tokens;
  EffortRequest default_effort = {};  // where a request says nothing
  PromptNormalization normalization = {};
  int64_t parameters = 0;
  int64_t hidden_size = 0;
  int64_t bytes = 0;
};

// What is told about a request when it is over: metrics and the audit log are made from it.
struct GenerationRecord {
  std::string kind;  // "chat", "completion"
  Caller caller;
  Usage usage;
  int64_t reasoning_tokens = 0;
  Timings timings;
  std::string finish;  // stop, length, tool_calls, cancelled, error
  std::string error = {};
  std::string cache_note = {};  // why no more of the prompt came from a kept prefix; empty if nothing is known
};
class GenerationObserver {
 public:
  virtual ~GenerationObserver() = default;
  // On the engine's thread.
  virtual void OnFirstToken(double /*seconds_since_submit*/) {}
  virtual void OnToken(double /*seconds_since_last*/) {}
  virtual void OnFinished(const GenerationRecord& record) = 0;
};

// What is cancelled together; some of it may be added while the rest runs. Thread-safe.
template <typename Member>
class CancelGroup {
 public:
  // Cancelled at once if the group is.
  void Add(Member member) {
    const std::lock_guard lock(mutex_);
    if (cancelled_) member.Cancel();
    members_.push_back(std::move(member));
  }
  void Cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (const Member& member : members_) member.Cancel();
  }

 private:
  std::mutex mutex_;
  std::vector<Member> members_;
  bool cancelled_ = false;
};

// The engine's requests of one generation, one per choice.
using RequestGroup = CancelGroup<RequestHandle>;

// A running request; copies mean the same one.
class Generation {
 public:
  explicit Generation(std::shared_ptr<RequestGroup> requests) : requests_(std::move(requests)) {}
  void Cancel() const { requests_->Cancel(); }

 private:
  std::shared_ptr<RequestGroup> requests_;
};

template <typename T>
using ApiResult = std::variant<T, ApiError>;

// Text completion: prompts that are taken as they are, or fill-in-the-middle.
struct TextRequest {
  std::string model = {};
  std::vector<int32_t> prompt = {};
  std::string prompt_field = "prompt";  // what the client sent it in, for messages
  SamplingRequest sampling = {};
  std::optional<int64_t> max_tokens = {};  // 0: the prompt alone is read
  std::vector<std::string> stop = {};
  int64_t n = 1;
  std::optional<int64_t> prompt_logprobs = {};  // see GenerateRequest
  AnswerForm form = {};
  std::optional<Constraint> constraint = {};  // of `form`, where it is compiled already
  bool use_prefix_cache = true;
  std::optional<std::chrono::milliseconds> deadline = {};  // see ChatRequest
};

// What to tell a client that was refused, in whole seconds from 1 to 600: when a place is likely to be free, by the
// engine's estimate; `otherwise` where there is none yet.
int RetryAfterSeconds(double next_place_seconds, int otherwise);

class GenerationService {
 public:
  // All must outlive the service. `observer` and `replay` may be null.
  GenerationService(Engine& engine, const Tokenizer& tokenizer, ServedModel model, AnswerReplay* replay,
                    GenerationObserver* observer);

  const ServedModel& model() const { return model_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  Engine& engine() { return engine_; }

  // Renders, compiles constraints and submits. After an error nothing of `sink` is called. Thread-safe.
  ApiResult<Generation> Start(const ChatRequest& request, const Caller& caller, std::shared_ptr<AnswerSink> sink);
  ApiResult<Generation> StartText(const TextRequest& request, const Caller& caller, std::shared_ptr<AnswerSink> sink);
  // The constraint of a text request's form. With it StartText() is quick enough for the engine's thread.
  ApiResult<Constraint> CompileText(const AnswerForm& form);
  // Whether an answer to a prompt of so many tokens can begin. `field` is what the client sent it in.
  std::optional<ApiError> CheckPrompt(size_t tokens, const std::string& field) const;

  // The prompt's tokens as Start() would submit them.
  ApiResult<std::vector<int32_t>> PromptTokens(const ChatRequest& request, const Caller& caller);
  // How many these are. Requests that count name no user where those that are answered do: a caller without one is
  // taken for the key's user who has this conversation, so that what is restored of it is counted, too.
  ApiResult<int64_t> CountPrompt(const ChatRequest& request, const Caller& caller);
  // The prompt's text.
  ApiResult<std::string> PromptText(const ChatRequest& request);
  // Whether `name` means this model: an error kModelNotFound otherwise. A suffix in brackets ("[1m]") is ignored.
  std::optional<ApiError> CheckModel(const std::string& name) const;

 private:
  struct Prompt {
    std::vector<int32_t> tokens;
    ThinkingMode answer_mode = ThinkingMode::kChat;
  };
  Result<RenderedPrompt> Render(const ChatRequest& request, std::vector<ChatMessage> messages,
                                const EffortChoice& effort) const;
  // `scope`: of what is restored.
  Result<Prompt> MakePrompt(const ChatRequest& request, const std::string& scope) const;
  Result<EffortChoice> EffortOf(const ChatRequest& request) const;
  std::vector<int32_t> Encode(const RenderedPrompt& prompt, const std::vector<ChatMessage>& messages,
                              const std::string& scope) const;
  SamplingParams SamplingFrom(const SamplingRequest& request) const;
  GenerateRequest BaseRequest(const SamplingRequest& sampling, const Caller& caller) const;
  // Checks what the engine would refuse with less to say; submits `request` once per choice: the others when the first
  // has read the prompt, which they find among the kept prefixes then. `prompt_field` is what the client sent it in.
  ApiResult<Generation> Submit(GenerateRequest request, const std::string& prompt_field, AnswerPumpSetup setup,
                               std::shared_ptr<AnswerSink> sink);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  const ServedModel model_;
  AnswerReplay* const replay_;
  GenerationObserver* const observer_;
  ConstraintCompiler constraints_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_GENERATION_H_
