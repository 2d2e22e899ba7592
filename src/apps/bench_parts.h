// bench_parts.h - where the time of a phase went, by part of the step, beside what each part had to read and multiply.
#ifndef FATHOM_APPS_BENCH_PARTS_H_
#define FATHOM_APPS_BENCH_PARTS_H_

#include <string>
#include <string_view>

#include "apps/bench_roof.h"
#include "apps/bench_run.h"
#include "base/json.h"
#include "model/step_clock.h"

namespace fathom {

// Mean seconds of the part in one prefill, or in one decode step.
double PartSeconds(const PhaseResult& phase, StepPart part);

// A line for each part that took time, the longest first: milliseconds, share of the phase's time, rates of its weights
// and products and the share of the roof that bounds them; then the rest and all of it. By the mean, so that the lines
// add up. "" if no part took time. `of` heads it: "a prefill".
std::string PartsTable(std::string_view of, const PhaseResult& phase, const Roof& roof);

// {NAME {time_share, weight_bytes, flop, weight_bytes_per_s, flop_per_s, bound, roof_share}} of every part. Those of a
// part without products, or without time, are zero or null.
Json PartsJson(const PhaseResult& phase, const Roof& roof);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_PARTS_H_
