#include "cache/foreign_files.h"

namespace fathom {

ForeignFiles::ForeignFiles(const std::vector<DiskTier::Found>& files) {
  for (const DiskTier::Found& found : files) {
    const PrefixFileHead& head = found.head;
    const File file{head.kind, head.key, found.file_bytes};
    if (!entries_.try_emplace(head.key, Entry{file, head.parent, found.modified_ns, 0}).second) continue;
    bytes_ += file.bytes;
  }
  for (const auto& [key, entry] : entries_) {
    const auto parent = entries_.find(entry.parent);
    if (parent != entries_.end()) ++parent->second.continued;
  }
  for (const auto& [key, entry] : entries_) {
    if (entry.continued == 0) ends_.emplace(entry.modified_ns, key);
  }
}

std::optional<ForeignFiles::File> ForeignFiles::TakeOldest() {
  if (ends_.empty()) return std::nullopt;
  const auto entry = entries_.find(ends_.begin()->second);
  ends_.erase(ends_.begin());
  const File file = entry->second.file;
  bytes_ -= file.bytes;
  const auto parent = entries_.find(entry->second.parent);
  if (parent != entries_.end() && --parent->second.continued == 0) {
    ends_.emplace(parent->second.modified_ns, parent->first);
  }
  entries_.erase(entry);
  return file;
}

}  // namespace fathom
