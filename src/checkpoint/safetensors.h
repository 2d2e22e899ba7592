// safetensors.h - the container of released weights: an 8-byte little-endian header length, a JSON header (name ->
// dtype, shape, data_offsets; an optional __metadata__ of strings), then the raw little-endian data.
//
// Opening checks the whole header against the file, so that every span handed out lies inside the mapping: a truncated
// file is an error here and not a fault later. Tensor data is not touched. Every error is one sentence that names the
// file, the tensor, what was found and what is accepted.
//
//   FATHOM_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open("units.safetensors"));
//   const TensorInfo* x = file.Find("quant.x");  // nullptr if there is none
#ifndef FATHOM_CHECKPOINT_SAFETENSORS_H_
#define FATHOM_CHECKPOINT_SAFETENSORS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace fathom {

enum class TensorType : uint8_t {
  kUnknown,  // named in the header but not known here; an error for whoever wants to use the tensor
  kBool,
  kU8,
  kI8,
  kF8E4m3,
  kF8E5m2,
  kF8E8m0,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
};

// The header's name: "F8_E4M3"; "unknown" for kUnknown.
std::string_view TensorTypeName(TensorType type);
// kUnknown for other names.
TensorType ParseTensorType(std::string_view name);
// Bytes of one element; 0 for kUnknown.
int64_t TensorTypeBytes(TensorType type);

// "[129280, 4096]"; "[]" for a scalar.
std::string ShapeText(std::span<const int64_t> shape);

struct TensorInfo {
  std::string name;
  TensorType type = TensorType::kUnknown;
  std::string type_name;           // as written, for kUnknown; otherwise empty
  std::vector<int64_t> shape;      // outermost first; every size >= 0 and their product below 2^63
  std::span<const uint8_t> bytes;  // in the mapping, at any alignment

  int64_t elements() const;
};

// Movable; pointers to its tensors and their bytes stay valid through a move.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  // In the order of the header.
  std::span<const TensorInfo> tensors() const { return tensors_; }
  const TensorInfo* Find(std::string_view name) const;
  // __metadata__, in order.
  std::span<const std::pair<std::string, std::string>> metadata() const { return metadata_; }
  std::span<const uint8_t> bytes() const { return file_.bytes(); }
  // As MappedFile's.
  void PreferLargePages() const { file_.PreferLargePages(); }
  Status ReadIntoMemory(ThreadPool& pool, Progress& progress) { return file_.ReadIntoMemory(pool, progress); }

 private:
  SafetensorsFile() = default;

  MappedFile file_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // keys point into tensors_
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SAFETENSORS_H_
