// eval_engine.h - the model's side of an examination: answers by the engine, and how often its drafts are right.
#ifndef FATHOM_APPS_EVAL_ENGINE_H_
#define FATHOM_APPS_EVAL_ENGINE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "apps/eval_exam.h"
#include "apps/eval_items.h"
#include "apps/model_options.h"
#include "base/result.h"
#include "model/model.h"

namespace fathom {

struct EvalEngineOptions {
  int64_t batch = 16;      // questions at once
  double temperature = 0;  // 0: the most probable token
  uint64_t seed = 1;       // of sampling, where there is any
};

// Answers all items with an engine of its own, which is gone afterwards. Shows progress; Ctrl-C gives kCancelled.
Status AnswerWithEngine(const LoadedModel& model, std::span<const EvalItem> items, const EvalEngineOptions& options,
                        const CompletionSink& sink);

// Reads prompts and answers again and counts how often the first MTP block's draft is the token that was generated,
// from the second token of each answer on (the first is known before anything can be drafted). Fills in `drafts` and
// `accepted`; nothing to do for a model without MTP block.
Status MeasureDrafts(const Model& model, std::vector<EvalResult>* results);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_ENGINE_H_
