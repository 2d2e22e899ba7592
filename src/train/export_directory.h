// export_directory.h - where a trained model is written: which directories an export may replace, and which take files.
//
//   FATHOM_ASSIGN_OR_RETURN(const std::string target, ExportTarget("models/mine/"));  // "models/mine"
#ifndef FATHOM_TRAIN_EXPORT_DIRECTORY_H_
#define FATHOM_TRAIN_EXPORT_DIRECTORY_H_

#include <string>

#include "base/result.h"

namespace fathom {

// The weights of an export are one shard.
inline constexpr const char* kModelShard = "model-00001-of-00001.safetensors";
inline constexpr const char* kModelIndex = "model.safetensors.index.json";

// `directory` without slashes at its end, if an export may be written there: it is missing and can be made, is empty,
// or is an earlier export, which holds a model and nothing but files that the trainer writes. The error names what is
// in the way.
Result<std::string> ExportTarget(const std::string& directory);

// For a directory that gets files after long work: an error that names what is in the way if it is there and takes
// none, or is missing and cannot be made. Makes nothing.
Status CheckWritableDirectory(const std::string& directory);

}  // namespace fathom

#endif  // FATHOM_TRAIN_EXPORT_DIRECTORY_H_
