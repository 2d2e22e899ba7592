// `fathom verify tokenizer`: vectors shaped like ../shared/spec/tokenizer_vectors.json.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/flags.h"
#include "apps/token_text.h"
#include "apps/verify.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

namespace {

constexpr uint64_t kMaxVectorFileBytes = 256u << 20;
constexpr size_t kShownFailures = 10;
constexpr size_t kShownIds = 24;

constexpr char kVerifyTokenizerFooter[] = R"(FILE is a JSON object with some of the arrays
  encode        {category, text, ids}: text gives ids, and ids give the text back
  invalid_utf8  {hex, text, ids}: bytes that are not valid UTF-8 give ids, and these the repaired text
  decode        {ids, token_bytes_hex, text}: each id has these bytes, together they give the text

Example:
  fathom verify tokenizer tokenizer_vectors.json --tokenizer DIR/tokenizer.json

Exit code 0: all vectors agree; 1: some don't; 2: a file is bad.)";

struct Failure {
  std::string where;  // encode[17]
  std::string subject;
  std::string expected;
  std::string found;
};

struct Group {
  std::string kind;
  std::string category;
  int passed = 0;
  int total = 0;
};

struct Report {
  std::vector<Group> groups;  // in the order of the file
  std::vector<Failure> failures;

  int passed() const {
    int sum = 0;
    for (const Group& group : groups) sum += group.passed;
    return sum;
  }
  int total() const {
    int sum = 0;
    for (const Group& group : groups) sum += group.total;
    return sum;
  }
  Group& GroupOf(std::string_view kind, std::string_view category) {
    for (Group& group : groups) {
      if (group.kind == kind && group.category == category) return group;
    }
    groups.push_back({std::string(kind), std::string(category)});
    return groups.back();
  }
};

std::string ShowIds(const std::vector<int32_t>& ids) {
  std::string out;
  for (size_t at = 0; at < ids.size() && at < kShownIds; ++at) out += StrCat(at == 0 ? "" : " ", ids[at]);
  if (ids.size() > kShownIds) out += StrCat(" ... (", ids.size(), " ids)");
  return out.empty() ? "nothing" : out;
}

std::string ShowText(std::string_view text) { return QuoteBytes(text, 120); }

// The value of an even number of hex digits; nothing for anything else.
std::optional<std::string> FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t at = 0; at < hex.size(); at += 2) {
    const int high = digit(hex[at]);
    const int low = digit(hex[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

// Reads the fields of one vector; the first defect is kept.
class Fields {
 public:
  Fields(const Json& vector, std::string where) : vector_(vector), where_(std::move(where)) {}

  std::string Text(const char* key) {
    const Json* value = vector_.Find(key);
    if (value != nullptr && value->is_string()) return value->string();
    Defect(key, "a string is required");
    return {};
  }

  std::string Bytes(const char* key) { return DecodeHex(key, Text(key)); }

  std::vector<std::string> BytesList(const char* key) {
    std::vector<std::string> list;
    for (const Json& item : List(key)) {
      if (!item.is_string()) Defect(key, "an array of strings is required");
      list.push_back(item.is_string() ? DecodeHex(key, item.string()) : std::string());
    }
    return list;
  }

  std::vector<int32_t> Ids(const char* key) {
    std::vector<int32_t> ids;
    for (const Json& item : List(key)) {
      const std::optional<int64_t> id = item.AsInt();
      if (!id || *id < INT32_MIN || *id > INT32_MAX) Defect(key, "an array of token ids is required");
      ids.push_back(id ? static_cast<int32_t>(*id) : 0);
    }
    return ids;
  }

  // The category, or "" where there is none.
  std::string Category() const {
    const Json* value = vector_.Find("category");
    return value != nullptr && value->is_string() ? value->string() : std::string();
  }

  void Defect(std::string_view key, std::string_view what) {
    if (status_.ok()) status_ = DataLoss(StrCat(where_, ".", key, ": ", what));
  }
  const Status& status() const { return status_; }
  const std::string& where() const { return where_; }

 private:
  const std::vector<Json>& List(const char* key) {
    static const std::vector<Json> kNothing;
    const Json* value = vector_.Find(key);
    if (value != nullptr && value->is_array()) return value->items();
    Defect(key, "an array is required");
    return kNothing;
  }

  std::string DecodeHex(const char* key, std::string_view hex) {
    const std::optional<std::string> bytes = FromHex(hex);
    if (!bytes) Defect(key, "an even number of hex digits is required");
    return bytes.value_or("");
  }

  const Json& vector_;
  std::string where_;
  Status status_;
};

class Verifier {
 public:
  explicit Verifier(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // Runs every vector of the file; an error if it is not shaped as it must be.
  Result<Report> Run(const Json& file) {
    bool any = false;
    using Check = void (Verifier::*)(Fields&);
    for (const auto& [kind, check] : std::initializer_list<std::pair<const char*, Check>>{
             {"encode", &Verifier::Encode}, {"invalid_utf8", &Verifier::InvalidUtf8}, {"decode", &Verifier::Decode}}) {
      const Json* vectors = file.Find(kind);
      if (vectors == nullptr) continue;
      if (!vectors->is_array()) return DataLoss(StrCat(kind, ": an array is required"));
      any = true;
      for (size_t at = 0; at < vectors->items().size(); ++at) {
        Fields fields(vectors->items()[at], StrCat(kind, "[", at, "]"));
        const std::string category = fields.Category();
        const size_t failures = report_.failures.size();
        (this->*check)(fields);
        FATHOM_RETURN_IF_ERROR(fields.status());
        Group& group = report_.GroupOf(kind, category);
        ++group.total;
        if (report_.failures.size() == failures) ++group.passed;
      }
    }
    if (!any) return DataLoss("none of the arrays encode, invalid_utf8 and decode is there");
    return std::move(report_);
  }

 private:
  void Encode(Fields& fields) {
    const std::string text = fields.Text("text");
    const std::vector<int32_t> ids = fields.Ids("ids");
    if (fields.status().ok()) CheckEncode(fields, text, ids, text);
  }

  void InvalidUtf8(Fields& fields) {
    const std::string bytes = fields.Bytes("hex");
    const std::string text = fields.Text("text");
    const std::vector<int32_t> ids = fields.Ids("ids");
    if (fields.status().ok()) CheckEncode(fields, bytes, ids, text);
  }

  void CheckEncode(const Fields& fields, std::string_view input, const std::vector<int32_t>& ids,
                   const std::string& text) {
    const std::vector<int32_t> found = tokenizer_.Encode(input, AddedTokens::kMatch);
    if (found != ids) {
      report_.failures.push_back({fields.where(), ShowText(input), ShowIds(ids), ShowIds(found)});
    } else if (const std::string decoded = tokenizer_.Decode(ids, false); decoded != text) {
      report_.failures.push_back({fields.where(), "decoding " + ShowIds(ids), ShowText(text), ShowText(decoded)});
    }
  }

  void Decode(Fields& fields) {
    const std::vector<int32_t> ids = fields.Ids("ids");
    const std::vector<std::string> bytes = fields.BytesList("token_bytes_hex");
    const std::string text = fields.Text("text");
    if (bytes.size() != ids.size()) fields.Defect("token_bytes_hex", "as many entries as ids are required");
    if (!fields.status().ok()) return;
    for (size_t at = 0; at < ids.size(); ++at) {
      const std::string_view found = tokenizer_.token_bytes(ids[at]);
      if (found == bytes[at]) continue;
      report_.failures.push_back(
          {fields.where(), StrCat("the bytes of id ", ids[at]), ShowText(bytes[at]), ShowText(found)});
      return;
    }
    const std::string decoded = tokenizer_.Decode(ids, false);
    if (decoded == text) return;
    report_.failures.push_back({fields.where(), "decoding " + ShowIds(ids), ShowText(text), ShowText(decoded)});
  }

  const Tokenizer& tokenizer_;
  Report report_;
};

void PrintTable(const Report& report) {
  std::printf("%-14s %-16s %7s %7s\n", "vectors", "category", "passed", "total");
  for (const Group& group : report.groups) {
    std::printf("%-14s %-16s %7d %7d%s\n", group.kind.c_str(), Printable(group.category, 40).c_str(), group.passed,
                group.total, group.passed == group.total ? "" : "  FAILED");
  }
  for (size_t at = 0; at < report.failures.size() && at < kShownFailures; ++at) {
    const Failure& failure = report.failures[at];
    std::printf("\n%s: %s\n  expected %s\n  found    %s\n", failure.where.c_str(), failure.subject.c_str(),
                failure.expected.c_str(), failure.found.c_str());
  }
  if (report.failures.size() > kShownFailures) {
    std::printf("\nand %zu more\n", report.failures.size() - kShownFailures);
  }
  const bool passed = report.failures.empty();
  std::printf("\n%s: %d of %d vectors agree\n", passed ? "PASSED" : "FAILED", report.passed(), report.total());
}

void PrintJson(const Report& report) {
  std::vector<Json> groups;
  for (const Group& group : report.groups) {
    groups.push_back(Json::Object({{"vectors", Json::String(group.kind)},
                                   {"category", Json::String(group.category)},
                                   {"passed", Json::Int(group.passed)},
                                   {"total", Json::Int(group.total)}}));
  }
  std::vector<Json> failures;
  for (const Failure& failure : report.failures) {
    failures.push_back(Json::Object({{"where", Json::String(failure.where)},
                                     {"subject", Json::String(failure.subject)},
                                     {"expected", Json::String(failure.expected)},
                                     {"found", Json::String(failure.found)}}));
  }
  const Json json = Json::Object({{"verdict", Json::String(report.failures.empty() ? "passed" : "failed")},
                                  {"passed", Json::Int(report.passed())},
                                  {"total", Json::Int(report.total())},
                                  {"groups", Json::Array(std::move(groups))},
                                  {"failures", Json::Array(std::move(failures))}});
  std::printf("%s\n", json.DumpPretty().c_str());
}

Result<Json> ReadVectors(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxVectorFileBytes));
  Result<Json> parsed = ParseJson(text);
  if (!parsed.ok()) return DataLoss(StrCat(path, ": ", parsed.status().message()));
  return parsed;
}

int Run(const std::string& file, const std::string& tokenizer_path, bool json) {
  const Result<Json> vectors = ReadVectors(file);
  if (!vectors.ok()) return Fail(vectors.status());
  const std::string path = DirectoryExists(tokenizer_path) ? tokenizer_path + "/tokenizer.json" : tokenizer_path;
  const Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(path);
  if (!tokenizer.ok()) return Fail(tokenizer.status());
  const Result<Report> report = Verifier(**tokenizer).Run(*vectors);
  if (!report.ok()) return Fail(DataLoss(StrCat(file, ": ", report.status().message())));
  if (json) {
    PrintJson(*report);
  } else {
    PrintTable(*report);
  }
  return report->failures.empty() ? 0 : 1;
}

}  // namespace

int VerifyTokenizerMain(int argc, char** argv) {
  std::string file;
  std::string tokenizer;
  bool json = false;
  CLI::App app("Compares a tokenizer with published vectors of text and token ids.", "fathom verify tokenizer");
  app.footer(kVerifyTokenizerFooter);
  app.add_option("FILE", file, "The vectors")->required()->type_name("");
  app.add_option("--tokenizer", tokenizer, "A tokenizer.json, or a directory with one")->required()->type_name("PATH");
  app.add_flag("--json", json, "The result as one JSON object");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(file, tokenizer, json);
}

}  // namespace fathom
