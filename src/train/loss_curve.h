// loss_curve.h - a picture of a training run's losses.
//
//   FATHOM_RETURN_IF_ERROR(WriteFileAtomically(svg_path, LossCurveSvg(log.records(), {.title = "Nano"})));
#ifndef FATHOM_TRAIN_LOSS_CURVE_H_
#define FATHOM_TRAIN_LOSS_CURVE_H_

#include <span>
#include <string>

#include "train/loss_log.h"

namespace fathom {

struct LossCurveOptions {
  std::string title;
  bool log_scale = true;  // of the losses
};

// An SVG of train and held-out loss over the steps, for light and dark backgrounds. Many records are averaged to about
// one a pixel; those that are not finite (or, in log scale, not positive) are left out.
std::string LossCurveSvg(std::span<const TrainRecord> records, const LossCurveOptions& options);

}  // namespace fathom

#endif  // FATHOM_TRAIN_LOSS_CURVE_H_
