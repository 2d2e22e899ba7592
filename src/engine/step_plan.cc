#include "engine/step_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <tuple>

#include "base/check.h"

namespace fathom {
namespace {

std::vector<size_t> Indices(size_t count) {
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

}  // namespace

std::vector<size_t> ServiceOrder(std::span<const AdmissionCandidate> candidates) {
  std::vector<size_t> order = Indices(candidates.size());
  // Every user's own, to see which is whose k-th.
  const auto own = [&](size_t at) {
    const AdmissionCandidate& c = candidates[at];
    return std::tuple(c.priority, c.user, !c.running, c.number);
  };
  std::ranges::sort(order, std::less<>(), own);
  std::vector<int64_t> rank(candidates.size(), 0);
  for (size_t n = 1; n < order.size(); ++n) {
    const AdmissionCandidate& before = candidates[order[n - 1]];
    const AdmissionCandidate& here = candidates[order[n]];
    if (before.priority == here.priority && before.user == here.user) rank[order[n]] = rank[order[n - 1]] + 1;
  }
  std::ranges::sort(order, std::less<>(), [&](size_t at) {
    const AdmissionCandidate& c = candidates[at];
    return std::tuple(-int64_t{c.priority}, rank[at], !c.running, c.served, c.number);
  });
  return order;
}

AdmissionPlan PlanAdmission(std::span<const AdmissionCandidate> candidates, int64_t places, int64_t bytes) {
  AdmissionPlan plan;
  std::vector<size_t> order = ServiceOrder(candidates);
  int64_t running = 0;
  int64_t used = 0;
  for (const AdmissionCandidate& candidate : candidates) {
    if (!candidate.running) continue;
    ++running;
    used += candidate.bytes;
  }
  const auto fits = [&](int64_t more) { return running < places && (running == 0 || used + more <= bytes); };
  for (size_t at = 0; at < order.size(); ++at) {
    const AdmissionCandidate& candidate = candidates[order[at]];
    if (candidate.running) continue;
    AdmissionPlan before = plan;
    for (size_t behind = order.size(); !fits(candidate.bytes) && --behind > at;) {
      const AdmissionCandidate& other = candidates[order[behind]];
      if (!other.running) continue;
      if (std::ranges::find(plan.stop, order[behind]) != plan.stop.end()) continue;
      plan.stop.push_back(order[behind]);
      --running;
      used -= other.bytes;
    }
    if (!fits(candidate.bytes)) return before;
    plan.start.push_back(order[at]);
    ++running;
    used += candidate.bytes;
  }
  return plan;
}

void PlanStep(std::span<const StepCandidate> candidates, int64_t budget, int64_t max_lead,
              std::vector<int64_t>* shares_out) {
  std::vector<int64_t>& shares = *shares_out;
  shares.assign(candidates.size(), 0);
  std::set<int32_t, std::greater<>> priorities;
  for (size_t index = 0; index < candidates.size(); ++index) {
    if (candidates[index].pending == 1) {
      shares[index] = 1;
      --budget;
    } else {
      priorities.insert(candidates[index].priority);
    }
  }
  FATHOM_CHECK(budget >= 0);
  const int64_t whole = budget;
  // Gives up to `limit` tokens to candidates in the given order and returns what is left of it.
  const auto give = [&](std::span<const size_t> order, int64_t limit) {
    for (const size_t index : order) {
      const int64_t more = std::min(limit, candidates[index].max_chunk - shares[index]);
      shares[index] += more;
      limit -= more;
    }
    return limit;
  };
  for (const int32_t priority : priorities) {
    std::vector<size_t> in_order = Indices(candidates.size());
    std::erase_if(in_order, [&](size_t index) {
      return candidates[index].pending == 1 || candidates[index].priority != priority;
    });
    std::ranges::stable_sort(in_order, std::less<>(), [&](size_t index) { return candidates[index].served; });
    const int64_t least_served = candidates[in_order.front()].served;
    std::vector<size_t> shortest_first = in_order;
    std::erase_if(shortest_first, [&](size_t index) {
      return candidates[index].pending > whole || candidates[index].served > least_served + max_lead;
    });
    std::ranges::stable_sort(shortest_first, std::less<>(), [&](size_t index) { return candidates[index].pending; });
    const int64_t half = budget / 2;
    const int64_t left = give(in_order, budget - half);
    budget = give(in_order, give(shortest_first, half + left));
  }
}

void UserShares::Enter(const std::string& user) {
  int64_t least = 0;
  if (!users_.empty()) {
    least = std::ranges::min_element(users_, std::less<>(), [](const auto& entry) {
              return entry.second.served;
            })->second.served;
  }
  const auto [entry, added] = users_.try_emplace(user);
  if (added) entry->second = {next_number_++, least, 0};
  ++entry->second.requests;
}

void UserShares::Leave(const std::string& user) {
  const auto entry = users_.find(user);
  FATHOM_CHECK(entry != users_.end());
  if (--entry->second.requests == 0) users_.erase(entry);
}

void UserShares::Charge(const std::string& user, int64_t tokens) {
  const auto entry = users_.find(user);
  FATHOM_CHECK(entry != users_.end());
  entry->second.served += tokens;
}

const UserShares::Share& UserShares::Of(const std::string& user) const {
  const auto entry = users_.find(user);
  FATHOM_CHECK(entry != users_.end());
  return entry->second;
}

PrefillPacer::PrefillPacer(double seconds, int64_t least, int64_t most)
    : target_seconds_(seconds), least_(std::min(least, most)), most_(most), budget_(seconds > 0 ? least_ : most) {}

void PrefillPacer::DidStep(int64_t tokens, int64_t allowed, double seconds) {
  if (target_seconds_ <= 0 || seconds <= 0 || tokens == 0 || 4 * tokens < 3 * allowed) return;
  const double wanted = static_cast<double>(tokens) * target_seconds_ / seconds;
  // At most by half and double at once: one slow step says little.
  const auto now = static_cast<double>(budget_);
  const double next = std::clamp(wanted, now / 2, now * 2);
  budget_ = std::clamp(static_cast<int64_t>(next), least_, most_);
}

}  // namespace fathom
