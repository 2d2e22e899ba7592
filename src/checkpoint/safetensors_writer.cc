#include "checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unordered_set>

#include "base/check.h"
#include "base/json.h"
#include "base/strings.h"

namespace fathom {
namespace {

Status SystemError(const std::string& path, const char* action) {
  const ErrorCode code = errno == ENOSPC || errno == EDQUOT ? ErrorCode::kResource : ErrorCode::kIo;
  return {code, StrCat(path, ": cannot ", action, ": ", std::strerror(errno))};
}

Status WriteAt(int fd, std::span<const uint8_t> bytes, uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError(path, "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return {};
}

// The header's text, padded so that 8 + its length is a multiple of 8.
std::string HeaderText(const std::vector<TensorSpec>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string text = "{";
  const auto key = [&text](std::string_view name) {
    if (text.size() > 1) text += ',';
    AppendJsonString(name, &text);
    text += ':';
  };
  if (!metadata.empty()) {
    std::vector<Json::Member> members;
    members.reserve(metadata.size());
    for (const auto& [name, value] : metadata) members.emplace_back(name, Json::String(value));
    key("__metadata__");
    text += Json::Object(std::move(members)).Dump();
  }
  uint64_t begin = 0;
  for (const TensorSpec& tensor : tensors) {
    const uint64_t end = begin + tensor.bytes();
    key(tensor.name);
    text += StrCat("{\"dtype\":\"", TensorTypeName(tensor.type), "\",\"shape\":", ShapeText(tensor.shape),
                   ",\"data_offsets\":[", begin, ",", end, "]}");
    begin = end;
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

uint64_t TensorSpec::bytes() const {
  int64_t product = TensorTypeBytes(type);
  FATHOM_CHECK(product > 0);
  for (const int64_t size : shape) {
    FATHOM_CHECK(size >= 0);
    FATHOM_CHECK(!__builtin_mul_overflow(product, size, &product));
  }
  return static_cast<uint64_t>(product);
}

Result<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    std::string path, std::vector<TensorSpec> tensors,
    const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::unordered_set<std::string_view> names;
  for (const TensorSpec& tensor : tensors) FATHOM_CHECK(names.insert(tensor.name).second);

  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter());
  const std::string header = HeaderText(tensors, metadata);
  const uint64_t header_bytes = header.size();
  uint64_t at = sizeof header_bytes + header_bytes;
  for (const TensorSpec& tensor : tensors) {
    writer->begin_.push_back(at);
    at += tensor.bytes();
  }
  writer->file_bytes_ = at;
  writer->tensors_ = std::move(tensors);
  writer->path_ = std::move(path);
  const std::string temporary = writer->path_ + ".tmp";
  writer->fd_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (writer->fd_ < 0) return SystemError(temporary, "create");
  writer->temporary_ = temporary;
  if (::ftruncate(writer->fd_, static_cast<off_t>(at)) != 0) return SystemError(temporary, "set the size of");
  const std::span<const uint8_t> length(reinterpret_cast<const uint8_t*>(&header_bytes), sizeof header_bytes);
  FATHOM_RETURN_IF_ERROR(WriteAt(writer->fd_, length, 0, temporary));
  const std::span<const uint8_t> text(reinterpret_cast<const uint8_t*>(header.data()), header.size());
  FATHOM_RETURN_IF_ERROR(WriteAt(writer->fd_, text, sizeof header_bytes, temporary));
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status SafetensorsWriter::Write(size_t index, uint64_t offset, std::span<const uint8_t> bytes) {
  FATHOM_CHECK(fd_ >= 0 && index < tensors_.size());
  const uint64_t size = tensors_[index].bytes();
  FATHOM_CHECK(offset <= size && bytes.size() <= size - offset);
  return WriteAt(fd_, bytes, begin_[index] + offset, temporary_);
}

Status SafetensorsWriter::Finish() {
  FATHOM_CHECK(fd_ >= 0);
  if (::fsync(fd_) != 0) return SystemError(temporary_, "sync");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) return SystemError(temporary_, "close");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return SystemError(path_, "rename to");
  temporary_.clear();
  return {};
}

}  // namespace fathom
