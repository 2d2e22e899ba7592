#include "checkpoint/verify_data.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <iterator>
#include <memory>

#include "base/file.h"
#include "base/sha256.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

constexpr uint64_t kPieceBytes = 4u << 20;  // between looks at Ctrl-C
constexpr uint64_t kMaxDigestFileBytes = 16u << 20;

// What counts as a bad value of a tensor.
struct Rule {
  enum class Kind : uint8_t { kNone, kE8m0, kE4m3, kBf16, kF32, kExpertId };
  Kind kind = Kind::kNone;
  const char* what = "";  // "scales are NaN (code 255)"
};

Rule RuleOf(const CheckpointTensor& tensor) {
  const TensorType type = tensor.info->type;
  const bool scale = tensor.role == TensorRole::kFp8Scale || tensor.role == TensorRole::kRoutedScale;
  if (scale && type != TensorType::kF32) return {Rule::Kind::kE8m0, "scales are NaN (code 255)"};
  if (scale) return {Rule::Kind::kF32, "scales are not finite"};
  switch (tensor.role) {
    case TensorRole::kBf16:
      return {Rule::Kind::kBf16, "values are not finite"};
    case TensorRole::kF32:
      return {Rule::Kind::kF32, "values are not finite"};
    case TensorRole::kTokenTable:
      return {Rule::Kind::kExpertId, "expert ids are out of range"};
    case TensorRole::kFp8:
    case TensorRole::kRouted:
      if (type == TensorType::kF8E4m3) return {Rule::Kind::kE4m3, "weights are NaN (code 0x7F or 0xFF)"};
      return {};  // all FP4 codes are numbers
    default:
      return {};
  }
}

// Bad values among `count` and the index of the first. The loops have no branch, so that they run at the speed of
// memory; positions are looked for only where something is wrong.
struct Found {
  uint64_t count = 0;
  uint64_t first = 0;
};

template <typename T, typename IsBad>
Found Scan(std::span<const uint8_t> bytes, IsBad is_bad) {
  constexpr size_t kBlock = 4096;
  Found found;
  const size_t count = bytes.size() / sizeof(T);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(count, begin + kBlock);
    T any = 0;
    for (size_t i = begin; i < end; ++i) {
      any = static_cast<T>(any | static_cast<T>(is_bad(LoadUnaligned<T>(bytes.data() + i * sizeof(T)))));
    }
    if (any == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      if (!is_bad(LoadUnaligned<T>(bytes.data() + i * sizeof(T)))) continue;
      if (found.count++ == 0) found.first = i;
    }
  }
  return found;
}

// Reads without a question: an unreadable block on the disk is to be found too.
void Touch(std::span<const uint8_t> bytes) {
  static std::atomic<uint64_t> sink{0};  // keeps the reads alive
  uint64_t fold = 0;
  for (size_t at = 0; at + 8 <= bytes.size(); at += 8) fold ^= LoadUnaligned<uint64_t>(bytes.data() + at);
  sink.fetch_xor(fold, std::memory_order_relaxed);
}

Found ScanPiece(Rule::Kind kind, std::span<const uint8_t> bytes, int64_t experts) {
  switch (kind) {
    case Rule::Kind::kE8m0:
      return Scan<uint8_t>(bytes, [](uint8_t v) { return v == 255; });
    case Rule::Kind::kE4m3:
      return Scan<uint8_t>(bytes, [](uint8_t v) { return (v & 0x7F) == 0x7F; });
    case Rule::Kind::kBf16:
      return Scan<uint16_t>(bytes, [](uint16_t v) { return (v & 0x7F80) == 0x7F80; });
    case Rule::Kind::kF32:
      return Scan<uint32_t>(bytes, [](uint32_t v) { return (v & 0x7F800000u) == 0x7F800000u; });
    case Rule::Kind::kExpertId:
      return Scan<uint64_t>(bytes, [experts](uint64_t v) { return v >= static_cast<uint64_t>(experts); });
    case Rule::Kind::kNone:
      Touch(bytes);
      return {};
  }
  return {};
}

// "[3, 17]": where the value with this index is in its tensor.
std::string Position(uint64_t index, const std::vector<int64_t>& shape) {
  std::vector<int64_t> position(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    position[axis] = static_cast<int64_t>(index % static_cast<uint64_t>(shape[axis]));
    index /= static_cast<uint64_t>(shape[axis]);
  }
  return ShapeText(position);
}

// A file that is read: a shard with its tensors in file order, or another one that SHA256SUMS lists.
struct FileTask {
  std::string path;
  std::span<const uint8_t> bytes;
  std::vector<const CheckpointTensor*> tensors;
  std::string digest;  // expected; empty: not compared
  std::vector<std::string> defects;
  std::unique_ptr<MappedFile> mapping;  // of files that are no shards
};

class Verifier {
 public:
  Verifier(const Checkpoint& checkpoint, Progress* progress) : checkpoint_(checkpoint), progress_(progress) {}

  Result<DataReport> Run(int threads) {
    FATHOM_RETURN_IF_ERROR(MakeTasks());
    ThreadPool pool(threads);
    std::atomic<bool> cancelled{false};
    pool.ParallelFor(static_cast<int64_t>(tasks_.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end && !cancelled; ++i) {
        if (!RunTask(&tasks_[static_cast<size_t>(i)])) cancelled = true;
      }
    });
    if (cancelled) return Cancelled("interrupted; the check is not complete");
    DataReport report;
    for (FileTask& task : tasks_) {
      report.bytes += task.bytes.size();
      report.tensors += task.tensors.size();
      report.digests += task.digest.empty() ? 0 : 1;
      std::move(task.defects.begin(), task.defects.end(), std::back_inserter(report.defects));
    }
    return report;
  }

 private:
  Status MakeTasks() {
    for (const SafetensorsFile& shard : checkpoint_.shards()) {
      FileTask& task = tasks_.emplace_back();
      task.path = shard.path();
      task.bytes = shard.bytes();
    }
    for (const CheckpointTensor& tensor : checkpoint_.tensors()) tasks_[tensor.shard].tensors.push_back(&tensor);
    for (FileTask& task : tasks_) {
      std::sort(task.tensors.begin(), task.tensors.end(),
                [](const auto* a, const auto* b) { return a->info->bytes.data() < b->info->bytes.data(); });
    }
    return ReadDigests();
  }

  Status ReadDigests() {
    const std::string sums = checkpoint_.directory() + "/SHA256SUMS";
    if (!FileExists(sums)) return {};
    if (!Sha256::Available())
      return InvalidArgument(sums + ": this build cannot compute SHA-256; move the file away to go on");
    FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(sums, kMaxDigestFileBytes));
    std::string_view rest = text;
    for (size_t line_number = 1; !rest.empty(); ++line_number) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      // "<hex>  name" or "<hex> *name".
      const bool well_formed = line.size() > 66 && line[64] == ' ' && (line[65] == ' ' || line[65] == '*') &&
                               line.find_first_not_of("0123456789abcdefABCDEF") == 64;
      if (!well_formed) {
        return DataLoss(StrCat(sums, ": line ", line_number, " is '", Printable(line),
                               "'; 64 hex digits, two spaces and a file name are expected"));
      }
      std::string digest(line.substr(0, 64));
      for (char& c : digest) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      AddDigest(std::string(line.substr(66)), std::move(digest));
    }
    return {};
  }

  void AddDigest(std::string name, std::string digest) {
    if (name.starts_with("./")) name = name.substr(2);
    const std::string path = StrCat(checkpoint_.directory(), "/", name);
    for (FileTask& task : tasks_) {
      if (task.path != path) continue;
      task.digest = std::move(digest);
      return;
    }
    FileTask& task = tasks_.emplace_back();
    task.path = path;
    Result<MappedFile> file = MappedFile::Open(path);
    if (!file.ok()) {
      task.defects.push_back(StrCat(file.status().message(), ", but SHA256SUMS lists it"));
      return;
    }
    task.digest = std::move(digest);
    task.mapping = std::make_unique<MappedFile>(std::move(*file));
    task.bytes = task.mapping->bytes();
  }

  // Header, tensors and gaps in file order, so that the disk reads straight through and the digest sees every byte.
  // False if the user stopped it.
  bool RunTask(FileTask* task) {
    if (task->bytes.empty()) return true;
    ::madvise(const_cast<uint8_t*>(task->bytes.data()), task->bytes.size(), MADV_SEQUENTIAL);
    std::unique_ptr<Sha256> hash;
    if (!task->digest.empty()) hash = std::make_unique<Sha256>();
    const uint8_t* at = task->bytes.data();
    const uint8_t* const end = at + task->bytes.size();
    for (const CheckpointTensor* tensor : task->tensors) {
      const uint8_t* data = tensor->info->bytes.data();
      if (!RunPieces({at, data}, {}, nullptr, hash.get(), task)) return false;
      if (!RunPieces(tensor->info->bytes, RuleOf(*tensor), tensor, hash.get(), task)) return false;
      at = data + tensor->info->bytes.size();
    }
    if (!RunPieces({at, end}, {}, nullptr, hash.get(), task)) return false;
    ::madvise(const_cast<uint8_t*>(task->bytes.data()), task->bytes.size(), MADV_NORMAL);
    if (hash != nullptr) {
      const std::string found = hash->HexDigest();
      if (found != task->digest) {
        task->defects.push_back(StrCat(task->path, ": its SHA-256 is ", found, ", but SHA256SUMS says ", task->digest));
      }
    }
    return true;
  }

  bool RunPieces(std::span<const uint8_t> bytes, const Rule& rule, const CheckpointTensor* tensor, Sha256* hash,
                 FileTask* task) {
    Found total;
    for (uint64_t offset = 0; offset < bytes.size(); offset += kPieceBytes) {
      if (InterruptRequested()) return false;
      const std::span<const uint8_t> piece = bytes.subspan(offset, std::min(kPieceBytes, bytes.size() - offset));
      if (hash != nullptr) hash->Update(piece);
      const Found found = ScanPiece(rule.kind, piece, checkpoint_.config().experts);
      if (found.count > 0 && total.count == 0) {
        total.first = offset / static_cast<uint64_t>(TensorTypeBytes(tensor->info->type)) + found.first;
      }
      total.count += found.count;
      if (progress_ != nullptr) progress_->Add(piece.size());
    }
    if (total.count > 0) {
      task->defects.push_back(StrCat(task->path, ": tensor '", Printable(tensor->info->name, 200), "': ", total.count,
                                     " ", rule.what, ", the first at ", Position(total.first, tensor->info->shape)));
    }
    return true;
  }

  const Checkpoint& checkpoint_;
  Progress* const progress_;
  std::vector<FileTask> tasks_;
};

}  // namespace

uint64_t DataBytes(const Checkpoint& checkpoint) {
  uint64_t bytes = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) bytes += shard.bytes().size();
  return bytes;
}

Result<DataReport> VerifyData(const Checkpoint& checkpoint, int threads, Progress* progress) {
  return Verifier(checkpoint, progress).Run(threads);
}

}  // namespace fathom
