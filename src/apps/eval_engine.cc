#include "apps/eval_engine.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <variant>

#include "apps/answer.h"
#include "base/blocking_queue.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "cache/sequence_cache.h"
#include "engine/engine.h"
#include "model/workspace.h"

namespace fathom {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};
// An answer may be this much longer than the one expected before it counts as endless: room to think differently.
constexpr int64_t kLengthFactor = 4;
constexpr int64_t kLengthExtra = 200;
constexpr int64_t kChunkTokens = 512;  // read at once by MeasureDrafts(), as the engine does

struct Done {
  size_t item = 0;
  Completion completion;
  Finished finished;
};
using DoneQueue = BlockingQueue<Done>;

int64_t TokenLimit(const Dialogue& dialogue, const Tokenizer& tokenizer) {
  const ChatMessage& expected = dialogue.messages.back();
  std::string text = expected.reasoning_content + expected.content;
  for (const ToolCall& call : expected.tool_calls) text += call.name + call.arguments;
  const auto tokens = static_cast<int64_t>(tokenizer.Encode(text, AddedTokens::kIgnore).size());
  return kLengthFactor * tokens + kLengthExtra;
}

// Keeps `batch` questions in the engine until all are answered.
class Examination {
 public:
  Examination(const LoadedModel& model, Engine& engine, std::span<const EvalItem> items,
              const EvalEngineOptions& options, const CompletionSink& sink)
      : model_(model), engine_(engine), items_(items), options_(options), sink_(sink) {}

  Status Run() {
    Progress progress("answering", items_.size(), Progress::Unit::kItems);
    while (answered_ < items_.size()) {
      while (next_ < items_.size() && running_ < options_.batch) FATHOM_RETURN_IF_ERROR(Ask(next_++));
      // All that is left may have been longer than the context.
      std::optional<Done> done;
      if (running_ > 0) done = done_->Pop(kPollInterval);
      if (InterruptRequested()) {
        return Cancelled(StrCat("stopped by Ctrl-C after ", answered_, " of ", items_.size(), " answers"));
      }
      if (done) FATHOM_RETURN_IF_ERROR(Take(std::move(*done)));
      progress.Update(answered_);
    }
    progress.Finish();
    return {};
  }

 private:
  // Puts a question to the engine, unless it is too long for it.
  Status Ask(size_t item) {
    GenerateRequest request;
    request.prompt = EncodePrompt(model_.tokenizer(), items_[item].prompt, /*compatible=*/false);
    if (static_cast<int64_t>(request.prompt.size()) >= engine_.limits().context) {
      ++answered_;
      sink_(item, {.text = {}, .end = Completion::End::kNoPlace, .prompt = std::move(request.prompt), .answer = {}});
      return {};
    }
    request.max_tokens = TokenLimit(items_[item].dialogue, model_.tokenizer());
    request.sampling.temperature = options_.temperature;
    request.sampling.seed = options_.seed + item;
    request.stop_tokens = model_.generation().stop_tokens;
    request.use_prefix_cache = false;  // no two questions begin alike for long
    auto collected = std::make_shared<Done>();
    collected->item = item;
    collected->completion.prompt = request.prompt;
    ++running_;
    const Result<RequestHandle> handle =
        engine_.Submit(std::move(request), [collected, queue = done_](const Event& event) {
          if (const auto* token = std::get_if<GeneratedToken>(&event)) {
            collected->completion.text += token->text;
            collected->completion.answer.push_back(token->id);
          } else if (const auto* finished = std::get_if<Finished>(&event)) {
            collected->completion.text += finished->text;
            collected->finished = *finished;
            queue->Push(std::move(*collected));
          }
          return true;
        });
    return handle.ok() ? Status() : handle.status();
  }

  Status Take(Done done) {
    --running_;
    ++answered_;
    switch (done.finished.reason) {
      case FinishReason::kError:
        return done.finished.status;
      case FinishReason::kLength:
        done.completion.end = Completion::End::kLength;
        break;
      default: {
        // The engine does not say which of several stop tokens it was.
        const std::vector<int32_t>& stop = model_.generation().stop_tokens;
        if (stop.size() == 1) done.completion.answer.push_back(stop.front());
      }
    }
    sink_(done.item, std::move(done.completion));
    return {};
  }

  const LoadedModel& model_;
  Engine& engine_;
  const std::span<const EvalItem> items_;
  const EvalEngineOptions& options_;
  const CompletionSink& sink_;
  const std::shared_ptr<DoneQueue> done_ = std::make_shared<DoneQueue>();
  size_t next_ = 0;
  size_t answered_ = 0;
  int64_t running_ = 0;
};

// The MTP block beside the model, over one prompt and answer at a time.
class DraftMeter {
 public:
  DraftMeter(const Model& model, int64_t longest)
      : model_(model),
        workspace_(model, kChunkTokens, longest),
        logits_(static_cast<size_t>(kChunkTokens * model.config().vocab_size)) {}

  void Measure(EvalResult* result) {
    std::vector<int32_t> tokens = result->completion.prompt;
    tokens.insert(tokens.end(), result->completion.answer.begin(), result->completion.answer.end());
    const auto first = static_cast<int64_t>(result->completion.prompt.size()) + 1;  // position of the first draft
    const auto length = static_cast<int64_t>(tokens.size());
    SequenceCache cache(model_.cache_layout());
    SequenceCache mtp_cache(model_.mtp_cache_layout());
    // Position p with the token at p + 1 drafts the one at p + 2.
    for (int64_t begin = 0; begin < length - 2; begin += kChunkTokens) {
      const int64_t rows = std::min(kChunkTokens, length - 2 - begin);
      const MatView<const float> drafts = Draft(tokens, begin, rows, &cache, &mtp_cache);
      for (int64_t row = std::max<int64_t>(0, first - 2 - begin); row < rows; ++row) {
        const std::span<const float> logits = drafts.row_span(row);
        const auto best = std::ranges::max_element(logits) - logits.begin();
        ++result->drafts;
        result->accepted += static_cast<int64_t>(best == tokens[static_cast<size_t>(begin + row + 2)]);
      }
    }
  }

 private:
  MatView<const float> Draft(std::span<const int32_t> tokens, int64_t begin, int64_t rows, SequenceCache* cache,
                             SequenceCache* mtp_cache) {
    const auto at = static_cast<size_t>(begin);
    const auto count = static_cast<size_t>(rows);
    const Segment segment = {cache, rows};
    const Segment mtp_segment = {mtp_cache, rows};
    const MatView<const float> streams = model_.Forward({tokens.subspan(at, count), {&segment, 1}}, workspace_);
    const MatView<float> logits(logits_.data(), rows, model_.config().vocab_size);
    model_.MtpForward(0, streams, {tokens.subspan(at + 1, count), {&mtp_segment, 1}}, workspace_, logits);
    return logits;
  }

  const Model& model_;
  Workspace workspace_;
  std::vector<float> logits_;  // [kChunkTokens, V]
};

}  // namespace

Status AnswerWithEngine(const LoadedModel& model, std::span<const EvalItem> items, const EvalEngineOptions& options,
                        const CompletionSink& sink) {
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, model.StartEngine({.max_sequences = options.batch}));
  return Examination(model, *engine, items, options, sink).Run();
}

Status MeasureDrafts(const Model& model, std::vector<EvalResult>* results) {
  if (model.config().mtp_layers == 0) return {};
  size_t longest = 0;
  for (const EvalResult& result : *results) {
    longest = std::max(longest, result.completion.prompt.size() + result.completion.answer.size());
  }
  DraftMeter meter(model, static_cast<int64_t>(longest));
  Progress progress("comparing drafts", results->size(), Progress::Unit::kItems);
  for (EvalResult& result : *results) {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C while drafts were compared");
    if (result.completion.answer.size() > 1) meter.Measure(&result);
    progress.Add(1);
  }
  progress.Finish();
  return {};
}

}  // namespace fathom
