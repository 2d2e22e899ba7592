// How points get from RAM to disk while the engine goes on.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "cache/prefix_cache.h"

namespace fathom {
namespace {

std::string_view BytesOf(const uint8_t* bytes, int64_t count) {
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)};
}

}  // namespace

void PrefixCache::Persist(Point* point) {
  if (disk_ == nullptr || point->on_disk == OnDisk::kWriting || point->on_disk == OnDisk::kYes) return;
  Unorder(point);
  if (point->on_disk == OnDisk::kNo) CountDisk(point->node, 1);
  point->on_disk = QueueWrites(point);
  InOrder(point);
}

PrefixCache::OnDisk PrefixCache::QueueWrites(Point* point) {
  // Neither a full block nor one that is shared is written any more, so the writer may read it.
  const auto part = [&](const KeptBlock& block) {
    return std::pair(DiskTier::Part(block.get()), BytesOf(block->bytes.get(), layout_.block_bytes()));
  };
  bool waits = false;  // a block so far
  for (Node* node : Chain(point->node)) {
    // A block that got to disk while one before it did not is written once more if no state follows: the point is on
    // disk when the write of its last block ends.
    if (waits && point->stateless && node->on_disk == OnDisk::kYes) RemoveBlockFile(node);
    waits = waits || node->on_disk != OnDisk::kYes;
    if (node->on_disk != OnDisk::kNo) continue;
    DiskTier::Job job{HeadOf(*node), {}};
    if (node->block != nullptr) job.parts.push_back(part(node->block));
    node->write = disk_->Write(std::move(job), point->resumes);
    if (node->write == 0) return OnDisk::kUnwritten;
    node->on_disk = OnDisk::kWriting;
  }
  if (point->stateless) return point->node->on_disk;
  DiskTier::Job job{HeadOf(*point), {{point->state, BytesOf(point->state->data(), layout_.state_bytes())}}};
  if (point->tail_block != nullptr) job.parts.push_back(part(point->tail_block));
  point->write = disk_->Write(std::move(job), point->resumes);
  return point->write != 0 ? OnDisk::kWriting : OnDisk::kUnwritten;
}

void PrefixCache::OfferUnwritten() {
  constexpr int kMostOffers = 16;  // the engine has other things to do
  for (int offers = 0; offers < kMostOffers && !unwritten_order_.empty() && disk_->has_room(); ++offers) {
    Point* const point = *unwritten_order_.rbegin();
    Persist(point);
    if (point->on_disk == OnDisk::kUnwritten) return;
  }
}

int64_t PrefixCache::TakeWritten() {
  if (disk_ == nullptr) return 0;
  int64_t files = 0;
  for (const DiskTier::Written& written : disk_->TakeWritten()) {
    writer_stands_ = false;
    files += written.file_bytes > 0 ? 1 : 0;
    if (const auto begun = begun_writes_.extract(written.number)) CountStuck(-begun.mapped().bytes);
    written.kind == PrefixFileKind::kBlock ? BlockWritten(written) : StateWritten(written);
  }
  stats_.disk_writes += files;
  EvictFromDisk();
  return files;
}

void PrefixCache::BlockWritten(const DiskTier::Written& written) {
  const auto found = nodes_by_key_.find(written.key);
  if (found == nodes_by_key_.end() || found->second->write != written.number) return;  // no longer wanted
  Node* const node = found->second;
  node->write = 0;
  node->on_disk = written.file_bytes > 0 ? OnDisk::kYes : OnDisk::kNo;
  node->file_bytes = written.file_bytes;
  stats_.disk_bytes += written.file_bytes;
  Point* const place = FindPlace(node);
  if (place != nullptr && place->on_disk == OnDisk::kWriting) EndWrite(place, node->on_disk == OnDisk::kYes);
}

void PrefixCache::StateWritten(const DiskTier::Written& written) {
  const auto found = points_by_key_.find(written.key);
  if (found == points_by_key_.end() || found->second->write != written.number) return;
  Point* const point = found->second;
  point->write = 0;
  if (EndWrite(point, written.file_bytes > 0)) {
    point->file_bytes = written.file_bytes;
    stats_.disk_bytes += written.file_bytes;
  } else if (written.file_bytes > 0) {
    disk_->Remove(PrefixFileKind::kPoint, written.key);
  }
}

bool PrefixCache::EndWrite(Point* point, bool written) {
  Unorder(point);
  // The writer may have failed at a block and gone on behind it; that block may be waiting again by now.
  const bool whole = written && IsOnDisk(point->node);
  point->on_disk = whole ? OnDisk::kYes : OnDisk::kUnwritten;
  if (whole) point->resumes = false;
  InOrder(point);
  if (whole || point->in_ram()) return whole;
  DropFromDisk(point);
  Prune(point);
  return false;
}

bool PrefixCache::CancelWrite(Node* node) {
  if (!disk_->Cancel(node->write)) {
    HoldBegun(node->write, node->block, nullptr, layout_.block_bytes());
    return false;
  }
  node->write = 0;
  node->on_disk = OnDisk::kNo;
  return true;
}

bool PrefixCache::CancelWrite(Point* point) {
  if (!disk_->Cancel(point->write)) {
    HoldBegun(point->write, point->tail_block, point->state, PointBytes(*point));
    return false;
  }
  point->write = 0;
  return true;
}

void PrefixCache::HoldBegun(uint64_t write, const KeptBlock& block, std::shared_ptr<const StateBytes> state,
                            int64_t bytes) {
  const auto [entry, added] = begun_writes_.try_emplace(write);
  if (!added) return;
  entry->second.block = block.get();
  entry->second.state = std::move(state);
  entry->second.bytes = bytes;
  CountStuck(bytes);
}

bool PrefixCache::AwaitDisk(std::chrono::steady_clock::time_point deadline) {
  const auto frees = [&](const Point* point) { return Frees(*point); };
  if (!begun_writes_.empty() || std::ranges::any_of(writing_order_, frees)) {
    if (!std::exchange(writer_stands_, true)) disk_->WaitForOne(deadline);
    TakeWritten();
    if (!writer_stands_) return true;
  }
  if (begun_reads_.empty()) return false;
  if (!std::exchange(reader_stands_, true)) reader_->WaitUntil(deadline);
  TakeLoaded();
  return !reader_stands_;
}

void PrefixCache::Flush() {
  if (disk_ == nullptr) return;
  do {
    OfferUnwritten();
    disk_->Wait();
  } while (TakeWritten() > 0 && !unwritten_order_.empty());
}

}  // namespace fathom
