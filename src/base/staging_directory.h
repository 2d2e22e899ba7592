// staging_directory.h - a directory that gets its name when it is whole.
//
//   StagingDirectory staging;
//   FATHOM_RETURN_IF_ERROR(staging.Make("models/mine"));  // models/mine.partial-q3Zx8K
//   ... write files into staging.path() ...
//   return staging.MoveTo("models/mine");
#ifndef FATHOM_BASE_STAGING_DIRECTORY_H_
#define FATHOM_BASE_STAGING_DIRECTORY_H_

#include <string>

#include "base/result.h"

namespace fathom {

class StagingDirectory {
 public:
  StagingDirectory() = default;
  // Removes the directory with its contents unless it was moved.
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  // Makes it beside `final_path`, under a name that nothing has.
  Status Make(const std::string& final_path);
  // `final_path` is missing or an empty directory.
  Status MoveTo(const std::string& final_path);
  // The same, or in the place of what is there, which is removed. After an error that is as it was.
  Status Replace(const std::string& final_path);

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fathom

#endif  // FATHOM_BASE_STAGING_DIRECTORY_H_
