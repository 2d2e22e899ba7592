// Places to continue from without a state: points that consist of the blocks before them.
#include <algorithm>
#include <utility>

#include "cache/prefix_cache.h"

namespace fathom {

PrefixCache::Point* PrefixCache::FindPlace(Node* node) const {
  const auto found = std::ranges::find_if(node->points, [](const auto& point) { return point->stateless; });
  return found != node->points.end() ? found->get() : nullptr;
}

bool PrefixCache::IsOnDisk(const Node* node) {
  for (; node->parent != nullptr; node = node->parent) {
    if (node->on_disk != OnDisk::kYes) return false;
  }
  return true;
}

PrefixCache::Point* PrefixCache::MakePlace(Node* node) {
  if (Point* const known = FindPlace(node)) return known;
  Point* const point = MakePoint(node, {});
  point->stateless = true;
  const std::vector<Node*> chain = Chain(node);
  if (std::ranges::all_of(chain, [](const Node* one) { return one->block != nullptr; })) {
    CountRam(node, 1);
    point->blocks_in_ram = true;
  }
  if (IsOnDisk(node)) {
    CountDisk(node, 1);
    point->on_disk = OnDisk::kYes;
  }
  SetValue(point);
  return point;
}

void PrefixCache::AddPlace(Node* node) {
  Point* const point = MakePlace(node);
  if (!point->in_ram()) {
    CountRam(node, 1);
    if (point->load != nullptr) EndLoad(point);  // as if it had been loaded
    point->blocks_in_ram = true;
  }
  SetValue(point);
  Persist(point);
}

bool PrefixCache::ShortenInRam(Point* point) {
  Node* const node = point->node;
  Node* const before = node->parent;
  if (node->ram_points > 1 || !IsPlace(*before)) return false;
  Point* target = FindPlace(before);
  if (target != nullptr && (target->in_ram() || target->load != nullptr)) return false;
  if (target == nullptr) {
    target = MakePoint(before, {});
    target->stateless = true;
  }
  Unorder(target);
  target->blocks_in_ram = true;
  target->uses = std::max(target->uses, point->uses);
  target->value = point->value;
  target->changed = point->changed;
  const bool unwritten = point->on_disk == OnDisk::kUnwritten || point->on_disk == OnDisk::kWriting;
  if (unwritten && target->on_disk == OnDisk::kNo) {
    CountDisk(before, 1);
    const bool writing = point->on_disk == OnDisk::kWriting && before->on_disk == OnDisk::kWriting;
    target->on_disk = IsOnDisk(before) ? OnDisk::kYes : writing ? OnDisk::kWriting : OnDisk::kUnwritten;
  }
  InOrder(target);
  if (unwritten) DropFromDisk(point);
  // `before` and what is before it are held by one point as ever.
  ram_order_.erase(point);
  point->blocks_in_ram = false;
  --node->ram_points;
  DropBlockFromRam(node);
  Prune(point);
  return true;
}

bool PrefixCache::ShortenOnDisk(Point* point) {
  Node* const node = point->node;
  Node* const before = node->parent;
  if (node->disk_points > 1 || !IsPlace(*before) || before->on_disk != OnDisk::kYes) return false;
  Point* target = FindPlace(before);
  if (target != nullptr && target->on_disk != OnDisk::kNo) return false;
  if (target == nullptr) {
    target = MakePoint(before, {});
    target->stateless = true;
    target->uses = point->uses;
    target->value = point->value;
    target->changed = point->changed;
  }
  Unorder(target);
  target->on_disk = OnDisk::kYes;
  InOrder(target);
  disk_order_.erase(point);
  point->on_disk = OnDisk::kNo;
  --node->disk_points;
  DropBlockFromDisk(node);
  Prune(point);
  return true;
}

void PrefixCache::FindPlacesOnDisk(std::span<const DiskTier::Found> files) {
  std::vector<std::pair<int64_t, Node*>> ends;
  for (const DiskTier::Found& file : files) {
    const auto found = nodes_by_key_.find(file.head.key);
    if (file.head.kind != PrefixFileKind::kBlock || found == nodes_by_key_.end()) continue;
    Node* const node = found->second;
    if (IsPlace(*node) && node->children.empty() && node->disk_points == 0) ends.emplace_back(file.modified_ns, node);
  }
  std::ranges::sort(ends, {}, [](const auto& end) { return end.first; });
  for (const auto& [time, node] : ends) MakePlace(node);
}

}  // namespace fathom
