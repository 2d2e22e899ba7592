#include "apps/bench_kernel_ops.h"

#include <algorithm>
#include <set>
#include <utility>

#include "apps/bench_model_ops.h"
#include "base/strings.h"
#include "checkpoint/tensor_table.h"
#include "model/weights.h"

namespace fathom {
namespace {

// "layers.3.ffn.experts.7.w1.weight" -> "ffn.experts.w1": what a matrix is called in every layer.
std::string NameInAnyLayer(std::string_view tensor) {
  std::string name;
  while (!tensor.empty()) {
    const std::string_view segment = tensor.substr(0, tensor.find('.'));
    tensor.remove_prefix(std::min(tensor.size(), segment.size() + 1));
    const bool number = segment.find_first_not_of("0123456789") == std::string_view::npos;
    if (number || segment == "layers" || segment == "mtp" || (segment == "weight" && tensor.empty())) continue;
    name += StrCat(name.empty() ? "" : ".", segment);
  }
  return name;
}

std::string_view MatMulKernelOf(WeightType type) {
  switch (type) {
    case WeightType::kFp4:
      return "matmul_fp4";
    case WeightType::kFp8:
      return "matmul_fp8";
    case WeightType::kBf16:
      return "matmul_bf16";
    case WeightType::kF32:
      return "matmul_f32";
  }
  return "";
}

// Collects the products, equal ones of a module once: "attn.compressor.wkv" and "attn.compressor.wgate" become
// "attn.compressor.wkv/wgate".
class ProductList {
 public:
  // A config that does not say how experts are stored is V4-Flash-Base's, where it is FP8.
  explicit ProductList(const CheckpointConfig& config) : config_(config), fp4_(config.expert_dtype == "fp4") {}

  void Add(const TensorList& tensors) {
    for (const ExpectedTensor& tensor : tensors) {
      // The embedding is looked up and a compressor's positions are added: no products.
      if (tensor.matrix == nullptr || tensor.is_scale() || tensor.tensor_class == TensorClass::kEmbedding ||
          tensor.name.ends_with(".ape")) {
        continue;
      }
      const std::string name = NameInAnyLayer(tensor.name);
      const size_t dot = name.rfind('.') + 1;  // npos + 1 is 0
      Entry entry = {name.substr(0, dot), {name.substr(dot)}, TypeOf(tensor.role), tensor.rows, tensor.cols};
      const auto same = std::ranges::find_if(entries_, [&](const Entry& other) {
        return other.module == entry.module && other.type == entry.type && other.rows == entry.rows &&
               other.cols == entry.cols;
      });
      if (same == entries_.end()) {
        entries_.push_back(std::move(entry));
      } else if (std::ranges::find(same->names, entry.names[0]) == same->names.end()) {
        same->names.push_back(entry.names[0]);
      }
    }
  }

  std::vector<KernelOp> Ops() const {
    std::vector<KernelOp> ops;
    for (const Entry& entry : entries_) {
      KernelOp op;
      op.name = entry.module;
      for (const std::string& name : entry.names) op.name += StrCat(&name == entry.names.data() ? "" : "/", name);
      op.kernel = MatMulKernelOf(entry.type);
      op.type = entry.type;
      op.rows = entry.rows;
      op.cols = entry.cols;
      if (op.name == "attn.wo_a") {
        op.groups = config_.model.o_groups;
        op.round_weights = true;
      }
      op.integers = entry.type == WeightType::kFp4;
      op.activated = entry.names[0] == "w2";
      ops.push_back(std::move(op));
    }
    return ops;
  }

 private:
  struct Entry {
    std::string module;  // with its dot
    std::vector<std::string> names;
    WeightType type = WeightType::kF32;
    int64_t rows = 0;
    int64_t cols = 0;
  };

  WeightType TypeOf(TensorRole role) const {
    if (role == TensorRole::kRouted) return fp4_ ? WeightType::kFp4 : WeightType::kFp8;
    if (role == TensorRole::kFp8) return WeightType::kFp8;
    return role == TensorRole::kBf16 ? WeightType::kBf16 : WeightType::kF32;
  }

  const CheckpointConfig& config_;
  const bool fp4_;
  std::vector<Entry> entries_;
};

std::vector<KernelOp> ProductsOf(const CheckpointConfig& config) {
  const ModelConfig& model = config.model;
  ProductList products(config);
  ModelWeights weights;
  TensorList tensors;
  std::set<int64_t> ratios;  // layers differ by nothing else
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    if (!ratios.insert(model.ratio(layer)).second) continue;
    LayerWeights layer_weights;
    ListLayerTensors(model, layer, &layer_weights, &tensors);
    products.Add(tensors);
  }
  if (model.mtp_layers > 0) {
    MtpWeights mtp;
    ListMtpTensors(model, 0, &mtp, &tensors);
    products.Add(tensors);
  }
  ListGlobalTensors(model, &weights, &tensors);
  products.Add(tensors);
  std::vector<KernelOp> ops = products.Ops();
  // Precision `exact` multiplies FP4 weights with floats, `int8` with whole numbers.
  const size_t count = ops.size();
  for (size_t at = 0; at < count; ++at) {
    if (ops[at].type != WeightType::kFp4) continue;
    KernelOp op = ops[at];
    op.name += " exact";
    op.kernel = "matmul_fp4_f32";
    op.integers = false;
    ops.push_back(std::move(op));
    op = ops[at];
    op.name += " int8";
    op.int8 = true;
    ops.push_back(std::move(op));
  }
  return ops;
}

KernelOp RowsOp(std::string name, std::string_view kernel, KernelKind kind, int64_t rows, int64_t cols) {
  KernelOp op;
  op.name = std::move(name);
  op.kernel = kernel;
  op.kind = kind;
  op.rows = rows;
  op.cols = cols;
  return op;
}

void AddAttention(const ModelConfig& config, int64_t context, std::vector<KernelOp>* ops) {
  const auto has = [&](int64_t ratio) { return std::ranges::find(config.ratios, ratio) != config.ratios.end(); };
  const int64_t window = std::min(config.window, context);
  for (const auto& [ratio, compressed] :
       {std::pair(int64_t{0}, int64_t{0}), {4, std::min(config.index_topk, context / 4)}, {128, context / 128}}) {
    if (!has(ratio)) continue;
    KernelOp op = RowsOp(ratio == 0 ? "attn.window" : StrCat("attn.window+ratio", ratio), "attend", KernelKind::kAttend,
                         config.heads, config.head_dim);
    op.over = window + compressed;
    op.rope_dim = config.rope_dim;
    ops->push_back(std::move(op));
  }
  if (!has(4)) return;
  KernelOp op =
      RowsOp("attn.indexer.scores", "index_scores", KernelKind::kIndexScores, config.index_heads, config.index_dim);
  op.over = context / 4;
  ops->push_back(std::move(op));
}

}  // namespace

Matrix KernelOp::matrix() const {
  Matrix matrix;
  matrix.type = type;
  matrix.rows = rows;
  matrix.cols = cols;
  if (matrix.quantizes_input()) {
    const bool f32 = type == WeightType::kFp8 && scale_type == ScaleType::kF32;
    matrix.scale_type = f32 ? ScaleType::kF32 : ScaleType::kE8m0;
  }
  return matrix;
}

std::string KernelOp::shape() const {
  std::string text = rows == 1 ? StrCat(cols) : StrCat(rows, "x", cols);
  if (over != 0) text += StrCat(" over ", over);
  return text;
}

std::vector<KernelOp> KernelOpsOf(const CheckpointConfig& config, int64_t context) {
  const ModelConfig& model = config.model;
  std::vector<KernelOp> ops = ProductsOf(config);
  const auto add = [&](const std::string& name, const char* kernel, KernelKind kind, int64_t rows, int64_t cols) {
    ops.push_back(RowsOp(name, kernel, kind, rows, cols));
  };
  add("attn.x", "quantize_fp8", KernelKind::kQuantize, 1, model.hidden_size);
  add("attn.qr", "quantize_fp8", KernelKind::kQuantize, 1, model.q_rank);
  add("attn.o", "quantize_fp8", KernelKind::kQuantize, 1, model.o_groups * model.o_rank);
  const int64_t expert_rows = model.experts_per_token + 1;  // with the shared one's
  const auto add_inputs_of_experts = [&](const std::string& name, int64_t rows, int64_t cols) {
    add(name, "quantize_fp8", KernelKind::kQuantize, rows, cols);
    if (config.expert_dtype != "fp4") return;
    ops.back().integers = true;
    add(name + " int8", "quantize_int8", KernelKind::kQuantize, rows, cols);
    ops.back().integers = ops.back().int8 = true;
  };
  add_inputs_of_experts("ffn.x", 1, model.hidden_size);
  add_inputs_of_experts("ffn.h", expert_rows, model.expert_dim);
  add("norm.x", "sum_of_squares", KernelKind::kSumOfSquares, 1, model.hidden_size);
  add("norm.q", "sum_of_squares", KernelKind::kSumOfSquares, model.heads, model.head_dim);
  add("norm.streams", "sum_of_squares", KernelKind::kSumOfSquares, 1, model.streams * model.hidden_size);
  add("ffn.h", "swiglu", KernelKind::kSwiGlu, expert_rows, model.expert_dim);
  add("streams", "hc_post", KernelKind::kHcPost, model.streams, model.hidden_size);
  ops.back().model = model;
  AddAttention(model, context, &ops);
  add("sampler.largest", "largest_logit", KernelKind::kLargestLogit, 1, model.vocab_size);
  add("sampler.weights", "softmax_weights", KernelKind::kSoftmaxWeights, 1, model.vocab_size);
  add("sampler.select", "select_at_least", KernelKind::kSelectAtLeast, 1, model.vocab_size);
  return ops;
}

KernelCost KernelCostOf(const KernelOp& op, int64_t tokens) {
  if (op.runs_in_model()) return ModelCostOf(op, tokens);
  const double values = static_cast<double>(op.rows) * static_cast<double>(op.cols) * static_cast<double>(tokens);
  KernelCost cost;
  cost.bytes = 4 * values;  // floats, unless said otherwise below
  switch (op.kind) {
    case KernelKind::kMatMul:
      cost.bytes = static_cast<double>(op.matrix().bytes());
      cost.ops = 2 * values;
      if (op.integers) {
        cost.int8_ops = (op.int8 ? 1 : 2) * cost.ops;
        return cost;
      }
      if (op.quantized_fp8()) {
        cost.fp8_ops = cost.ops;
        return cost;
      }
      break;
    case KernelKind::kAttend:  // each row is multiplied twice, for its score and for the sum
      cost.bytes = static_cast<double>(tokens * op.over * op.kv_layout().bytes());
      cost.ops = 4 * values * static_cast<double>(op.over);
      break;
    case KernelKind::kIndexScores:  // all tokens look at the same keys; E2M1 times E2M1 is one product of bytes
      cost.bytes = static_cast<double>(op.over * op.index_layout().bytes());
      cost.ops = 2 * values * static_cast<double>(op.over);
      cost.int8_ops = cost.ops;
      return cost;
    case KernelKind::kQuantize:  // divided by the scale and multiplied again
    case KernelKind::kSumOfSquares:
      cost.ops = 2 * values;
      break;
    case KernelKind::kSwiGlu:  // exponential, sum, quotient and two products; gate and up are the same rows here
      cost.ops = 5 * values;
      break;
    case KernelKind::kSoftmaxWeights:  // difference, quotient, exponential, sum
      cost.ops = 4 * values;
      break;
    default:  // kLargestLogit, kSelectAtLeast: a comparison
      cost.ops = values;
      break;
  }
  cost.f32_ops = cost.ops;
  return cost;
}

}  // namespace fathom
