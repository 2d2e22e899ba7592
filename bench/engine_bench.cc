// engine_bench - what the engine's own work costs beside the model's.
//
//   engine_bench MODEL [--sequences N] [--tokens N] [--threads N] [--step-tokens N] [--schema]
//
// N requests at once, each with a short prompt of its own, temperature 0.7, top_p 0.95 and stop strings; prints one
// line of rates and the shares of step time in the model, in sampling, in event handlers, and in the rest of the
// engine.
// --schema constrains every answer by one JSON schema.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
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

void Run(const Options& options) {
  const std::unique_ptr<Checkpoint> checkpoint = Value(Checkpoint::Open(options.model));
  const std::unique_ptr<Tokenizer> tokenizer = Value(Tokenizer::Load(options.model + "/tokenizer.json"));
  ThreadPool pool(options.threads);
  const Model model(checkpoint->config(), checkpoint->weights(), {}, pool);
  const std::unique_ptr<Engine> engine = Value(Engine::Create(
      model, *tokenizer, {.max_sequences = options.sequences, .max_queue = 4096, .step_tokens = options.step_tokens}));
  const Constraint constraint = SchemaOf(options);
  std::vector<EventQueue> queues(static_cast<size_t>(options.sequences));
  for (int64_t n = 0; n < options.sequences; ++n) {
    Value(engine->Submit(RequestOf(options, *tokenizer, n, constraint), queues[static_cast<size_t>(n)].handler()));
  }
  for (EventQueue& queue : queues) {
    while (const std::optional<Event> event = queue.Pop(std::chrono::hours(1))) {
      if (std::holds_alternative<Finished>(*event)) break;
    }
  }
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
    } else if (flag == "--schema") {
      options.schema = true;
    } else {
      options.model = flag;
    }
  }
  fathom::Run(options);
  return 0;
}
