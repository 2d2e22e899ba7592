#include "apps/bench_run.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

#include "apps/bench_spread.h"
#include "base/check.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "cache/sequence_cache.h"
#include "model/workspace.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

// Between measurements of a ceiling, which take about a second.
constexpr double kCeilingPause = 3;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Bench {
 public:
  // A pass warms up and counts costs, or the clock runs.
  enum class For : uint8_t { kCosts, kTimes };

  Bench(const Model& model, const CostModel& costs, const BenchSettings& settings, const BenchProbes* probes,
        const std::function<void(int64_t)>& progress)
      : model_(model),
        costs_(costs),
        settings_(settings),
        probes_(probes),
        progress_(progress),
        workspace_(model, settings.step_tokens, settings.context + settings.prompt + settings.generate),
        experts_(model.config()),
        rows_(static_cast<size_t>(settings.batch * model.config().streams * model.config().hidden_size)),
        logits_(static_cast<size_t>(settings.batch * model.config().vocab_size)) {
    std::mt19937_64 random(settings.seed);
    std::uniform_int_distribution<int32_t> token(0, static_cast<int32_t>(model.config().vocab_size - 1));
    tokens_.resize(static_cast<size_t>(settings.batch));
    for (std::vector<int32_t>& sequence : tokens_) {
      sequence.resize(static_cast<size_t>(settings.prompt + settings.generate));
      for (int32_t& id : sequence) id = token(random);
    }
  }

  // The caches that every pass starts from; before the first one.
  Status MakeContexts() {
    Progress made("making contexts", static_cast<uint64_t>(settings_.batch * settings_.context),
                  Progress::Unit::kTokens);
    for (int64_t n = 0; n < settings_.batch; ++n) {
      if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
      begin_.emplace_back(model_.cache_layout());
      if (settings_.context == 0) continue;
      begin_.back().FillSynthetic(settings_.context, settings_.seed + static_cast<uint64_t>(n));
      made.Add(static_cast<uint64_t>(settings_.context));
    }
    return {};
  }

  // The prompts, from the contexts on; what the pass is for decides what becomes of them.
  Status Prefill(For purpose, PhaseResult* phase) {
    caches_.clear();
    for (const SequenceCache& begin : begin_) caches_.push_back(begin.Fork());
    StepTimes prompt;
    for (int64_t position = 0; position < settings_.prompt;) {
      const int64_t most = settings_.step_tokens / settings_.batch;
      const int64_t chunk = std::min(most, settings_.prompt - position);
      position += chunk;
      if (purpose == For::kTimes) SampleRoofs(phase);
      FATHOM_RETURN_IF_ERROR(Step(purpose, chunk, position == settings_.prompt, &prompt));
    }
    if (purpose == For::kCosts) {
      phase->cost = prompt.cost;
    } else {
      Record(prompt, phase);
      SampleRoofs(phase);
    }
    return {};
  }

  // What follows them.
  Status Decode(For purpose, PhaseResult* phase) {
    StepCost all_steps;
    for (int64_t n = 0; n < settings_.generate; ++n) {
      StepTimes step;
      if (purpose == For::kTimes) SampleRoofs(phase);
      FATHOM_RETURN_IF_ERROR(Step(purpose, 1, true, &step));
      all_steps += step.cost;
      if (purpose == For::kTimes) Record(step, phase);
    }
    if (purpose == For::kCosts && settings_.generate > 0) phase->cost = all_steps /= settings_.generate;
    return {};
  }

  // How long the products of a prefill would take just now, unless that is known of a moment ago.
  Status MeasureCeiling(const StepCost& prefill, bool always) {
    if (probes_ == nullptr) return {};
    if (!always && !ceiling_seconds_.empty() && SecondsSince(last_ceiling_) < kCeilingPause) return {};
    FATHOM_ASSIGN_OR_RETURN(const PartTimes seconds, probes_->ceiling.ProductSeconds(prefill));
    ceiling_seconds_.push_back(seconds);
    last_ceiling_ = Clock::now();
    return {};
  }

  // Of all that was measured, part by part the median. Zeros: nothing was.
  PartTimes Ceiling(const PhaseResult& prefill) const {
    PartTimes seconds = {};
    if (ceiling_seconds_.empty()) return seconds;
    for (size_t part = 0; part < kStepParts; ++part) {
      std::vector<double> measured;
      for (const PartTimes& times : ceiling_seconds_) measured.push_back(times[part]);
      seconds[part] = SpreadOf(measured).median;
    }
    AddRowProducts(prefill.cost, RoofBeside(prefill.roofs, {}).peak, &seconds);
    return seconds;
  }

 private:
  struct StepTimes {
    double seconds = 0;
    double head_seconds = 0;
    StepClock clock;
    StepCost cost;
  };

  static void Record(const StepTimes& times, PhaseResult* phase) {
    phase->seconds.push_back(times.seconds);
    phase->head_seconds.push_back(times.head_seconds);
    for (size_t part = 0; part < kStepParts; ++part) {
      phase->part_seconds[part] += times.clock.seconds(static_cast<StepPart>(part));
    }
  }

  void SampleRoofs(PhaseResult* phase) {
    if (probes_ != nullptr) probes_->roofs.Sample(&phase->roofs);
  }

  // The next `chunk` tokens of every sequence.
  Status Step(For purpose, int64_t chunk, bool with_logits, StepTimes* times) {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
    step_tokens_.clear();
    segments_.clear();
    for (size_t n = 0; n < caches_.size(); ++n) {
      const auto begin = tokens_[n].begin() + static_cast<ptrdiff_t>(caches_[n].position() - settings_.context);
      step_tokens_.insert(step_tokens_.end(), begin, begin + static_cast<ptrdiff_t>(chunk));
      segments_.push_back({&caches_[n], chunk});
    }
    const bool counts = purpose == For::kCosts;
    experts_.Reset();
    workspace_.clock = &times->clock;
    const Clock::time_point start = Clock::now();
    const MatView<const float> streams =
        model_.Forward({step_tokens_, segments_}, workspace_, counts ? &experts_ : nullptr);
    const Clock::time_point before_head = Clock::now();
    if (with_logits) Logits(streams, chunk);
    times->head_seconds += with_logits ? SecondsSince(before_head) : 0;
    times->seconds += SecondsSince(start);
    workspace_.clock = nullptr;
    const auto count = static_cast<int64_t>(step_tokens_.size());
    if (counts) {
      StepCost cost = costs_.Step(count, with_logits ? settings_.batch : 0, experts_.distinct());
      costs_.SplitExperts(experts_.by_tokens(), &cost);
      for (const SequenceCache& cache : caches_) costs_.AddAttention(cache.position() - chunk, chunk, &cost);
      times->cost += cost;
    }
    progress_(count);
    return {};
  }

  // Of the last token of every sequence.
  void Logits(MatView<const float> streams, int64_t chunk) {
    for (int64_t n = 0; n < settings_.batch; ++n) {
      std::copy_n(streams.row(n * chunk + chunk - 1), streams.cols, rows_.data() + n * streams.cols);
    }
    model_.Logits(MatView<const float>(rows_.data(), settings_.batch, streams.cols), workspace_,
                  MatView<float>(logits_.data(), settings_.batch, model_.config().vocab_size));
  }

  const Model& model_;
  const CostModel& costs_;
  const BenchSettings settings_;
  const BenchProbes* const probes_;
  const std::function<void(int64_t)>& progress_;
  Workspace workspace_;
  ExpertCounter experts_;
  std::vector<SequenceCache> begin_;  // what every pass starts from
  std::vector<SequenceCache> caches_;
  std::vector<std::vector<int32_t>> tokens_;
  std::vector<int32_t> step_tokens_;
  std::vector<Segment> segments_;
  std::vector<float> rows_;
  std::vector<float> logits_;
  std::vector<PartTimes> ceiling_seconds_;
  Clock::time_point last_ceiling_;
};

}  // namespace

std::string RunName(const BenchSettings& settings) {
  return StrCat(settings.context > 0 ? StrCat("context ", settings.context, ", ") : "", "prompt ", settings.prompt,
                ", batch ", settings.batch);
}

double CeilingTokensPerSecond(const PhaseResult& phase) {
  const double seconds = std::accumulate(phase.ceiling_seconds.begin(), phase.ceiling_seconds.end(), 0.0);
  return seconds > 0 ? static_cast<double>(phase.cost.tokens) / seconds : 0;
}

double MedianTokensPerSecond(const PhaseResult& phase) {
  return static_cast<double>(phase.cost.tokens) / SpreadOf(phase.seconds).median;
}

int64_t BenchBytes(const Model& model, const BenchSettings& settings) {
  const ModelConfig& config = model.config();
  const CacheLayout& layout = model.cache_layout();
  const int64_t length = settings.context + settings.prompt + settings.generate;
  // A pass continues copies: of the states, and of the block in which a context ends.
  const int64_t caches = 2 * layout.state_bytes() + (layout.BlocksFor(length) + 1) * layout.block_bytes();
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  const int64_t rows =
      (config.streams * config.hidden_size + config.vocab_size) * kFloat;  // a logits row and its input
  return Workspace::BytesFor(model, settings.step_tokens, length) + settings.batch * (caches + rows);
}

int64_t BenchTokens(const BenchSettings& settings) {
  return (settings.repeat + 1) * settings.batch * (settings.prompt + settings.generate);
}

Result<BenchResult> RunBench(const Model& model, const CostModel& costs, const BenchSettings& settings,
                             const BenchProbes* probes, const std::function<void(int64_t)>& progress) {
  BenchResult result;
  result.settings = settings;
  FATHOM_CHECK(settings.step_tokens >= settings.batch);
  Bench bench(model, costs, settings, probes, progress);
  FATHOM_RETURN_IF_ERROR(bench.MakeContexts());
  FATHOM_RETURN_IF_ERROR(bench.Prefill(Bench::For::kCosts, &result.prefill));
  FATHOM_RETURN_IF_ERROR(bench.Decode(Bench::For::kCosts, &result.decode));
  for (int64_t n = 0; n < settings.repeat; ++n) {
    FATHOM_RETURN_IF_ERROR(bench.MeasureCeiling(result.prefill.cost, n == 0));
    FATHOM_RETURN_IF_ERROR(bench.Prefill(Bench::For::kTimes, &result.prefill));
    FATHOM_RETURN_IF_ERROR(bench.MeasureCeiling(result.prefill.cost, n + 1 == settings.repeat));
    FATHOM_RETURN_IF_ERROR(bench.Decode(Bench::For::kTimes, &result.decode));
  }
  result.prefill.ceiling_seconds = bench.Ceiling(result.prefill);
  return result;
}

}  // namespace fathom
