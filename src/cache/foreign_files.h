// foreign_files.h - files that other models keep in the directory of a prefix cache: they count to its budget, and go
// first.
//
// A file goes before the one it continues from: what stays is of use to its model. Not thread-safe.
#ifndef FATHOM_CACHE_FOREIGN_FILES_H_
#define FATHOM_CACHE_FOREIGN_FILES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "cache/disk_tier.h"
#include "cache/prefix_file.h"

namespace fathom {

class ForeignFiles {
 public:
  ForeignFiles() = default;
  explicit ForeignFiles(const std::vector<DiskTier::Found>& files);

  struct File {
    PrefixFileKind kind = PrefixFileKind::kBlock;
    PrefixKey key;
    int64_t bytes = 0;
  };
  // Forgets, of the files that no other continues from, the one not used for longest. Nothing if there are none.
  std::optional<File> TakeOldest();
  int64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    File file;
    PrefixKey parent;
    int64_t modified_ns = 0;
    int64_t continued = 0;  // by so many files
  };
  std::map<PrefixKey, Entry> entries_;
  std::set<std::pair<int64_t, PrefixKey>> ends_;  // those that no file continues from
  int64_t bytes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_CACHE_FOREIGN_FILES_H_
