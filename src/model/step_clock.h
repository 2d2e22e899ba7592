// step_clock.h - where the time of a forward step goes, by part of the layer.
//
//   StepClock clock;
//   workspace.clock = &clock;       // null: nothing is measured
//   model.Forward(batch, workspace);
//   clock.seconds(StepPart::kExperts)
#ifndef FATHOM_MODEL_STEP_CLOCK_H_
#define FATHOM_MODEL_STEP_CLOCK_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fathom {

enum class StepPart : uint8_t {
  kStreams,         // embedding, hyper-connections, norms
  kAttentionInput,  // all products with the layer's input and with qr; norms and rotation of queries and rows
  kCompressor,      // compressed rows and the indexer's keys
  kIndexer,         // scores and top-k
  kAttention,       // softmax over the rows
  kAttentionOutput,
  kRouter,
  kExperts,  // routed and shared
  kHead,
  kCount,
};
inline constexpr auto kStepParts = static_cast<size_t>(StepPart::kCount);
inline constexpr std::array<std::string_view, kStepParts> kStepPartNames = {
    "streams",          "attention input", "compressor", "indexer", "attention",
    "attention output", "router",          "experts",    "head"};

class StepClock {
 public:
  // The time from here on belongs to the next part that is marked.
  void Start() { last_ = Clock::now(); }
  // The time since the last call belongs to `part`.
  void Mark(StepPart part) {
    const Clock::time_point now = Clock::now();
    seconds_[static_cast<size_t>(part)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  double seconds(StepPart part) const { return seconds_[static_cast<size_t>(part)]; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  std::array<double, kStepParts> seconds_ = {};
};

}  // namespace fathom

#endif  // FATHOM_MODEL_STEP_CLOCK_H_
