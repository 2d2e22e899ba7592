#include "checkpoint/safetensors.h"

#include <cstring>
#include <iterator>

#include "base/strings.h"
#include "checkpoint/safetensors_header.h"

namespace fathom {
namespace {

// The format's own limit is 100 MB; V4-Pro's largest header is far below 1 MB.
constexpr uint64_t kMaxHeaderBytes = 256u << 20;

struct TypeRow {
  TensorType type;
  const char* name;
  int64_t bytes;
};

constexpr TypeRow kTypes[] = {
    {TensorType::kBool, "BOOL", 1},      {TensorType::kU8, "U8", 1},          {TensorType::kI8, "I8", 1},
    {TensorType::kF8E4m3, "F8_E4M3", 1}, {TensorType::kF8E5m2, "F8_E5M2", 1}, {TensorType::kF8E8m0, "F8_E8M0", 1},
    {TensorType::kI16, "I16", 2},        {TensorType::kU16, "U16", 2},        {TensorType::kF16, "F16", 2},
    {TensorType::kBf16, "BF16", 2},      {TensorType::kI32, "I32", 4},        {TensorType::kU32, "U32", 4},
    {TensorType::kF32, "F32", 4},        {TensorType::kI64, "I64", 8},        {TensorType::kU64, "U64", 8},
    {TensorType::kF64, "F64", 8},
};

}  // namespace

std::string_view TensorTypeName(TensorType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "unknown";
}

TensorType ParseTensorType(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (name == row.name) return row.type;
  }
  return TensorType::kUnknown;
}

int64_t TensorTypeBytes(TensorType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.bytes;
  }
  return 0;
}

std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

int64_t TensorInfo::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  SafetensorsFile result;
  FATHOM_ASSIGN_OR_RETURN(result.file_, MappedFile::Open(path));
  const std::span<const uint8_t> bytes = result.file_.bytes();
  uint64_t header_bytes = 0;  // little-endian, as every machine we run on
  if (bytes.size() < sizeof header_bytes) {
    return DataLoss(StrCat(path, ": is ", bytes.size(), " bytes long; a safetensors file has at least 8"));
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const uint64_t after_length = bytes.size() - sizeof header_bytes;
  if (header_bytes > after_length) {
    return DataLoss(StrCat(path, ": says its header is ", header_bytes, " bytes long, but only ", after_length,
                           " bytes follow (truncated, or no safetensors file)"));
  }
  if (header_bytes > kMaxHeaderBytes) {
    return DataLoss(
        StrCat(path, ": says its header is ", header_bytes, " bytes long; at most ", kMaxHeaderBytes, " are accepted"));
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes, header_bytes);
  const std::span<const uint8_t> data = bytes.subspan(sizeof header_bytes + header_bytes);
  Result<SafetensorsHeader> header = ParseSafetensorsHeader(json, data.size());
  if (!header.ok()) return Status(header.status().code(), StrCat(path, ": ", header.status().message()));

  result.tensors_.reserve(header->entries.size());
  for (SafetensorsEntry& entry : header->entries) {
    result.tensors_.push_back(std::move(entry.info));
    result.tensors_.back().bytes = data.subspan(entry.begin, entry.end - entry.begin);
  }
  result.index_.reserve(result.tensors_.size());
  for (size_t i = 0; i < result.tensors_.size(); ++i) result.index_.emplace(result.tensors_[i].name, i);
  result.metadata_ = std::move(header->metadata);
  return result;
}

const TensorInfo* SafetensorsFile::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace fathom
