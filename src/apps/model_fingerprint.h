// model_fingerprint.h - tells models apart whose kept prefixes must not be mixed.
#ifndef FATHOM_APPS_MODEL_FINGERPRINT_H_
#define FATHOM_APPS_MODEL_FINGERPRINT_H_

#include <cstdint>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "model/model.h"

namespace fathom {

// A hash of configuration, tokenizer, of each shard its size, both ends (the first has names and shapes; reading all of
// the weights would take minutes) and when it was last changed, and of how they are computed. The cache layout has a
// fingerprint of its own.
Result<uint64_t> ModelFingerprint(const Checkpoint& checkpoint, const ModelOptions& options,
                                  int numerics_version = kNumericsVersion);

}  // namespace fathom

#endif  // FATHOM_APPS_MODEL_FINGERPRINT_H_
