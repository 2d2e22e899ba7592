// safetensors_writer.h - writes a safetensors file whose tensors may be larger than memory.
//
//   FATHOM_ASSIGN_OR_RETURN(auto writer, SafetensorsWriter::Create(path, {{"a", TensorType::kF32, {2, 3}}}));
//   FATHOM_RETURN_IF_ERROR(writer->Write(0, 0, bytes));
//   FATHOM_RETURN_IF_ERROR(writer->Finish());
//
// Everything goes to "<path>.tmp", which Finish() makes durable and renames, so `path` never holds half a file. What is
// not written is a hole that reads as zeros and takes no space on disk.
#ifndef FATHOM_CHECKPOINT_SAFETENSORS_WRITER_H_
#define FATHOM_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "checkpoint/safetensors.h"

namespace fathom {

struct TensorSpec {
  std::string name;
  TensorType type = TensorType::kF32;  // a known one
  std::vector<int64_t> shape;

  // CHECKs that the shape's product fits 63 bits.
  uint64_t bytes() const;
};

class SafetensorsWriter {
 public:
  // Creates "<path>.tmp" at its full size with the header written. Tensors lie in the order given, without gaps, and
  // the first begins at a multiple of 8 bytes. Names must be unique (CHECKed).
  static Result<std::unique_ptr<SafetensorsWriter>> Create(
      std::string path, std::vector<TensorSpec> tensors,
      const std::vector<std::pair<std::string, std::string>>& metadata = {{"format", "pt"}});
  // Removes the temporary file if Finish() did not succeed.
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  // Bytes of the whole file.
  uint64_t file_bytes() const { return file_bytes_; }

  // Writes `bytes` at byte `offset` of tensor `index`; CHECKs that they fit. Thread-safe.
  Status Write(size_t index, uint64_t offset, std::span<const uint8_t> bytes);

  Status Finish();

 private:
  SafetensorsWriter() = default;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  std::vector<TensorSpec> tensors_;
  std::vector<uint64_t> begin_;  // of each tensor in the file
  uint64_t file_bytes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SAFETENSORS_WRITER_H_
