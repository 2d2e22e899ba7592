#include "train/loss_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace fathom {
namespace {

// A step's line has some 150 bytes: enough for the longest runs.
constexpr uint64_t kMaxLogBytes = uint64_t{1} << 30;

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

}  // namespace

Result<LossLog> LossLog::Open(const std::string& path, int64_t first_step) {
  LossLog log(path);
  std::string kept;
  if (FileExists(path)) {
    FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxLogBytes));
    std::string_view rest = text;
    for (int64_t number = 1; !rest.empty(); ++number) {
      const size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;  // cut off
      const std::string_view line = rest.substr(0, end + 1);
      rest.remove_prefix(line.size());
      std::optional<TrainRecord> record = ParseLine(line);
      if (!record) {
        return DataLoss(StrCat(path, ":", number, ": expected a JSON object with the number step, found ",
                               Printable(line.substr(0, end))));
      }
      if (record->step >= first_step) continue;
      kept += line;
      log.records_.push_back(std::move(*record));
    }
  }
  FATHOM_RETURN_IF_ERROR(WriteFileAtomically(path, kept));
  return log;
}

Result<int64_t> LossLog::CountLines(const std::string& path) {
  if (!FileExists(path)) return int64_t{0};
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxLogBytes));
  return static_cast<int64_t>(std::ranges::count(text, '\n'));
}

Status LossLog::Append(const TrainRecord& record) {
  const std::string line = LineOf(record);
  const auto failed = [&] { return IoError(StrCat("cannot write ", path_, ": ", std::strerror(errno))); };
  std::FILE* file = std::fopen(path_.c_str(), "ab");
  if (file == nullptr) return failed();
  if (std::fwrite(line.data(), 1, line.size(), file) != line.size() || std::fflush(file) != 0) {
    const Status status = failed();  // before fclose() changes errno
    std::fclose(file);
    return status;
  }
  if (std::fclose(file) != 0) return failed();
  records_.push_back(record);
  return {};
}

}  // namespace fathom
