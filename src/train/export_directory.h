// export_directory.h - where a trained model is written: which directories an export may replace, and replacing them.
//
//   FATHOM_ASSIGN_OR_RETURN(const std::string target, ExportTarget("models/mine/"));  // "models/mine"
//   ... write everything into PartialExport(target) ...
//   FATHOM_RETURN_IF_ERROR(PutExportInPlace(target));
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

// Where an export for `target` is written until it is whole. Belongs to the exports; what is there is removed.
std::string PartialExport(const std::string& target);

// Renames the partial export to `target`, in the place of what is there. After an error `target` is as before.
Status PutExportInPlace(const std::string& target);

}  // namespace fathom

#endif  // FATHOM_TRAIN_EXPORT_DIRECTORY_H_
