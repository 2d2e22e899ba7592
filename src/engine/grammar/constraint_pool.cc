#include "engine/grammar/constraint_pool.h"

#include <algorithm>
#include <utility>

namespace fathom {
namespace {

constexpr size_t kKept = 8;

}  // namespace

std::shared_ptr<ConstraintMemory> ConstraintPool::Get(std::shared_ptr<const ByteAutomaton> automaton,
                                                      std::vector<int32_t> stop_tokens) {
  const std::lock_guard lock(mutex_);
  return GetLocked(std::move(automaton), std::move(stop_tokens));
}

std::shared_ptr<ConstraintMemory> ConstraintPool::Replace(const ConstraintMemory& full) {
  const std::lock_guard lock(mutex_);
  std::erase_if(memories_, [&](const auto& memory) { return memory.get() == &full; });
  return GetLocked(full.automaton, full.stop_tokens);
}

std::shared_ptr<ConstraintMemory> ConstraintPool::GetLocked(std::shared_ptr<const ByteAutomaton> automaton,
                                                            std::vector<int32_t> stop_tokens) {
  const auto known = std::ranges::find_if(memories_, [&](const auto& memory) {
    return memory->automaton == automaton && memory->stop_tokens == stop_tokens;
  });
  if (known != memories_.end()) {
    memories_.splice(memories_.begin(), memories_, known);
  } else {
    memories_.push_front(std::make_shared<ConstraintMemory>(std::move(automaton), std::move(stop_tokens), max_bytes_));
    if (memories_.size() > kKept) memories_.pop_back();
  }
  return memories_.front();
}

}  // namespace fathom
