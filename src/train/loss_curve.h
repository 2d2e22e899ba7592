// loss_curve.h - a picture of a training run's losses.
//
//   FATHOM_RETURN_IF_ERROR(WriteFileAtomically(svg_path, LossCurveSvg(log.records(), "Nano")));
#ifndef FATHOM_TRAIN_LOSS_CURVE_H_
#define FATHOM_TRAIN_LOSS_CURVE_H_

#include <span>
#include <string>

#include "train/loss_log.h"

namespace fathom {

// An SVG of train and held-out loss over the steps, in logarithmic scale, for light and dark backgrounds. Many records
// are averaged to about one a pixel; those that are not finite and positive are left out.
std::string LossCurveSvg(std::span<const TrainRecord> records, const std::string& title);

}  // namespace fathom

#endif  // FATHOM_TRAIN_LOSS_CURVE_H_
