// What of a prefix cache stays: values, budgets, and taking out what is of no use; and finding files again.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "cache/prefix_cache.h"

namespace fathom {

int64_t PrefixCache::PointBytes(const Point& point) const {
  if (point.stateless) return 0;
  const int64_t tail = point.tail.empty() ? 0 : layout_.block_bytes();
  return layout_.state_bytes() + tail + static_cast<int64_t>(point.tail.size() * sizeof(int32_t));
}

void PrefixCache::SetValue(Point* point) {
  Unorder(point);
  // Tokens that would have to be read again without this point: from the nearest point before it.
  int64_t before = 0;
  int64_t other_position = 0;
  std::span<const int32_t> behind = point->tail;  // what follows `node` on the way to the point
  const int64_t position = PositionOf(*point);
  for (const Node* node = point->node; node != nullptr && before == 0; node = node->parent) {
    for (const auto& other : node->points) {
      const bool on_the_way =
          other->tail.size() <= behind.size() && std::ranges::equal(other->tail, behind.first(other->tail.size()));
      if (other.get() == point || !on_the_way || BeginOf(*other) <= before) continue;
      before = BeginOf(*other);
      other_position = PositionOf(*other);
    }
    behind = node->tokens;
  }
  const auto tokens = static_cast<double>(std::max(int64_t{0}, BeginOf(*point) - before));
  // Without a state it is the blocks behind the other point that cost.
  const int64_t blocks = std::max(int64_t{1}, (position - other_position) / CacheLayout::kBlockTokens);
  const int64_t bytes = point->stateless ? blocks * layout_.block_bytes() : PointBytes(*point);
  // Mild, and from the lowest value on: a conversation that has just begun must not be the first to go.
  const double uses = 1 + std::log2(1 + static_cast<double>(point->uses)) / 4;
  double lowest = std::numeric_limits<double>::infinity();
  for (const Order* order : {&ram_order_, &writing_order_}) {
    if (!order->empty()) lowest = std::min(lowest, (*order->begin())->value);
  }
  if (std::isfinite(lowest)) age_ = std::max(age_, lowest);
  point->value = age_ + uses * tokens / static_cast<double>(bytes);
  point->changed = ++changes_;
  InOrder(point);
}

void PrefixCache::InOrder(Point* point) {
  if (point->pins > 0) return;
  const bool writing = point->on_disk == OnDisk::kWriting;
  if (point->in_ram()) (writing ? writing_order_ : ram_order_).insert(point);
  if (point->on_disk == OnDisk::kUnwritten) unwritten_order_.insert(point);
  if (point->on_disk == OnDisk::kYes) disk_order_.insert(point);
}

void PrefixCache::Unorder(Point* point) {
  for (Order* order : {&ram_order_, &writing_order_, &unwritten_order_, &disk_order_}) order->erase(point);
}

void PrefixCache::CountRam(Node* node, int64_t change) {
  for (; node != nullptr; node = node->parent) {
    node->ram_points += change;
    FATHOM_CHECK(node->ram_points >= 0);
    if (node->ram_points == 0) DropBlockFromRam(node);
  }
}

void PrefixCache::DropBlockFromRam(Node* node) {
  if (node->block == nullptr && node->read == 0) return;
  if (node->on_disk == OnDisk::kWriting) CancelWrite(node);  // for points that are on disk already
  node->block.reset();
  if (node->read != 0) CancelRead(std::exchange(node->read, 0), layout_.block_bytes());
  stats_.ram_bytes -= layout_.block_bytes();
}

void PrefixCache::CountDisk(Node* node, int64_t change) {
  for (; node != nullptr; node = node->parent) {
    node->disk_points += change;
    FATHOM_CHECK(node->disk_points >= 0);
    if (node->disk_points == 0) DropBlockFromDisk(node);
  }
}

void PrefixCache::DropBlockFromDisk(Node* node) {
  if (node->on_disk == OnDisk::kNo || node->parent == nullptr) return;
  if (node->on_disk == OnDisk::kWriting && CancelWrite(node)) return;
  RemoveBlockFile(node);
  node->write = 0;
}

void PrefixCache::RemoveBlockFile(Node* node) {
  disk_->Remove(PrefixFileKind::kBlock, node->key);
  stats_.disk_bytes -= std::exchange(node->file_bytes, 0);
  node->on_disk = OnDisk::kNo;
}

void PrefixCache::DropFromRam(Point* point) {
  if (!point->in_ram()) return;
  if (point->on_disk != OnDisk::kYes && point->write == 0) DropFromDisk(point);
  Unorder(point);
  stats_.ram_bytes -= PointBytes(*point);
  point->state.reset();
  point->tail_block.reset();
  point->blocks_in_ram = false;
  point->loaded = false;
  InOrder(point);
  CountRam(point->node, -1);
}

void PrefixCache::DropFromDisk(Point* point) {
  if (point->on_disk == OnDisk::kNo) return;
  FATHOM_CHECK(point->write == 0);  // that was taken back before
  Unorder(point);
  const bool has_file = !point->stateless && point->on_disk == OnDisk::kYes;
  if (has_file) disk_->Remove(PrefixFileKind::kPoint, point->key);
  stats_.disk_bytes -= std::exchange(point->file_bytes, 0);
  point->on_disk = OnDisk::kNo;
  InOrder(point);
  CountDisk(point->node, -1);
}

void PrefixCache::Prune(Point* point) {
  if (point->in_ram() || point->pins > 0 || point->on_disk != OnDisk::kNo) return;
  Unorder(point);
  Node* node = point->node;
  if (!point->stateless) points_by_key_.erase(point->key);
  --stats_.points;
  std::erase_if(node->points, [&](const auto& other) { return other.get() == point; });
  while (node->points.empty() && node->children.empty()) {
    Node* const parent = node->parent;
    if (node->block != nullptr) stats_.ram_bytes -= layout_.block_bytes();
    const PrefixKey key = node->key;
    nodes_by_key_.erase(key);
    if (parent == nullptr) {
      roots_.erase(key);
      return;
    }
    parent->children.erase(key);
    node = parent;
  }
}

void PrefixCache::ShrinkTo(int64_t bytes) {
  if (held_bytes() <= bytes) return;
  if (disk_ != nullptr) {
    TakeLoaded();
    TakeWritten();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(options_.max_wait_ns);
  bool all = false;
  while (held_bytes() > bytes) {
    if (EvictOne() || EvictWriting(all) || AwaitDisk(deadline)) continue;
    if (all) return;
    all = true;
  }
}

bool PrefixCache::EvictOne() {
  const auto first = std::ranges::find_if(ram_order_, [&](const Point* point) { return Frees(*point); });
  if (first == ram_order_.end()) return false;
  Evict(*first);
  return true;
}

bool PrefixCache::EvictWriting(bool all) {
  for (Point* point : writing_order_) {
    if (!Frees(*point)) continue;
    // One whose write has begun is not lost.
    if (point->resumes && !all && !disk_->has_begun(point->write)) continue;
    if (!point->stateless) CancelWrite(point);
    Evict(point);
    return true;
  }
  return false;
}

void PrefixCache::Evict(Point* point) {
  age_ = std::max(age_, point->value);
  ++stats_.ram_evictions;
  const bool unwritten = point->on_disk == OnDisk::kUnwritten || point->on_disk == OnDisk::kWriting;
  if (unwritten && point->write == 0) ++stats_.dropped_writes;
  if (point->stateless && ShortenInRam(point)) return;
  DropFromRam(point);
  Prune(point);
}

void PrefixCache::EvictFromDisk() {
  if (disk_ == nullptr) return;
  while (stats_.disk_bytes > options_.disk_bytes) {
    const std::optional<ForeignFiles::File> foreign = foreign_.TakeOldest();
    if (!foreign) break;
    disk_->Remove(foreign->kind, foreign->key);
    stats_.disk_bytes -= foreign->bytes;
  }
  while (stats_.disk_bytes > options_.disk_bytes && !disk_order_.empty()) {
    Point* const point = *disk_order_.begin();
    ++stats_.disk_evictions;
    if (point->stateless && ShortenOnDisk(point)) continue;
    DropFromDisk(point);
    Prune(point);
  }
}

Status PrefixCache::OpenDisk() {
  FATHOM_ASSIGN_OR_RETURN(disk_, DiskTier::Open(options_.directory, options_.tier));
  reader_ = std::make_unique<DiskReader>(layout_, options_.directory, options_.before_read);
  int64_t unread = 0;
  std::vector<DiskTier::Found> found = disk_->Scan(&unread);
  // Not the one of std::ranges, whose result clang 14 cannot compile.
  const auto foreign = std::stable_partition(
      found.begin(), found.end(), [&](const DiskTier::Found& file) { return file.head.fingerprint == fingerprint_; });
  foreign_ = ForeignFiles({foreign, found.end()});
  found.erase(foreign, found.end());
  stats_.disk_bytes += foreign_.bytes();
  const auto valid = [&](const PrefixFileHead& head) {
    const auto tokens = static_cast<int64_t>(head.tokens.size());
    if (head.key != KeyOf(head.parent, head.tokens, head.kind == PrefixFileKind::kPoint)) return false;
    if (head.kind == PrefixFileKind::kPoint) {
      const int64_t tail = tokens == 0 ? 0 : layout_.block_bytes();
      return tokens < CacheLayout::kBlockTokens && head.payload_bytes == layout_.state_bytes() + tail &&
             head.position % CacheLayout::kBlockTokens == tokens;
    }
    return tokens == CacheLayout::kBlockTokens && head.payload_bytes == layout_.block_bytes() &&
           head.position >= tokens && head.position % CacheLayout::kBlockTokens == 0;
  };
  // Parents before children, blocks before the points in them; among equals the oldest first, as Scan() has them.
  std::ranges::stable_sort(found, {}, [](const DiskTier::Found& file) {
    return std::pair(file.head.position / CacheLayout::kBlockTokens, file.head.kind == PrefixFileKind::kPoint);
  });
  int64_t wrong = 0;
  int64_t without_block = 0;
  int64_t without_state = 0;
  for (DiskTier::Found& file : found) {
    PrefixFileHead& head = file.head;
    const int64_t before = head.position - static_cast<int64_t>(head.tokens.size());
    Node* parent = nullptr;
    if (before == 0) {
      parent = Root(head.parent);
    } else if (const auto at = nodes_by_key_.find(head.parent); at != nodes_by_key_.end()) {
      parent = at->second;
    }
    if (!valid(head) || parent == nullptr || parent->position != before) {
      if (valid(head) && unread > 0) continue;  // the block before it is perhaps one of those
      ++(valid(head) ? without_block : wrong);
      disk_->Remove(head.kind, head.key);
      ++stats_.damaged;
      continue;
    }
    if (head.kind == PrefixFileKind::kBlock) {
      Node* const node = MakeChild(parent, head.tokens);
      node->on_disk = OnDisk::kYes;
      node->file_bytes = file.file_bytes;
    } else {
      Point* const point = MakePoint(parent, head.tokens);
      point->on_disk = OnDisk::kYes;
      point->file_bytes = file.file_bytes;
      points_by_key_[point->key] = point;
      CountDisk(parent, 1);
      SetValue(point);
    }
    stats_.disk_bytes += file.file_bytes;
  }
  FindPlacesOnDisk(found);
  // Blocks that no point stands behind: their points were being written when the process ended.
  std::vector<Node*> useless;
  for (const auto& [key, node] : nodes_by_key_) {
    if (node->disk_points == 0) useless.push_back(node);
  }
  std::ranges::sort(useless, std::greater<>(), &Node::position);
  for (Node* node : useless) {
    if (node->parent == nullptr) {
      const PrefixKey key = node->key;
      nodes_by_key_.erase(key);
      roots_.erase(key);
      continue;
    }
    stats_.disk_bytes -= node->file_bytes;
    if (unread == 0) {
      ++without_state;
      disk_->Remove(PrefixFileKind::kBlock, node->key);
    }
    Node* const parent = node->parent;
    const PrefixKey key = node->key;
    nodes_by_key_.erase(key);
    parent->children.erase(key);
  }
  if (wrong + without_block > 0) {
    Log(LogLevel::kWarning, "removed files of kept prefixes that cannot be used",
        {{"dir", options_.directory}, {"wrong_key_or_size", wrong}, {"block_before_them_missing", without_block}});
  }
  if (unread > 0) {
    Log(LogLevel::kWarning, "files of kept prefixes cannot be read now; they stay until the next start",
        {{"dir", options_.directory}, {"files", unread}});
  }
  if (without_state > 0) {
    Log(LogLevel::kInfo, "removed blocks whose states were not written yet",
        {{"dir", options_.directory}, {"blocks", without_state}});
  }
  EvictFromDisk();
  return {};
}

}  // namespace fathom
