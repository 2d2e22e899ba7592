#define XXH_INLINE_ALL
#include "apps/golden_check.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "base/json.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "model/model.h"
#include "model/workspace.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

// Accepted differences of one kind of array: about ten times what float32 arithmetic alone makes (section 4).
struct Limit {
  double max;
  double median;
  double agreement;
};

struct Limits {
  Limit logits;
  Limit attention_short;  // attn_out of the 24-token trace
  Limit attention_long;   // attn_out of 150 rows
  Limit moe;
  Limit rows;  // caches and other values along the way
  double ids;  // share of rows with the same ids
};

// No limit where a rounding that flips an expert or a selected row may change a whole row; but what is no number is
// kNoNumber away, which is more.
constexpr double kAny = 1e300;
constexpr double kNoNumber = std::numeric_limits<double>::infinity();
constexpr Limit kUnjudged = {kAny, kAny, -1};

// `official`: the distance of the file's own official logits from its f32 logits (median and argmax agreement).
Limits LimitsOf(GoldenMode mode, double reference_agreement, const GoldenRow& official) {
  // exact: nothing can flip, so everything is sharp.
  if (mode == GoldenMode::kExact)
    return {{1e-4, 1e-5, 1}, {1e-5, 4e-6, 1}, {1e-5, 4e-6, 1}, {1e-5, 4e-6, 1}, {1e-4, 1e-5, 1}, 1};
  if (mode == GoldenMode::kInt8) return {kUnjudged, kUnjudged, kUnjudged, kUnjudged, kUnjudged, 0};
  const double agreement = std::min(reference_agreement, 1.0) - 0.02;
  if (mode == GoldenMode::kF32) {
    // A maximum far above the median is one FP8 rounding or choice that fell the other way; the median must be float
    // noise.
    return {{kAny, 5e-2, agreement}, {5e-2, 3e-7, 1}, {5e-2, 2e-7, 1}, {5e-3, 5e-7, 1}, {kAny, kAny, 1}, 0.85};
  }
  // The BF16 rotary part is off by up to 2^-9 of a value: the official storage format, not the reference's float32. One
  // layer alone shows just that; end to end, tiny random models amplify it, and the yardstick is how far the official
  // implementation's own BF16 roundings are from f32.
  const Limit logits = {kAny, 3 * official.median, official.agreement - 0.1};
  return {logits, {5e-2, 2e-2, 1}, {2e-1, 2e-2, 1}, {5e-3, 5e-7, 1}, {kAny, kAny, 1}, 0};
}

// Keeps the arrays of a forward call by "<layer>.<name>".
class TapCollector : public TapSink {
 public:
  void Tap(int64_t layer, std::string_view name, MatView<const float> values) override {
    std::vector<float>& out = values_[StrCat(layer, ".", name)];
    for (int64_t row = 0; row < values.rows; ++row)
      out.insert(out.end(), values.row(row), values.row(row) + values.cols);
  }
  void TapIds(int64_t layer, std::string_view name, MatView<const int32_t> ids) override {
    std::vector<int32_t>& out = ids_[StrCat(layer, ".", name)];
    for (int64_t row = 0; row < ids.rows; ++row) out.insert(out.end(), ids.row(row), ids.row(row) + ids.cols);
  }
  const std::map<std::string, std::vector<float>>& values() const { return values_; }
  const std::map<std::string, std::vector<int32_t>>& ids() const { return ids_; }

 private:
  std::map<std::string, std::vector<float>> values_;
  std::map<std::string, std::vector<int32_t>> ids_;
};

std::vector<float> ReadFloats(const TensorInfo& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = LoadUnaligned<float>(tensor.bytes.data() + 4 * i);
  return values;
}

std::vector<int32_t> ReadInts(const TensorInfo& tensor) {
  std::vector<int32_t> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = LoadUnaligned<int32_t>(tensor.bytes.data() + 4 * i);
  return values;
}

// How far `got` is from `want` in units of `largest`.
double DifferenceOf(float got, float want, double largest) {
  if (got == want) return 0;
  const double difference = std::fabs(static_cast<double>(got) - static_cast<double>(want)) / largest;
  return std::isfinite(difference) ? difference : kNoNumber;
}

// Share of rows that hold the same set of ids.
double SameIds(std::vector<int32_t> got, std::vector<int32_t> want, int64_t cols) {
  int64_t same = 0;
  const auto rows = static_cast<int64_t>(want.size()) / cols;
  for (int64_t row = 0; row < rows; ++row) {
    const auto sorted = [&](std::vector<int32_t>& ids) {
      std::sort(ids.begin() + row * cols, ids.begin() + (row + 1) * cols);
      return std::span<const int32_t>(ids).subspan(static_cast<size_t>(row * cols), static_cast<size_t>(cols));
    };
    const auto a = sorted(got);
    const auto b = sorted(want);
    same += static_cast<int64_t>(std::equal(a.begin(), a.end(), b.begin()));
  }
  return static_cast<double>(same) / static_cast<double>(rows);
}

// The lengths that golden.json states.
struct Lengths {
  int64_t prefill_a = 0;
  int64_t prefill_b = 0;
  int64_t end_b = 0;
  int64_t trace = 0;
  double agreement = 1;  // argmax agreement of float32 with float64 arithmetic in this mode
};

Result<Lengths> ReadLengths(const std::string& folder, const std::string& mode, int64_t tokens) {
  const std::string path = folder + "/golden.json";
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  const auto length = [&](const char* key, int64_t* out) -> Status {
    const Json* value = json->Find(key);
    const std::optional<int64_t> number = value != nullptr ? value->AsInt() : std::nullopt;
    if (!number || *number < 1 || *number > tokens) {
      return DataLoss(StrCat(path, ": key ", key, " must be a number of tokens from 1 to ", tokens));
    }
    *out = *number;
    return {};
  };
  Lengths lengths;
  FATHOM_RETURN_IF_ERROR(length("prefill_A", &lengths.prefill_a));
  FATHOM_RETURN_IF_ERROR(length("prefill_B", &lengths.prefill_b));
  FATHOM_RETURN_IF_ERROR(length("end_B", &lengths.end_b));
  FATHOM_RETURN_IF_ERROR(length("trace_prompt", &lengths.trace));
  const Json* modes = json->Find("modes");
  const Json* own = modes != nullptr ? modes->Find(mode) : nullptr;
  const Json* noise = own != nullptr ? own->Find("float32_vs_float64") : nullptr;
  const Json* agreement = noise != nullptr ? noise->Find("argmax_agreement") : nullptr;
  if (agreement != nullptr && agreement->AsDouble()) lengths.agreement = *agreement->AsDouble();
  return lengths;
}

const char* PrefixOf(GoldenMode mode) { return mode == GoldenMode::kExact ? "exact." : "f32."; }

// A layer's own input is computed with, and ids are sorted by rows: their dtypes and shapes must be right. That other
// arrays are of the model's size is seen when they are compared.
Status CheckArray(const SafetensorsFile& golden, const TensorInfo& tensor, int64_t hidden_size, int64_t tokens) {
  const auto refuse = [&](const std::string& accepted) {
    return DataLoss(StrCat(golden.path(), ": tensor ", Printable(tensor.name, 200), " is ", TensorTypeName(tensor.type),
                           " ", ShapeText(tensor.shape), "; accepted is ", accepted));
  };
  const std::string_view name = tensor.name;
  if (name.ends_with(".attn_in") || name.ends_with(".ffn_in")) {
    const bool fits = tensor.type == TensorType::kF32 && tensor.shape.size() == 2 && tensor.shape[0] >= 1 &&
                      tensor.shape[0] <= tokens && tensor.shape[1] == hidden_size;
    return fits ? Status() : refuse(StrCat("F32 [1 to ", tokens, ", ", hidden_size, "]"));
  }
  if (name.ends_with(".expert_ids") || name.ends_with(".selected")) {
    const bool fits = tensor.type == TensorType::kI32 && tensor.shape.size() == 2;
    return fits ? Status() : refuse("I32 with 2 dimensions");
  }
  return tensor.shape.empty() ? refuse("an array with at least 1 dimension") : Status();
}

// Every array that a run may read, and that there is something to compare: a file without logits says nothing of a
// model.
Status CheckArrays(const SafetensorsFile& golden, GoldenMode mode, int64_t hidden_size, int64_t tokens) {
  for (const TensorInfo& tensor : golden.tensors()) {
    const bool is_read = tensor.name.starts_with("exact.") || tensor.name.starts_with("f32.");
    if (is_read) FATHOM_RETURN_IF_ERROR(CheckArray(golden, tensor, hidden_size, tokens));
  }
  std::string names;
  for (const char* array : {"A.prefill_logits", "A.decode_logits", "B.decode_logits", "C.logits", "trace.logits"}) {
    const std::string name = StrCat(PrefixOf(mode), array);
    const TensorInfo* tensor = golden.Find(name);
    if (tensor != nullptr && tensor->elements() > 0) return {};
    names += StrCat(names.empty() ? "" : ", ", name);
  }
  return NotFound(
      StrCat(golden.path(), ": holds no logits to compare with; at least one of the tensors ", names, " is needed"));
}

// One precision of one folder.
class GoldenRun {
 public:
  GoldenRun(const Checkpoint& checkpoint, const SafetensorsFile& golden, GoldenMode mode, const Lengths& lengths,
            std::vector<int32_t> tokens, ThreadPool& pool, GoldenReport* report)
      : golden_(golden),
        prefix_(PrefixOf(mode)),
        limits_(LimitsOf(mode, lengths.agreement, OfficialDistance(golden))),
        lengths_(lengths),
        tokens_(std::move(tokens)),
        model_(checkpoint.config(), checkpoint.weights(), OptionsOf(mode), pool),
        workspace_(model_, static_cast<int64_t>(tokens_.size()), static_cast<int64_t>(tokens_.size()) + 1),
        report_(report) {
    hash_ = XXH3_createState();
    XXH3_64bits_reset(hash_);
  }
  ~GoldenRun() { XXH3_freeState(hash_); }
  GoldenRun(const GoldenRun&) = delete;
  GoldenRun& operator=(const GoldenRun&) = delete;

  void Run() {
    RunA();
    RunB();
    RunC();
    RunChunked();
    RunTrace();
    for (int64_t layer = 0; layer < model_.config().layers; ++layer) RunLayer(layer);
    report_->hash = XXH3_64bits_digest(hash_);
  }

 private:
  static ModelOptions OptionsOf(GoldenMode mode) {
    ModelOptions options;
    options.precision = mode == GoldenMode::kExact  ? Precision::kExact
                        : mode == GoldenMode::kInt8 ? Precision::kInt8
                                                    : Precision::kF32;
    const bool product = mode == GoldenMode::kProduct || mode == GoldenMode::kInt8;
    options.row_format = product ? RowFormat::kQuantized : RowFormat::kQuantizedF32;
    return options;
  }

  static GoldenRow OfficialDistance(const SafetensorsFile& golden) {
    const TensorInfo* official = golden.Find("official.A.prefill_logits");
    const TensorInfo* f32 = golden.Find("f32.A.prefill_logits");
    const bool comparable = official != nullptr && f32 != nullptr && official->type == TensorType::kF32 &&
                            f32->type == TensorType::kF32 && official->shape == f32->shape && official->elements() > 0;
    GoldenRow nothing;
    nothing.median = 0.1;
    if (!comparable) return nothing;
    const GoldenRow distance = CompareArrays("", ReadFloats(*official), ReadFloats(*f32), f32->shape.back());
    return std::isfinite(distance.median) ? distance : nothing;
  }

  int64_t vocab() const { return model_.config().vocab_size; }

  // Appends tokens [begin, end) to `cache` and their logits to `logits`.
  MatView<const float> Append(int64_t begin, int64_t end, SequenceCache* cache, std::vector<float>* logits,
                              TapSink* taps = nullptr) {
    const Segment segment = {cache, end - begin};
    const std::span<const int32_t> ids(tokens_.data() + begin, static_cast<size_t>(end - begin));
    const MatView<const float> streams = model_.Forward({ids, {&segment, 1}}, workspace_, taps);
    const size_t at = logits->size();
    logits->resize(at + static_cast<size_t>((end - begin) * vocab()));
    model_.Logits(streams, workspace_, MatView<float>(logits->data() + at, end - begin, vocab()));
    return streams;
  }

  // The MTP block on the streams of positions [begin, ...) with the tokens that follow them.
  void AppendMtp(MatView<const float> streams, int64_t begin, SequenceCache* cache, std::vector<float>* logits) {
    const Segment segment = {cache, streams.rows};
    const std::span<const int32_t> next(tokens_.data() + begin + 1, static_cast<size_t>(streams.rows));
    const size_t at = logits->size();
    logits->resize(at + static_cast<size_t>(streams.rows * vocab()));
    model_.MtpForward(0, streams, {next, {&segment, 1}}, workspace_,
                      MatView<float>(logits->data() + at, streams.rows, vocab()));
  }

  void RunA() {
    SequenceCache cache(model_.cache_layout());
    const bool mtp = model_.config().mtp_layers > 0;
    SequenceCache mtp_cache(model_.mtp_cache_layout());
    TapCollector taps;
    const auto count = static_cast<int64_t>(tokens_.size());
    const int64_t prefill = lengths_.prefill_a;
    std::vector<float> mtp_prefill;
    std::vector<float> mtp_decode;
    std::vector<float> decode;
    const MatView<const float> streams = Append(0, prefill, &cache, &whole_, &taps);
    if (mtp && prefill < count) AppendMtp(streams, 0, &mtp_cache, &mtp_prefill);
    for (int64_t at = prefill; at < count; ++at) {
      const MatView<const float> row = Append(at, at + 1, &cache, &decode);
      if (mtp && at + 1 < count) AppendMtp(row, at, &mtp_cache, &mtp_decode);
    }
    CompareLogits("A.prefill_logits", whole_);
    CompareLogits("A.decode_logits", decode);
    CompareLogits("A.mtp_prefill_logits", mtp_prefill);
    CompareLogits("A.mtp_decode_logits", mtp_decode);
    for (const auto& [name, ids] : taps.ids()) CompareIds("A." + name, ids);
    CompareCaches("A.", &cache);
  }

  void RunB() {
    SequenceCache cache(model_.cache_layout());
    std::vector<float> prefill;
    std::vector<float> decode;
    Append(0, lengths_.prefill_b, &cache, &prefill);
    for (int64_t at = lengths_.prefill_b; at < lengths_.end_b; ++at) Append(at, at + 1, &cache, &decode);
    CompareLogits("B.decode_logits", decode);
  }

  void RunC() {
    SequenceCache cache(model_.cache_layout());
    std::vector<float> logits;
    for (int64_t at = 0; at < lengths_.trace; ++at) Append(at, at + 1, &cache, &logits);
    CompareLogits("C.logits", logits);
  }

  // The chunks of make_tiny.py: their logits must be run A's to the bit.
  void RunChunked() {
    SequenceCache cache(model_.cache_layout());
    std::vector<float> logits;
    int64_t at = 0;
    for (const int64_t chunk : {int64_t{7}, int64_t{50}, int64_t{1}, int64_t{130}, int64_t{64}, lengths_.prefill_a}) {
      const int64_t end = std::min(at + chunk, lengths_.prefill_a);
      if (end > at) Append(at, end, &cache, &logits);
      at = end;
    }
    GoldenRow row = CompareArrays("chunked prefill (bits)", logits, whole_, vocab());
    row.passed = std::equal(logits.begin(), logits.end(), whole_.begin(), whole_.end(),
                            [](float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); });
    row.limit = "equal bits";
    report_->rows.push_back(row);
  }

  void RunTrace() {
    SequenceCache cache(model_.cache_layout());
    std::vector<float> logits;
    TapCollector taps;
    Append(0, lengths_.trace, &cache, &logits, &taps);
    CompareLogits("trace.logits", logits);
    for (const auto& [name, ids] : taps.ids()) CompareIds("trace." + name, ids);
    for (const auto& [name, values] : taps.values()) Compare("trace." + name, values, limits_.rows);
    CompareCaches("trace.", &cache);
  }

  // The layer fed with the file's own input: nothing accumulates.
  void RunLayer(int64_t layer) {
    RunAttention(StrCat("trace.", layer, "."), layer, limits_.attention_short);
    RunAttention(StrCat("A.", layer, "."), layer, limits_.attention_long);
    const std::string in = StrCat("trace.", layer, ".ffn_in");
    const TensorInfo* tensor = golden_.Find(prefix_ + in);
    if (tensor == nullptr) return;
    std::vector<float> x = ReadFloats(*tensor);
    std::vector<float> y(x.size());
    SequenceCache cache(model_.cache_layout());
    const int64_t rows = static_cast<int64_t>(x.size()) / model_.config().hidden_size;
    const Segment segment = {&cache, rows};
    const std::span<const int32_t> ids(tokens_.data(), static_cast<size_t>(rows));
    TapCollector taps;
    model_.MoeLayer(layer, View(x), {ids, {&segment, 1}}, workspace_,
                    MatView<float>(y.data(), rows, model_.config().hidden_size), &taps);
    Compare(StrCat("trace.", layer, ".ffn_out"), y, limits_.moe, "layer alone: ");
  }

  void RunAttention(const std::string& array, int64_t layer, const Limit& limit) {
    const TensorInfo* tensor = golden_.Find(prefix_ + array + "attn_in");
    if (tensor == nullptr) return;
    std::vector<float> x = ReadFloats(*tensor);
    std::vector<float> y(x.size());
    SequenceCache cache(model_.cache_layout());
    const int64_t rows = static_cast<int64_t>(x.size()) / model_.config().hidden_size;
    const Segment segment = {&cache, rows};
    const std::span<const int32_t> ids(tokens_.data(), static_cast<size_t>(rows));
    model_.AttentionLayer(layer, View(x), {ids, {&segment, 1}}, workspace_,
                          MatView<float>(y.data(), rows, model_.config().hidden_size));
    Compare(array + "attn_out", y, limit, "layer alone: ");
  }

  MatView<const float> View(const std::vector<float>& x) const {
    const int64_t dim = model_.config().hidden_size;
    return {x.data(), static_cast<int64_t>(x.size()) / dim, dim};
  }

  // Window and compressed rows at the end of a run, as floats.
  void CompareCaches(const std::string& run, SequenceCache* cache) {
    const KvRowLayout& kv = cache->layout().kv();
    const IndexRowLayout& index = cache->layout().index();
    for (int64_t layer = 0; layer < cache->layout().layers(); ++layer) {
      const int64_t ratio = cache->layout().ratio(layer);
      std::vector<float> ring(static_cast<size_t>(cache->layout().window() * kv.dim));
      const int64_t filled = std::min(cache->position(), cache->layout().window());
      for (int64_t slot = 0; slot < filled; ++slot)
        DecodeKvRow(kv, cache->ring_row(layer, slot), ring.data() + slot * kv.dim);
      Compare(StrCat(run, layer, ".ring"), ring, limits_.rows);
      const int64_t rows = ratio != 0 ? cache->position() / ratio : 0;
      std::vector<float> compressed(static_cast<size_t>(rows * kv.dim));
      std::vector<float> keys(ratio == 4 ? static_cast<size_t>(rows * index.dim) : 0);
      for (int64_t row = 0; row < rows; ++row) {
        DecodeKvRow(kv, cache->compressed_row(layer, row), compressed.data() + row * kv.dim);
        if (ratio == 4) DecodeIndexRow(index, cache->index_row(layer, row), keys.data() + row * index.dim);
      }
      Compare(StrCat(run, layer, ".compressed"), compressed, limits_.rows);
      Compare(StrCat(run, layer, ".index_rows"), keys, limits_.rows);
    }
  }

  void CompareLogits(const std::string& array, const std::vector<float>& got) {
    XXH3_64bits_update(hash_, got.data(), got.size() * sizeof(float));
    Compare(array, got, limits_.logits);
  }

  // Arrays that the file does not have (another preset's, or none because empty) are not compared.
  void Compare(const std::string& array, const std::vector<float>& got, const Limit& limit, const char* label = "") {
    const TensorInfo* tensor = golden_.Find(prefix_ + array);
    if (tensor == nullptr) return;
    const int64_t cols = tensor->shape.back();
    GoldenRow row;
    if (tensor->type != TensorType::kF32 || tensor->elements() != static_cast<int64_t>(got.size())) {
      row.array = StrCat(label, array);
      row.limit = StrCat("the file's array has ", tensor->elements(), " values, this model's ", got.size());
      report_->rows.push_back(row);
      return;
    }
    row = CompareArrays(StrCat(label, array), got, ReadFloats(*tensor), cols);
    row.logits = array.ends_with("logits");
    // Short arrays: two rows more or less say nothing, except in exact mode.
    const double slack = limit.agreement < 1 ? 2.0 * static_cast<double>(cols) / static_cast<double>(got.size()) : 0;
    const double agreement = limit.agreement - slack;
    row.passed = row.max <= limit.max && row.median <= limit.median && (!row.logits || row.agreement >= agreement);
    if (limit.max < kAny) row.limit += StrFormat("max %.0e ", limit.max);
    if (limit.median < kAny) row.limit += StrFormat("median %.0e ", limit.median);
    if (row.logits && limit.agreement >= 0) row.limit += StrFormat("argmax %.3f", agreement);
    if (row.limit.empty()) row.limit = "shown only";
    report_->rows.push_back(row);
  }

  void CompareIds(const std::string& array, const std::vector<int32_t>& got) {
    const TensorInfo* tensor = golden_.Find(prefix_ + array);
    if (tensor == nullptr) return;
    GoldenRow row;
    row.array = array;
    row.ids = true;
    const std::vector<int32_t> want = ReadInts(*tensor);
    row.agreement = got.size() == want.size() && !want.empty() ? SameIds(got, want, tensor->shape.back()) : 0;
    row.passed = row.agreement >= limits_.ids;
    row.limit = StrFormat("rows %.2f", limits_.ids);
    report_->rows.push_back(row);
  }

  const SafetensorsFile& golden_;
  std::string prefix_;
  Limits limits_;
  Lengths lengths_;
  std::vector<int32_t> tokens_;
  Model model_;
  Workspace workspace_;
  GoldenReport* report_;
  std::vector<float> whole_;  // logits of run A's prefill
  XXH3_state_t* hash_ = nullptr;
};

}  // namespace

bool GoldenReport::passed() const {
  return !rows.empty() && std::all_of(rows.begin(), rows.end(), [](const GoldenRow& row) { return row.passed; });
}

GoldenRow CompareArrays(std::string array, std::span<const float> got, std::span<const float> want, int64_t cols) {
  GoldenRow result;
  result.array = std::move(array);
  double largest = 0;
  for (const float value : want) {
    const bool counts = std::isfinite(value) && value >= -1e38f;  // below are marks of what a token does not see
    if (counts) largest = std::max(largest, std::fabs(static_cast<double>(value)));
  }
  if (largest == 0) largest = 1;
  std::vector<double> row_max;
  int64_t same_argmax = 0;
  for (size_t begin = 0; begin < want.size(); begin += static_cast<size_t>(cols)) {
    double worst = 0;
    size_t best_got = begin;
    size_t best_want = begin;
    for (size_t i = begin; i < begin + static_cast<size_t>(cols); ++i) {
      worst = std::max(worst, DifferenceOf(got[i], want[i], largest));
      if (got[i] > got[best_got]) best_got = i;
      if (want[i] > want[best_want]) best_want = i;
    }
    row_max.push_back(worst);
    same_argmax += static_cast<int64_t>(best_got == best_want);
  }
  if (row_max.empty()) return result;
  result.max = *std::max_element(row_max.begin(), row_max.end());
  std::nth_element(row_max.begin(), row_max.begin() + static_cast<int64_t>(row_max.size()) / 2, row_max.end());
  result.median = row_max[row_max.size() / 2];
  result.agreement = static_cast<double>(same_argmax) / static_cast<double>(row_max.size());
  return result;
}

Result<GoldenReport> CheckGoldenFolder(const std::string& folder, GoldenMode mode, ThreadPool& pool) {
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(folder));
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile golden, SafetensorsFile::Open(folder + "/golden.safetensors"));
  const TensorInfo* tokens = golden.Find("tokens");
  if (tokens == nullptr || tokens->type != TensorType::kI32 || tokens->elements() < 2 || tokens->elements() > 65536) {
    return DataLoss(StrCat(golden.path(), ": tensor tokens must be I32 with 2 to 65536 entries"));
  }
  const int64_t count = tokens->elements();
  FATHOM_RETURN_IF_ERROR(CheckArrays(golden, mode, checkpoint->config().hidden_size, count));
  std::vector<int32_t> ids = ReadInts(*tokens);
  for (const int32_t id : ids) {
    if (id < 0 || id >= checkpoint->config().vocab_size) {
      return DataLoss(StrCat(golden.path(), ": tensor tokens holds ", id, "; the model's ids end at ",
                             checkpoint->config().vocab_size - 1));
    }
  }
  const char* names[] = {"exact", "f32", "product", "int8"};
  GoldenReport report;
  report.folder = folder;
  report.mode = names[static_cast<int>(mode)];
  FATHOM_ASSIGN_OR_RETURN(const Lengths lengths,
                          ReadLengths(folder, mode == GoldenMode::kExact ? "exact" : "f32", count));
  GoldenRun(*checkpoint, golden, mode, lengths, std::move(ids), pool, &report).Run();
  return report;
}

}  // namespace fathom
