#include "train/torch/train_model.h"

#include <cmath>

#include "base/check.h"
#include "base/strings.h"
#include "train/torch/gemm.h"
#include "train/torch/hyper_connection_op.h"
#include "train/torch/linear_ops.h"
#include "train/torch/moe_op.h"
#include "train/torch/row_ops.h"

namespace fathom {

struct TrainModel::Pass {
  Pass(const ModelConfig& config, const TrainBatch& step) : batch(step), layout(config, step.lengths) {
    FATHOM_CHECK(step.weights.size() == step.tokens.size() && step.answers.size() == step.tokens.size());
    begins.push_back(0);
    for (const int64_t length : step.lengths) begins.push_back(begins.back() + length);
  }

  // What stands `places` further on within each sequence; weight 0 beyond the end.
  Targets Shift(size_t places) const {
    const size_t count = batch.tokens.size();
    Targets targets = {std::vector<int32_t>(count), std::vector<float>(count), std::vector<uint8_t>(count)};
    for (size_t s = 0; s + 1 < begins.size(); ++s) {
      for (auto t = static_cast<size_t>(begins[s]); t + places < static_cast<size_t>(begins[s + 1]); ++t) {
        targets.tokens[t] = batch.tokens[t + places];
        targets.weights[t] = batch.weights[t + places];
        targets.answers[t] = batch.answers[t + places];
      }
    }
    return targets;
  }

  const TrainBatch& batch;
  const SequenceLayout layout;
  std::vector<int64_t> begins;
  ForwardTaps taps;
  Tensor index_loss;  // sum
  Tensor balance;     // sum over layers
  int64_t indexers = 0;
  int64_t routers = 0;
  std::vector<std::vector<int64_t>> expert_load;
};

void TrainBatch::Add(const TrainingSequence& sequence, float prompt_weight) {
  tokens.insert(tokens.end(), sequence.tokens.begin(), sequence.tokens.end());
  for (size_t t = 0; t < sequence.tokens.size(); ++t) {
    const bool answer = sequence.weights[t] == 1;
    answers.push_back(answer ? 1 : 0);
    weights.push_back(answer ? 1.0f : t == 0 ? 0.0f : prompt_weight);
  }
  lengths.push_back(static_cast<int64_t>(sequence.tokens.size()));
}

// Section 7.1.
Tensor TrainModel::Streams(Pass& pass) {
  Tensor streams = EmbedStreams(Value("embed.weight"), pass.batch.tokens, config_.streams);
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    streams = Layer(pass, StrCat("layers.", layer, "."), layer, config_.ratio(layer), streams);
    if (pass.taps.layer_done && !pass.taps.layer_done(layer)) return {};
  }
  return streams;
}

Tensor TrainModel::Layer(Pass& pass, const std::string& prefix, int64_t layer, int64_t ratio, const Tensor& streams) {
  const auto mix = [&](const char* name, const Tensor& x) {
    const std::string base = prefix + name;
    return MixBefore(x, Value(base + "_fn"), Value(base + "_base"), Value(base + "_scale"), config_);
  };
  const double eps = config_.rms_eps;
  const Mix attention_mix = mix("hc_attn", streams);
  const Tensor attended =
      Attention(pass, prefix, layer, ratio, RmsNorm(attention_mix.x, Value(prefix + "attn_norm.weight"), eps));
  const Tensor after = MixAfter(attended, streams, attention_mix);
  const Mix ffn_mix = mix("hc_ffn", after);
  const Tensor y = Moe(pass, prefix, layer, RmsNorm(ffn_mix.x, Value(prefix + "ffn_norm.weight"), eps));
  return MixAfter(y, after, ffn_mix);
}

// Section 7.4.
Tensor TrainModel::Attention(Pass& pass, const std::string& prefix, int64_t layer, int64_t ratio, const Tensor& x) {
  const std::string p = prefix + "attn.";
  const double eps = config_.rms_eps;
  const Rotation& rotation = pass.layout.at_tokens(ratio != 0);
  const Tensor both =
      Linear(x, torch::cat({Value(p + "wq_a.weight"), Value(p + "wkv.weight")}), LinearInput::kQuantized);
  const std::vector<Tensor> parts = both.split_with_sizes({config_.q_rank, config_.head_dim}, 1);
  const Tensor qr = RmsNorm(parts[0].contiguous(), Value(p + "q_norm.weight"), eps);
  const Tensor kv = RmsNorm(parts[1].contiguous(), Value(p + "kv_norm.weight"), eps);

  AttentionInputs inputs;
  inputs.q = RotateRows(Linear(qr, Value(p + "wq_b.weight"), LinearInput::kQuantized), rotation,
                        {.heads = config_.heads, .normalize = true, .eps = eps});
  inputs.window = RotateRows(kv, rotation, {.finish = RowFinish::kQ8Row});
  inputs.sink = Value(p + "attn_sink");
  if (ratio != 0) inputs.compressed = Compressor(pass, p + "compressor.", ratio, x, /*index=*/false);
  if (ratio == 4) Indexer(pass, p + "indexer.", x, qr, &inputs);
  SelectionTap tap;
  if (pass.taps.selected && ratio == 4) {
    tap = [&](int64_t token, const std::vector<int32_t>& rows) { pass.taps.selected(layer, token, rows); };
  }
  const AttentionOutputs out = Attend(inputs, ratio, config_, pass.layout, tap);
  if (ratio == 4) {
    pass.index_loss = pass.index_loss.defined() ? pass.index_loss + out.index_loss : out.index_loss;
    ++pass.indexers;
  }
  const std::vector<Tensor> groups = out.o.chunk(config_.o_groups, 1);
  const std::vector<Tensor> down = Value(p + "wo_a.weight").chunk(config_.o_groups, 0);
  std::vector<Tensor> inner;
  for (size_t g = 0; g < groups.size(); ++g) inner.push_back(Linear(groups[g], down[g], LinearInput::kPlain));
  return Linear(torch::cat(inner, 1), Value(p + "wo_b.weight"), LinearInput::kQuantized);
}

// Section 7.6. Learns only from its own loss: its inputs carry no gradient back.
void TrainModel::Indexer(Pass& pass, const std::string& prefix, const Tensor& x, const Tensor& qr,
                         AttentionInputs* inputs) {
  const double factor = 1.0 / std::sqrt(static_cast<double>(config_.index_dim * config_.index_heads));
  inputs->index_q =
      RotateRows(Linear(qr.detach(), Value(prefix + "wq_b.weight"), LinearInput::kQuantized),
                 pass.layout.at_tokens(true), {.heads = config_.index_heads, .finish = RowFinish::kHadamardFp4});
  inputs->index_w = Linear(x.detach(), Value(prefix + "weights_proj.weight"), LinearInput::kPlain) * factor;
  inputs->index_keys = Compressor(pass, prefix + "compressor.", 4, x.detach(), /*index=*/true);
}

// Section 7.5.
Tensor TrainModel::Compressor(Pass& pass, const std::string& prefix, int64_t ratio, const Tensor& x, bool index) {
  const Tensor kv_gate =
      Linear(x, torch::cat({Value(prefix + "wkv.weight"), Value(prefix + "wgate.weight")}), LinearInput::kPlain);
  const Tensor rows = CompressBlocks(kv_gate, Value(prefix + "ape"), ratio, pass.layout);
  return RotateRows(RmsNorm(rows, Value(prefix + "norm.weight"), config_.rms_eps), pass.layout.at_rows(ratio),
                    {.finish = index ? RowFinish::kHadamardFp4 : RowFinish::kQ8Row});
}

// Section 7.7.
Tensor TrainModel::Moe(Pass& pass, const std::string& prefix, int64_t layer, const Tensor& x) {
  const std::string p = prefix + "ffn.";
  const std::vector<int64_t>* table = parameters_.TokenTable(p + "gate.tid2eid");
  const Routing routing = Route(x, Value(p + "gate.weight"), table == nullptr ? Value(p + "gate.bias") : Tensor(),
                                table == nullptr ? nullptr : table->data(), pass.batch.tokens, config_);
  if (pass.taps.experts) pass.taps.experts(layer, routing.experts);
  pass.expert_load.push_back(table == nullptr ? routing.load : std::vector<int64_t>());
  if (table == nullptr) {
    const Tensor balance = SequenceBalance(routing, pass.begins, config_.experts);
    pass.balance = pass.balance.defined() ? pass.balance + balance : balance;
    ++pass.routers;
  }
  const auto expert = [&](const char* name) { return Value(StrCat(p, "experts.*.", name, ".weight")); };
  const auto shared = [&](const char* name) { return Value(StrCat(p, "shared_experts.", name, ".weight")); };
  return Experts(x, routing, torch::cat({expert("w1"), expert("w3")}, 1), expert("w2"),
                 torch::cat({shared("w1"), shared("w3")}), shared("w2"), config_);
}

// hc_head and the final norm: what the head is multiplied with.
Tensor TrainModel::Head(const std::string& prefix, const Tensor& streams) {
  const Tensor x = MixHead(streams, Value(prefix + "hc_head_fn"), Value(prefix + "hc_head_base"),
                           Value(prefix + "hc_head_scale"), config_);
  return RmsNorm(x, Value(prefix + "norm.weight"), config_.rms_eps);
}

// Section 7.8.
Tensor TrainModel::MtpStreams(Pass& pass, const Tensor& streams) {
  const std::string p = "mtp.0.";
  const double eps = config_.rms_eps;
  const Tensor e = RmsNorm(Embed(Value("embed.weight"), pass.Shift(1).tokens), Value(p + "enorm.weight"), eps);
  const Tensor h = RmsNorm(streams.reshape({-1, config_.hidden_size}), Value(p + "hnorm.weight"), eps);
  const Tensor from_token = Linear(e, Value(p + "e_proj.weight"), LinearInput::kQuantized);
  const Tensor from_streams = Linear(h, Value(p + "h_proj.weight"), LinearInput::kQuantized);
  const Tensor mixed = from_token.unsqueeze(1) + from_streams.reshape(streams.sizes());
  return Layer(pass, p, config_.layers, config_.ratio(config_.layers), mixed);
}

StepLoss TrainModel::Loss(const TrainBatch& batch, const LossWeights& weights) {
  const auto shared_pass = std::make_shared<Pass>(config_, batch);
  Pass& pass = *shared_pass;
  parameters_.StartPass();
  const Tensor streams = Streams(pass);
  const HeadLoss main = HeadCrossEntropy(Head("", streams), Value("head.weight"), pass.Shift(1));
  StepLoss out;
  out.pass = shared_pass;
  out.tokens = main.weight;
  const double scale = 1.0 / std::max(main.weight, 1.0);
  out.total = main.sum * scale;
  out.loss = main.sum.item<double>() * scale;
  out.answer_tokens = main.answer_rows;
  const double answers = std::max<double>(1, static_cast<double>(main.answer_rows));
  out.answer_loss = main.answer_sum / answers;
  out.answer_accuracy = static_cast<double>(main.answer_right) / answers;
  if (weights.mtp > 0 && config_.mtp_layers > 0) {
    const HeadLoss mtp =
        HeadCrossEntropy(Head("mtp.0.", MtpStreams(pass, streams)), Value("head.weight"), pass.Shift(2));
    const double mtp_scale = 1.0 / std::max(mtp.weight, 1.0);
    out.total = out.total + mtp.sum * (weights.mtp * mtp_scale);
    out.mtp_loss = mtp.sum.item<double>() * mtp_scale;
    out.mtp_accuracy =
        static_cast<double>(mtp.answer_right) / std::max<double>(1, static_cast<double>(mtp.answer_rows));
  }
  if (pass.balance.defined()) {
    const Tensor mean = pass.balance / static_cast<double>(pass.routers);
    out.total = out.total + mean * weights.balance;
    out.balance = mean.item<double>();
  }
  if (pass.index_loss.defined()) {
    const Tensor mean = pass.index_loss / static_cast<double>(pass.indexers * pass.layout.tokens());
    out.total = out.total + mean * weights.indexer;
    out.indexer = mean.item<double>();
  }
  out.expert_load = std::move(pass.expert_load);
  return out;
}

Tensor TrainModel::Logits(const TrainBatch& batch, Tensor* mtp_logits, const ForwardTaps& taps) {
  Pass pass(config_, batch);
  pass.taps = taps;
  parameters_.StartPass();
  const Tensor streams = Streams(pass);
  if (!streams.defined()) return {};
  pass.taps = {};
  const Tensor head = ToHalf(Value("head.weight"));
  if (mtp_logits != nullptr) *mtp_logits = Gemm(Product::kNT, ToHalf(Head("mtp.0.", MtpStreams(pass, streams))), head);
  return Gemm(Product::kNT, ToHalf(Head("", streams)), head);
}

}  // namespace fathom
