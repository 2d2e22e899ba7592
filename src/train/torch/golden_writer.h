// golden_writer.h - what the trainer computes with an exported model, recorded for `fathom verify golden`.
#ifndef FATHOM_TRAIN_TORCH_GOLDEN_WRITER_H_
#define FATHOM_TRAIN_TORCH_GOLDEN_WRITER_H_

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace fathom {

// Writes golden.safetensors and golden.json into the directory of a model that CheckTrainable() takes, in the form of
// the reference README, section 2: modes `exact` and `f32` of tokens [n], as the trainer's forward computes them in
// float. To stay small beside the model they hold logits of the first and the last tokens only (`trace.logits`,
// `A.decode_logits` and `A.mtp_decode_logits`), and expert ids and selected rows of all before. n is at least twice
// kGoldenDecode. With progress on stderr; kCancelled after Ctrl-C.
Status WriteGolden(const Checkpoint& checkpoint, const std::vector<int32_t>& tokens);

inline constexpr int64_t kGoldenDecode = 8;  // tokens of the trace, and decoded ones of run A

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_GOLDEN_WRITER_H_
