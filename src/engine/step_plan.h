// step_plan.h - who gets a place and how many tokens of a step: plain functions of numbers.
//
// The rules, in this order:
//
//   priority   strict: as long as a higher one has something to do, lower ones get neither places nor prompt tokens
//              that it could use, and may starve. Within one priority:
//   users      places are dealt out in turns, one to every user, before anyone gets another; tokens of prompts go to
//              the user for whom the fewest were read (UserShares)
//   arrival    among the requests of one user
#ifndef FATHOM_ENGINE_STEP_PLAN_H_
#define FATHOM_ENGINE_STEP_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace fathom {

// What PlanAdmission() has to know of a sequence.
struct AdmissionCandidate {
  int32_t priority = 0;
  int64_t user = 0;     // a number for each
  int64_t served = 0;   // tokens read for this user
  uint64_t number = 0;  // arrival
  int64_t bytes = 0;    // of cache, for all tokens it has
  bool running = false;
};

// All candidates' indices in the order of service: the k-th of every user before the k+1-th of anyone; running before
// waiting; the users served least first. A user's own are ordered by running and arrival.
std::vector<size_t> ServiceOrder(std::span<const AdmissionCandidate> candidates);

struct AdmissionPlan {
  std::vector<size_t> stop;   // running ones that go back to the queue
  std::vector<size_t> start;  // waiting ones that get a place
};

// Starts waiting candidates in the order of service while there are places and bytes. One that finds none takes those
// of running ones behind it in that order, the last first, if that suffices; otherwise it waits and so do all behind
// it. What nobody else uses is always enough for one.
AdmissionPlan PlanAdmission(std::span<const AdmissionCandidate> candidates, int64_t places, int64_t bytes);

// What PlanStep() has to know of a running sequence.
struct StepCandidate {
  int64_t pending = 0;    // tokens not yet read, >= 1
  int64_t max_chunk = 0;  // of those at once, >= 1
  int32_t priority = 0;
  int64_t served = 0;  // tokens read for its user
};

// Distributes `budget` tokens over the candidates, which are in order of arrival: `shares_out` gets each one's, perhaps
// 0. First everyone with one pending token gets it: answers keep moving; `budget` must suffice for that. Of the rest
// one half goes in the order of priority, users served least, and arrival, so that one user's long prompts finish one
// after the other; and one half to whoever has least to read and not more than a budget, so that a short prompt does
// not wait for long ones. Users that are ahead of others by more than `max_lead` tokens have no part in the second
// half. Takes memory only where there is more than one token to be read, if `shares_out` has room.
void PlanStep(std::span<const StepCandidate> candidates, int64_t budget, int64_t max_lead,
              std::vector<int64_t>* shares_out);

// How many tokens were read for every user that has requests.
class UserShares {
 public:
  struct Share {
    int64_t number = 0;
    int64_t served = 0;
    int64_t requests = 0;
  };

  // One more request. A user without any begins level with the one served least: being idle saves nothing up.
  void Enter(const std::string& user);
  // One request less; the user is forgotten with the last.
  void Leave(const std::string& user);
  void Charge(const std::string& user, int64_t tokens);
  // `user` has requests.
  const Share& Of(const std::string& user) const;

 private:
  std::map<std::string, Share> users_;
  int64_t next_number_ = 0;
};

// How many prompt tokens a step may read while answers are generated, so that the step takes about a given time.
// Follows what steps have taken so far.
class PrefillPacer {
 public:
  // Between `least` and `most` tokens; `seconds` 0: always `most`.
  PrefillPacer(double seconds, int64_t least, int64_t most);

  int64_t budget() const { return budget_; }
  // A step has read `tokens` of prompts, of at most `allowed`, and took `seconds`. Steps that had not enough to read
  // say nothing.
  void DidStep(int64_t tokens, int64_t allowed, double seconds);

 private:
  const double target_seconds_;
  const int64_t least_;
  const int64_t most_;
  int64_t budget_;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_STEP_PLAN_H_
