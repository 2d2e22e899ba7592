// Vectors for single operations (units.safetensors), computed by the functions and kernels that the model uses.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "apps/golden_check.h"
#include "base/strings.h"
#include "checkpoint/safetensors.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "model/compressor.h"
#include "model/hyper_connection.h"
#include "model/rotary.h"
#include "numeric/formats.h"
#include "numeric/math.h"

namespace fathom {
namespace {

class UnitChecks {
 public:
  UnitChecks(const SafetensorsFile& file, GoldenReport* report) : file_(file), report_(report) {}

  Status Run() {
    FATHOM_RETURN_IF_ERROR(Quantizers());
    FATHOM_RETURN_IF_ERROR(WeightDecoding());
    FATHOM_RETURN_IF_ERROR(HadamardAndRotary());
    FATHOM_RETURN_IF_ERROR(HyperConnections());
    return ScoreAndAttention();
  }

 private:
  Result<const TensorInfo*> Find(const char* name, TensorType type, size_t dims) const {
    const TensorInfo* tensor = file_.Find(name);
    if (tensor == nullptr) return NotFound(StrCat(file_.path(), ": tensor ", name, " is missing"));
    if (tensor->type != type || tensor->shape.size() != dims || tensor->elements() == 0) {
      return DataLoss(StrCat(file_.path(), ": tensor ", name, " is ", TensorTypeName(tensor->type), " ",
                             ShapeText(tensor->shape), "; expected ", TensorTypeName(type), " with ", dims,
                             " dimensions"));
    }
    return tensor;
  }

  // The values of a float tensor; its shape into `shape`.
  Result<std::vector<float>> Floats(const char* name, size_t dims, std::vector<int64_t>* shape = nullptr) const {
    FATHOM_ASSIGN_OR_RETURN(const TensorInfo* tensor, Find(name, TensorType::kF32, dims));
    std::vector<float> values(static_cast<size_t>(tensor->elements()));
    std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    if (shape != nullptr) *shape = tensor->shape;
    return values;
  }

  // bits: equal to the bit; otherwise within 1e-5 of the largest value.
  Status Compare(const char* name, const std::vector<float>& got, bool bits) {
    const TensorInfo* tensor = file_.Find(name);
    if (tensor == nullptr || tensor->type != TensorType::kF32 || tensor->shape.empty() ||
        tensor->elements() != static_cast<int64_t>(got.size())) {
      return DataLoss(StrCat(file_.path(), ": tensor ", name, " must be an F32 array with ", got.size(), " values"));
    }
    std::vector<float> want(got.size());
    std::memcpy(want.data(), tensor->bytes.data(), tensor->bytes.size());
    GoldenRow row = CompareArrays(name, got, want, tensor->shape.back());
    // Zeros of either sign are equal: the reference's own tables do not fix it.
    row.passed = bits ? std::equal(got.begin(), got.end(), want.begin()) : row.max <= 1e-5;
    row.limit = bits ? "equal bits" : "max 1e-05";
    report_->rows.push_back(row);
    return {};
  }

  Status Quantizers() {
    std::vector<int64_t> shape;
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> x, Floats("quant.x", 2, &shape));
    const int64_t cols = shape[1];
    if (cols % 128 != 0) return DataLoss(StrCat(file_.path(), ": tensor quant.x must have a multiple of 128 columns"));
    std::vector<float> bf16(x.size());
    std::vector<float> q8_128(x.size());
    std::vector<float> q8_64(x.size());
    std::vector<float> q4(x.size());
    std::transform(x.begin(), x.end(), bf16.begin(), RoundToBf16);
    const KvRowLayout kv = {RowFormat::kQuantized, cols, 0};
    const IndexRowLayout index = {RowFormat::kQuantized, cols};
    std::vector<uint8_t> stored(static_cast<size_t>(std::max(kv.bytes(), index.bytes())));
    for (int64_t at = 0; at < static_cast<int64_t>(x.size()); at += cols) {
      Kernels().quantize_fp8(x.data() + at, cols, q8_128.data() + at, nullptr, nullptr);
      EncodeKvRow(kv, x.data() + at, stored.data());
      DecodeKvRow(kv, stored.data(), q8_64.data() + at);
      EncodeIndexRow(index, x.data() + at, stored.data());
      DecodeIndexRow(index, stored.data(), q4.data() + at);
    }
    FATHOM_RETURN_IF_ERROR(Compare("quant.bf16", bf16, true));
    FATHOM_RETURN_IF_ERROR(Compare("quant.e4m3_128", q8_128, true));
    FATHOM_RETURN_IF_ERROR(Compare("quant.e4m3_64", q8_64, true));
    return Compare("quant.e2m1_32", q4, true);
  }

  // Weights read out by multiplying with unit vectors.
  std::vector<float> Decode(const Matrix& w) const {
    const int64_t k = w.cols;
    std::vector<float> unit(static_cast<size_t>(k * k));
    for (int64_t i = 0; i < k; ++i) unit[static_cast<size_t>(i * k + i)] = 1;
    std::vector<Fp8Chunk> chunks;
    if (w.type == WeightType::kFp4) {
      chunks.resize(static_cast<size_t>(k * Fp8Chunk::Count(k)));
      for (int64_t i = 0; i < k; ++i) {
        Kernels().quantize_fp8(unit.data() + i * k, k, unit.data() + i * k, chunks.data() + i * Fp8Chunk::Count(k),
                               nullptr);
      }
    }
    std::vector<float> transposed(static_cast<size_t>(w.rows * k));
    ThreadPool pool(1);
    const Activations x = {unit.data(), k, chunks.empty() ? nullptr : chunks.data(), k, k};
    const MatMulArgs job = MatMulJob(w, x, k, transposed.data(), w.rows);
    MatMul(pool, {&job, 1});
    std::vector<float> values(transposed.size());
    for (int64_t row = 0; row < w.rows; ++row) {
      for (int64_t col = 0; col < k; ++col) {
        values[static_cast<size_t>(row * k + col)] = transposed[static_cast<size_t>(col * w.rows + row)];
      }
    }
    return values;
  }

  Status WeightDecoding() {
    std::vector<float> table(256);
    for (int code = 0; code < 256; ++code) {
      const float value = E4m3ToFloat(static_cast<uint8_t>(code));
      table[static_cast<size_t>(code)] = std::isnan(value) ? 0 : value;
    }
    FATHOM_RETURN_IF_ERROR(Compare("e4m3_table", table, true));
    const auto matrix = [&](const char* weight, const char* scale, WeightType type,
                            TensorType dtype) -> Result<Matrix> {
      FATHOM_ASSIGN_OR_RETURN(const TensorInfo* w, Find(weight, dtype, 2));
      FATHOM_ASSIGN_OR_RETURN(const TensorInfo* s, Find(scale, TensorType::kF8E8m0, 2));
      Matrix m = {w->bytes.data(), s->bytes.data(), type, ScaleType::kE8m0, w->shape[0], w->shape[1]};
      if (type == WeightType::kFp4) m.cols *= 2;
      constexpr int64_t kMost = 4096;  // Decode() multiplies with a square of unit vectors
      if (m.rows > kMost || m.cols > kMost) {
        return DataLoss(StrCat(file_.path(), ": tensor ", weight, " is a matrix of ", m.rows, " x ", m.cols,
                               "; at most ", kMost, " x ", kMost, " is accepted"));
      }
      if (m.cols % 128 != 0 || m.scale_bytes() != static_cast<int64_t>(s->bytes.size())) {
        return DataLoss(StrCat(file_.path(), ": tensor ", scale, " is ", ShapeText(s->shape), ", which does not fit ",
                               weight, " ", ShapeText(w->shape)));
      }
      return m;
    };
    FATHOM_ASSIGN_OR_RETURN(const Matrix fp8, matrix("fp8.weight", "fp8.scale", WeightType::kFp8, TensorType::kF8E4m3));
    FATHOM_RETURN_IF_ERROR(Compare("fp8.value", Decode(fp8), true));
    FATHOM_ASSIGN_OR_RETURN(const Matrix fp4, matrix("fp4.weight", "fp4.scale", WeightType::kFp4, TensorType::kI8));
    return Compare("fp4.value", Decode(fp4), true);
  }

  Status HadamardAndRotary() {
    std::vector<int64_t> shape;
    FATHOM_ASSIGN_OR_RETURN(std::vector<float> x, Floats("hadamard.x", 2, &shape));
    if ((shape[1] & (shape[1] - 1)) != 0)
      return DataLoss(StrCat(file_.path(), ": tensor hadamard.x must have a power of two columns"));
    for (int64_t row = 0; row < shape[0]; ++row) Hadamard(x.data() + row * shape[1], shape[1]);
    FATHOM_RETURN_IF_ERROR(Compare("hadamard.y", x, false));

    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> rows, Floats("rope.x", 2, &shape));
    FATHOM_ASSIGN_OR_RETURN(const TensorInfo* positions, Find("rope.positions", TensorType::kI32, 1));
    // The release's constants (README, section 2).
    ModelConfig config;
    config.rope_dim = 64;
    config.yarn_factor = 16;
    config.yarn_original_context = 65536;
    if (shape[0] != positions->shape[0] || shape[1] < config.rope_dim) {
      return DataLoss(StrCat(file_.path(), ": tensor rope.x does not fit rope.positions"));
    }
    const auto check = [&](const char* frequencies_name, bool compressed, bool inverse, const char* name) -> Status {
      const std::vector<double> frequencies = RotaryFrequencies(config, compressed);
      if (frequencies_name != nullptr) {
        FATHOM_RETURN_IF_ERROR(
            Compare(frequencies_name, std::vector<float>(frequencies.begin(), frequencies.end()), false));
      }
      std::vector<float> y = rows;
      std::vector<float> cosine(frequencies.size());
      std::vector<float> sine(frequencies.size());
      for (int64_t row = 0; row < shape[0]; ++row) {
        const auto position = LoadUnaligned<int32_t>(positions->bytes.data() + 4 * row);
        RotaryTable(frequencies, std::max(0, position), cosine.data(), sine.data());
        Rotate(y.data() + (row + 1) * shape[1] - config.rope_dim, config.rope_dim, cosine.data(), sine.data(), inverse);
      }
      return Compare(name, y, false);
    };
    FATHOM_RETURN_IF_ERROR(check("rope.freq_plain", false, false, "rope.y_plain"));
    FATHOM_RETURN_IF_ERROR(check("rope.freq_compressed", true, false, "rope.y_compressed"));
    return check(nullptr, true, true, "rope.y_compressed_inverse");
  }

  Status HyperConnections() {
    std::vector<int64_t> shape;
    FATHOM_ASSIGN_OR_RETURN(std::vector<float> streams, Floats("hc.X", 3, &shape));
    const int64_t tokens = shape[0];
    ModelConfig config;
    config.streams = shape[1];
    config.hidden_size = shape[2];
    config.sinkhorn_iterations = 20;
    if (config.streams > 16)
      return DataLoss(StrCat(file_.path(), ": tensor hc.X has ", config.streams, " streams; at most 16 are accepted"));
    std::vector<int64_t> fn_shape;
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> fn, Floats("hc.fn", 2, &fn_shape));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> base, Floats("hc.base", 1));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> scale, Floats("hc.scale", 1));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> y, Floats("hc.y", 2));
    if (fn_shape[0] != config.mix_rows() || fn_shape[1] != config.streams * config.hidden_size ||
        static_cast<int64_t>(base.size()) != config.mix_rows() || scale.size() != 3 ||
        static_cast<int64_t>(y.size()) != tokens * config.hidden_size) {
      return DataLoss(
          StrCat(file_.path(), ": tensors hc.fn, hc.base, hc.scale and hc.y do not fit hc.X ", ShapeText(shape)));
    }
    const auto bytes = [](const std::vector<float>& v) { return reinterpret_cast<const uint8_t*>(v.data()); };
    HyperConnectionWeights w;
    w.fn = {bytes(fn), nullptr, WeightType::kF32, ScaleType::kNone, fn_shape[0], fn_shape[1]};
    w.base = {bytes(base), WeightType::kF32, static_cast<int64_t>(base.size())};
    w.scale = {bytes(scale), WeightType::kF32, 3};
    ThreadPool pool(1);
    std::vector<float> mix(static_cast<size_t>(tokens * config.mix_rows()));
    std::vector<float> x(y.size());
    std::vector<float> post(static_cast<size_t>(tokens * config.streams));
    std::vector<float> comb(post.size() * static_cast<size_t>(config.streams));
    HcPre(config, w, pool, streams.data(), tokens, mix.data(), x.data(), post.data(), comb.data());
    HcPost(config, pool, y.data(), post.data(), comb.data(), tokens, streams.data());
    FATHOM_RETURN_IF_ERROR(Compare("hc.x", x, false));
    FATHOM_RETURN_IF_ERROR(Compare("hc.post", post, false));
    FATHOM_RETURN_IF_ERROR(Compare("hc.comb", comb, false));
    return Compare("hc.out", streams, false);
  }

  Status ScoreAndAttention() {
    FATHOM_ASSIGN_OR_RETURN(std::vector<float> z, Floats("score.z", 1));
    SqrtSoftplus(z.data(), static_cast<int64_t>(z.size()));
    FATHOM_RETURN_IF_ERROR(Compare("score.sqrtsoftplus", z, false));

    std::vector<int64_t> q_shape;
    std::vector<int64_t> row_shape;
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> q, Floats("attend.q", 3, &q_shape));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> rows, Floats("attend.rows", 2, &row_shape));
    FATHOM_ASSIGN_OR_RETURN(const std::vector<float> sink, Floats("attend.sink", 1));
    FATHOM_ASSIGN_OR_RETURN(const TensorInfo* idx, Find("attend.idx", TensorType::kI32, 2));
    const int64_t heads = q_shape[1];
    const int64_t dim = q_shape[2];
    if (row_shape[1] != dim || static_cast<int64_t>(sink.size()) != heads || idx->shape[0] != q_shape[0] ||
        dim > 65536 || heads > 4096) {
      return DataLoss(StrCat(file_.path(), ": tensors attend.rows, attend.sink and attend.idx do not fit attend.q ",
                             ShapeText(q_shape)));
    }
    std::vector<float> out(q.size());
    std::vector<float> scratch(static_cast<size_t>(AttendScratchFloats(heads, dim)) + 16);
    const auto address = reinterpret_cast<uintptr_t>(scratch.data());
    for (int64_t token = 0; token < q_shape[0]; ++token) {
      std::vector<const uint8_t*> list;
      for (int64_t i = 0; i < idx->shape[1]; ++i) {
        const auto row = LoadUnaligned<int32_t>(idx->bytes.data() + 4 * (token * idx->shape[1] + i));
        if (row >= 0 && row < row_shape[0]) list.push_back(reinterpret_cast<const uint8_t*>(rows.data() + row * dim));
      }
      AttendArgs args;
      args.q = q.data() + token * heads * dim;
      args.heads = heads;
      args.sink = sink.data();
      args.rows = list.data();
      args.count = static_cast<int64_t>(list.size());
      args.layout = {RowFormat::kF32, dim, 0};
      args.out = out.data() + token * heads * dim;
      args.scratch = scratch.data() + (64 - address % 64) % 64 / sizeof(float);
      Kernels().attend(args);
    }
    return Compare("attend.out", out, false);
  }

  const SafetensorsFile& file_;
  GoldenReport* report_;
};

}  // namespace

Result<GoldenReport> CheckGoldenUnits(const std::string& folder) {
  FATHOM_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(folder + "/units.safetensors"));
  GoldenReport report;
  report.folder = folder;
  report.mode = "units";
  FATHOM_RETURN_IF_ERROR(UnitChecks(file, &report).Run());
  return report;
}

}  // namespace fathom
