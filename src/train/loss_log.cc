#include "train/loss_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr size_t kMaxLineBytes = size_t{1} << 16;  // a step's line has some 350

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

Status SystemError(const char* action, const std::string& path) {
  return IoError(StrCat("cannot ", action, " ", path, ": ", std::strerror(errno)));
}

std::string LineOf(const TrainRecord& record) {
  Json line = Json::Object({{"step", Json::Int(record.step)}, {"train_loss", Json::DoubleOrNull(record.train_loss)}});
  if (record.held_out_loss) line.Set("held_out_loss", Json::DoubleOrNull(*record.held_out_loss));
  line.Set("learning_rate", Json::DoubleOrNull(record.learning_rate));
  line.Set("tokens_per_second", Json::DoubleOrNull(record.tokens_per_second));
  for (const auto& [name, value] : record.more) line.Set(name, Json::DoubleOrNull(value));
  return line.Dump() + "\n";
}

// Nothing if the line is no record.
std::optional<TrainRecord> ParseLine(std::string_view line) {
  const Result<Json> parsed = ParseJson(line);
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  TrainRecord record;
  const Json* step = parsed->Find("step");
  const std::optional<int64_t> number = step == nullptr ? std::nullopt : step->AsInt();
  if (!number) return std::nullopt;
  record.step = *number;
  const auto read = [&](const char* key) -> std::optional<double> {
    const Json* value = parsed->Find(key);
    if (value == nullptr) return std::nullopt;
    return value->AsDouble().value_or(std::numeric_limits<double>::quiet_NaN());
  };
  record.train_loss = read("train_loss").value_or(std::numeric_limits<double>::quiet_NaN());
  record.held_out_loss = read("held_out_loss");
  record.learning_rate = read("learning_rate").value_or(0);
  record.tokens_per_second = read("tokens_per_second").value_or(0);
  return record;
}

// The next line with its end. Without one: what is left of the file, nothing at its end, or the beginning of a line of
// kMaxLineBytes and more.
void ReadLine(std::FILE* file, std::string* line) {
  line->clear();
  while (line->size() < kMaxLineBytes) {
    const int c = getc_unlocked(file);
    if (c == EOF) return;
    line->push_back(static_cast<char>(c));
    if (c == '\n') return;
  }
}

}  // namespace

Result<LossLog> LossLog::Open(const std::string& path, int64_t first_step) {
  LossLog log(path);
  if (FileExists(path)) {
    FATHOM_RETURN_IF_ERROR(log.ReadUntil(first_step));
  } else if (const OpenFile made(std::fopen(path.c_str(), "ab")); made == nullptr) {
    return SystemError("write", path);
  }
  return log;
}

Status LossLog::ReadUntil(int64_t first_step) {
  const OpenFile file(std::fopen(path_.c_str(), "rb"));
  if (file == nullptr) return SystemError("read", path_);
  std::error_code unknown;
  const uint64_t size = std::filesystem::file_size(path_, unknown);
  Progress progress(StrCat("reading ", path_), unknown ? 0 : size, Progress::Unit::kBytes);
  std::string line;
  int64_t kept = 0;  // bytes
  bool reached = false;
  for (int64_t number = 1;; ++number) {
    if (InterruptRequested()) return Cancelled(StrCat("stopped while ", path_, " was read"));
    ReadLine(file.get(), &line);
    if (line.size() == kMaxLineBytes) {
      return DataLoss(
          StrCat(path_, ":", number, ": the line has ", kMaxLineBytes, " bytes or more; less are accepted"));
    }
    if (!line.ends_with('\n')) break;  // the end, or cut off
    progress.Add(line.size());
    std::optional<TrainRecord> record = ParseLine(line);
    if (!record) {
      line.pop_back();
      return DataLoss(
          StrCat(path_, ":", number, ": expected a JSON object with the number step, found ", Printable(line)));
    }
    reached = reached || record->step >= first_step;
    if (reached) continue;
    last_begin_ = kept;
    kept += static_cast<int64_t>(line.size());
    records_.push_back(std::move(*record));
  }
  if (std::ferror(file.get()) != 0) return SystemError("read", path_);
  progress.Finish();
  return ::truncate(path_.c_str(), kept) == 0 ? Status() : SystemError("write", path_);
}

Result<int64_t> LossLog::CountLines(const std::string& path) {
  if (!FileExists(path)) return int64_t{0};
  const OpenFile file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return SystemError("read", path);
  int64_t lines = 0;
  std::vector<char> piece(1 << 16);
  for (size_t size = 1; size > 0;) {
    size = std::fread(piece.data(), 1, piece.size(), file.get());
    lines += std::count(piece.data(), piece.data() + size, '\n');
  }
  if (std::ferror(file.get()) != 0) return SystemError("read", path);
  return lines;
}

Status LossLog::Append(const TrainRecord& record) {
  const std::string line = LineOf(record);
  OpenFile file(std::fopen(path_.c_str(), "ab"));
  if (file == nullptr) return SystemError("write", path_);
  std::fseek(file.get(), 0, SEEK_END);
  const int64_t begin = std::ftell(file.get());
  if (std::fwrite(line.data(), 1, line.size(), file.get()) != line.size() || std::fflush(file.get()) != 0) {
    return SystemError("write", path_);
  }
  if (std::fclose(file.release()) != 0) return SystemError("write", path_);
  last_begin_ = begin;
  records_.push_back({.step = record.step,
                      .train_loss = record.train_loss,
                      .held_out_loss = record.held_out_loss,
                      .learning_rate = record.learning_rate,
                      .tokens_per_second = record.tokens_per_second});
  return {};
}

Status LossLog::AddHeldOut(double loss, const NamedNumbers& more) {
  FATHOM_CHECK(!records_.empty());
  const OpenFile file(std::fopen(path_.c_str(), "r+b"));
  if (file == nullptr || std::fseek(file.get(), last_begin_, SEEK_SET) != 0) return SystemError("write", path_);
  std::string text;
  ReadLine(file.get(), &text);
  Result<Json> line = ParseJson(text);
  if (!line.ok() || !line->is_object()) {
    return DataLoss(StrCat(path_, ": somebody has changed its last line meanwhile, which is ", Printable(text)));
  }
  line->Set("held_out_loss", Json::DoubleOrNull(loss));
  for (const auto& [name, value] : more) line->Set(name, Json::DoubleOrNull(value));
  text = line->Dump() + "\n";
  // In one piece: a kill leaves the one line or the other.
  const ssize_t written = ::pwrite(fileno(file.get()), text.data(), text.size(), last_begin_);
  const int64_t end = last_begin_ + static_cast<int64_t>(text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::ftruncate(fileno(file.get()), end) != 0) {
    return SystemError("write", path_);
  }
  records_.back().held_out_loss = loss;
  return {};
}

}  // namespace fathom
