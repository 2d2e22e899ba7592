// engine_bench - what the engine's own work costs beside the model's.
//
//   engine_bench MODEL [--sequences N] [--tokens N] [--threads N] [--step-tokens N] [--schema] [--long N]
//
// N requests at once, each with a short prompt of its own, temperature 0.7, top_p 0.95 and stop strings; prints one
// line of rates and the shares of step time in the model, in sampling, in event handlers, and in the rest of the
// engine.
// --schema constrains every answer by one JSON schema. --long instead reads N prompts of 4,000 tokens, while one answer
// is generated, and says when a short request that comes meanwhile has its first token.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "engine/event_queue.h"
#include "engine/grammar/json_schema.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

struct Options {
  std::string model;
  int64_t sequences = 64;
  int64_t tokens = 100;
  int64_t step_tokens = 512;
  int threads = 2;
  bool schema = false;
  int64_t long_prompts = 0;
};

template <typename T>
T Value(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    std::exit(2);
  }
  return std::move(*result);
}

GenerateRequest RequestOf(const Options& options, const Tokenizer& tokenizer, int64_t number,
                          const Constraint& constraint) {
  GenerateRequest request;
  request.prompt =
      tokenizer.Encode("Question " + std::to_string(number) + ": what is the capital of France?", AddedTokens::kMatch);
  request.max_tokens = options.tokens;
  request.sampling.temperature = 0.7;
  request.sampling.top_p = 0.95;
  request.sampling.seed = static_cast<uint64_t>(number);
  request.stop = {"\x01 never", "\x02 never"};
  request.user = "user" + std::to_string(number % 8);
  request.constraint = constraint;
  if (constraint.automaton) request.stop_tokens = {1};
  return request;
}

Constraint SchemaOf(const Options& options) {
  if (!options.schema) return {};
  const Json schema = Value(ParseJson(
      R"({"type":"object","properties":{"name":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
          "count":{"type":"integer"}},"required":["name","tags","count"],"additionalProperties":false})"));
  return {std::make_shared<const ByteAutomaton>(Value(CompileJsonSchema(schema, "schema")))};
}

double Milliseconds(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

void AwaitEnd(EventQueue& queue) {
  while (const std::optional<Event> event = queue.Pop(std::chrono::hours(1))) {
    if (std::holds_alternative<Finished>(*event)) return;
  }
}

void MeasureShortAmongLong(const Options& options, const Tokenizer& tokenizer, Engine& engine) {
  EventQueue answer_queue;
  std::vector<double> gaps;  // between the tokens of the answer
  auto last = std::chrono::steady_clock::now();
  GenerateRequest answer = RequestOf(options, tokenizer, 0, {});
  answer.max_tokens = 2000;
  const RequestHandle running = Value(engine.Submit(answer, [&, inner = answer_queue.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      gaps.push_back(Milliseconds(last));
      last = std::chrono::steady_clock::now();
    }
    return inner(event);
  }));
  std::vector<EventQueue> queues(static_cast<size_t>(options.long_prompts));
  std::vector<RequestHandle> handles;
  for (size_t n = 0; n < queues.size(); ++n) {
    GenerateRequest request = RequestOf(options, tokenizer, static_cast<int64_t>(n), {});
    request.max_tokens = 1;
    const std::vector<int32_t> line = request.prompt;
    while (request.prompt.size() < 4000) request.prompt.insert(request.prompt.end(), line.begin(), line.end());
    handles.push_back(Value(engine.Submit(std::move(request), queues[n].handler())));
  }
  while (engine.stats().running <= options.long_prompts) {
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const size_t before = gaps.size();  // about: it is another thread's
  const int64_t steps = engine.stats().steps;
  const auto begin = std::chrono::steady_clock::now();
  double first_ms = 0;
  int64_t first_steps = 0;
  EventQueue short_queue;
  GenerateRequest request = RequestOf(options, tokenizer, 1000, {});
  request.max_tokens = 1;
  Value(engine.Submit(std::move(request), [&, inner = short_queue.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      first_ms = Milliseconds(begin);
      first_steps = engine.stats().steps + 1 - steps;
    }
    return inner(event);
  }));
  AwaitEnd(short_queue);
  const EngineStats stats = engine.stats();
  running.Cancel();
  for (const RequestHandle& handle : handles) handle.Cancel();
  AwaitEnd(answer_queue);
  for (EventQueue& queue : queues) AwaitEnd(queue);
  double total = 0;
  for (size_t n = std::min(before, size_t{5}); n < gaps.size(); ++n) total += gaps[n];
  std::printf(
      "%lld long prompts: a short request's first token after %lld steps, %.0f ms; the running answer's tokens "
      "come every %.0f ms; prompt tokens of a step %lld, long prompts still running %lld\n",
      static_cast<long long>(options.long_prompts), static_cast<long long>(first_steps), first_ms,
      total / static_cast<double>(gaps.size() - std::min(before, size_t{5})),
      static_cast<long long>(stats.prefill_budget), static_cast<long long>(stats.running - 1));
}

void Run(const Options& options) {
  const std::unique_ptr<Checkpoint> checkpoint = Value(Checkpoint::Open(options.model));
  const std::unique_ptr<Tokenizer> tokenizer = Value(Tokenizer::Load(options.model + "/tokenizer.json"));
  ThreadPool pool(options.threads);
  const Model model(checkpoint->config(), checkpoint->weights(), {}, pool);
  const std::unique_ptr<Engine> engine = Value(Engine::Create(
      model, *tokenizer, {.max_sequences = options.sequences, .max_queue = 4096, .step_tokens = options.step_tokens}));
  if (options.long_prompts > 0) return MeasureShortAmongLong(options, *tokenizer, *engine);
  const Constraint constraint = SchemaOf(options);
  std::vector<EventQueue> queues(static_cast<size_t>(options.sequences));
  for (int64_t n = 0; n < options.sequences; ++n) {
    Value(engine->Submit(RequestOf(options, *tokenizer, n, constraint), queues[static_cast<size_t>(n)].handler()));
  }
  for (EventQueue& queue : queues) AwaitEnd(queue);
  while (engine->stats().running > 0) {
  }
  const EngineStats stats = engine->stats();
  const double other = stats.step_seconds - stats.model_seconds - stats.sampling_seconds - stats.handler_seconds;
  std::printf(
      "%lld sequences, %lld steps, %.1f ms a step, %.0f tokens/s generated; model %.2f%%, sampling %.2f%%, "
      "handlers %.2f%%, rest of the engine %.2f%%\n",
      static_cast<long long>(options.sequences), static_cast<long long>(stats.steps),
      1e3 * stats.step_seconds / static_cast<double>(stats.steps),
      static_cast<double>(stats.generated_tokens) / stats.step_seconds, 100 * stats.model_seconds / stats.step_seconds,
      100 * stats.sampling_seconds / stats.step_seconds, 100 * stats.handler_seconds / stats.step_seconds,
      100 * other / stats.step_seconds);
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  fathom::Options options;
  for (int at = 1; at < argc; ++at) {
    const std::string_view flag = argv[at];
    const auto number = [&] { return at + 1 < argc ? std::atoll(argv[++at]) : 0; };
    if (flag == "--sequences") {
      options.sequences = number();
    } else if (flag == "--tokens") {
      options.tokens = number();
    } else if (flag == "--threads") {
      options.threads = static_cast<int>(number());
    } else if (flag == "--step-tokens") {
      options.step_tokens = number();
    } else if (flag == "--long") {
      options.long_prompts = number();
    } else if (flag == "--schema") {
      options.schema = true;
    } else {
      options.model = flag;
    }
  }
  fathom::Run(options);
  return 0;
}
