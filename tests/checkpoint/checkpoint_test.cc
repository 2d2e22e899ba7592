// Checkpoints that are not as they should be: each defect is one sentence with file, tensor, found and expected.
#include "checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/cpu_features.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/synth.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// A tiny checkpoint of shapes without data: shard 1 embedding, 2 to 5 layers, 6 head, 7 MTP.
class BrokenCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override {
    SynthOptions options;
    options.config = *SyntheticShape("tiny");
    options.holes = SynthHoles::kAll;
    const Status status = WriteSyntheticCheckpoint(dir(), options);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  std::string dir() const { return directory_ / "model"; }
  std::string shard(int number) const { return StrCat(dir(), "/", Name(number)); }
  static std::string Name(int number) { return StrFormat("model-%05d-of-00007.safetensors", number); }
  std::string index() const { return dir() + "/model.safetensors.index.json"; }

  // "opened" or the error; checks that it is of the exit code 2 kind and one line.
  std::string OpenError() const {
    const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(dir());
    if (checkpoint.ok()) return "opened";
    EXPECT_EQ(checkpoint.status().exit_code(), 2) << checkpoint.status().message();
    EXPECT_EQ(checkpoint.status().message().find('\n'), std::string::npos);
    return checkpoint.status().message();
  }
  std::unique_ptr<Checkpoint> MustOpen() const {
    Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(dir());
    if (checkpoint.ok()) return std::move(*checkpoint);
    ADD_FAILURE() << checkpoint.status().message();
    return nullptr;
  }

  // Writes a shard again with other tensors, without data.
  void Rewrite(int number, const std::function<void(std::vector<TensorSpec>&)>& change) const {
    std::vector<TensorSpec> specs;
    {
      const Result<SafetensorsFile> file = SafetensorsFile::Open(shard(number));
      ASSERT_TRUE(file.ok()) << file.status().message();
      for (const TensorInfo& info : file->tensors()) specs.push_back({info.name, info.type, info.shape});
    }
    change(specs);
    auto writer = SafetensorsWriter::Create(shard(number), std::move(specs));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }
  void ChangeTensor(int number, const std::string& name, const std::function<void(TensorSpec&)>& change) const {
    Rewrite(number, [&](std::vector<TensorSpec>& specs) {
      for (TensorSpec& spec : specs) {
        if (spec.name == name) return change(spec);
      }
      ADD_FAILURE() << name;
    });
  }
  void ChangeIndex(const std::function<void(Json& weight_map)>& change) const {
    Json json = *ParseJson(ReadTestFile(index()));
    for (auto& [key, value] : json.members()) {
      if (key == "weight_map") change(value);
    }
    WriteTestFile(index(), json.Dump());
  }
  void ChangeConfig(const std::string& key, Json value) const {
    Json json = *ParseJson(ReadTestFile(dir() + "/config.json"));
    json.Set(key, std::move(value));
    WriteTestFile(dir() + "/config.json", json.Dump());
  }
  // All tensors in model.safetensors, without an index, with these names instead.
  void MakeSingleFile(const std::function<std::string(std::string)>& rename) const {
    std::vector<TensorSpec> all;
    for (int number = 1; number <= 7; ++number) {
      const Result<SafetensorsFile> file = SafetensorsFile::Open(shard(number));
      ASSERT_TRUE(file.ok());
      for (const TensorInfo& info : file->tensors()) all.push_back({rename(info.name), info.type, info.shape});
      std::filesystem::remove(shard(number));
    }
    std::filesystem::remove(index());
    auto writer = SafetensorsWriter::Create(dir() + "/model.safetensors", std::move(all));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  TemporaryDirectory directory_;
};

using Specs = std::vector<TensorSpec>;

TEST_F(BrokenCheckpoint, TheUnbrokenOneOpens) { EXPECT_EQ(OpenError(), "opened"); }

TEST_F(BrokenCheckpoint, NoDirectoryNoConfigNoWeights) {
  EXPECT_EQ(Checkpoint::Open(directory_ / "absent").status().message(),
            directory_ / "absent" + ": is no directory; a checkpoint is one");
  EXPECT_NE(Checkpoint::Open(directory_.path()).status().message().find("/config.json: cannot open"),
            std::string::npos);
  std::filesystem::remove(index());
  EXPECT_EQ(OpenError(), dir() + ": holds neither model.safetensors.index.json nor model.safetensors");
}

TEST_F(BrokenCheckpoint, MissingShard) {
  std::filesystem::remove(shard(3));
  EXPECT_EQ(OpenError(), shard(3) +
                             ": this shard is missing; model.safetensors.index.json names it for tensor "
                             "'layers.1.attn_norm.weight'");
}

TEST_F(BrokenCheckpoint, TruncatedShard) {
  const auto size = static_cast<off_t>(std::filesystem::file_size(shard(3)));
  ASSERT_EQ(::truncate(shard(3).c_str(), size - 1), 0);
  const std::string error = OpenError();
  EXPECT_TRUE(error.starts_with(shard(3) + ": tensor '")) << error;
  EXPECT_NE(error.find("bytes of tensor data (truncated?)"), std::string::npos) << error;
  ASSERT_EQ(::truncate(shard(3).c_str(), 100), 0);
  EXPECT_NE(OpenError().find("says its header is "), std::string::npos);
  ASSERT_EQ(::truncate(shard(3).c_str(), 0), 0);
  EXPECT_EQ(OpenError(), shard(3) + ": is 0 bytes long; a safetensors file has at least 8");
}

TEST_F(BrokenCheckpoint, MissingTensor) {
  Rewrite(
      3, [](Specs& specs) { std::erase_if(specs, [](const auto& s) { return s.name == "layers.1.attn.wkv.scale"; }); });
  EXPECT_EQ(
      OpenError(),
      shard(3) + ": does not hold tensor 'layers.1.attn.wkv.scale', which model.safetensors.index.json says it does");
  ChangeIndex([](Json& map) {
    std::erase_if(map.members(), [](const auto& member) { return member.first == "layers.1.attn.wkv.scale"; });
  });
  EXPECT_EQ(OpenError(),
            dir() +
                ": tensor 'layers.1.attn.wkv.scale' is missing; config.json calls for F8_E8M0 [1, 2] or F32 "
                "[1, 2] or U8 [1, 2]");
}

TEST_F(BrokenCheckpoint, WrongType) {
  ChangeTensor(2, "layers.0.attn_norm.weight", [](TensorSpec& spec) { spec.type = TensorType::kF16; });
  EXPECT_EQ(OpenError(),
            shard(2) + ": tensor 'layers.0.attn_norm.weight' is F16 [256]; config.json calls for BF16 [256]");
}

TEST_F(BrokenCheckpoint, WrongTypeOfScalesAndExperts) {
  ChangeTensor(2, "layers.0.ffn.experts.3.w2.scale", [](TensorSpec& spec) { spec.type = TensorType::kF32; });
  EXPECT_EQ(OpenError(),
            shard(2) +
                ": tensor 'layers.0.ffn.experts.3.w2.scale' is F32 [256, 4]; config.json calls for F8_E8M0 [256, 4] "
                "or U8 [256, 4]");
  ChangeTensor(2, "layers.0.ffn.experts.3.w1.weight", [](TensorSpec& spec) { spec.type = TensorType::kBf16; });
  EXPECT_EQ(OpenError(),
            shard(2) +
                ": tensor 'layers.0.ffn.experts.3.w1.weight' is BF16 [128, 128]; config.json calls for I8 [128, 128] "
                "or F8_E4M3 [128, 256] or U8 [128, 128]");
}

TEST_F(BrokenCheckpoint, WrongShape) {
  ChangeTensor(4, "layers.2.attn.compressor.ape", [](TensorSpec& spec) { spec.shape = {64, 256}; });
  EXPECT_EQ(
      OpenError(),
      shard(4) + ": tensor 'layers.2.attn.compressor.ape' is F32 [64, 256]; config.json calls for F32 [128, 128]");
}

TEST_F(BrokenCheckpoint, UnknownTypeOfAUsedTensor) {
  // The same file with a dtype that nobody knows, as long as the known one.
  std::string bytes = ReadTestFile(shard(6));
  const std::string name = R"("norm.weight":{"dtype":"BF16")";
  const size_t at = bytes.find(name);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, name.size(), R"("norm.weight":{"dtype":"F6X2")");
  WriteTestFile(shard(6), bytes);
  EXPECT_EQ(OpenError(), shard(6) + ": tensor 'norm.weight' is F6X2 [256]; config.json calls for BF16 [256]");
}

TEST_F(BrokenCheckpoint, ExpertsOfOneLayerInTwoFormats) {
  Rewrite(2, [](Specs& specs) {
    for (TensorSpec& spec : specs) {
      if (spec.name == "layers.0.ffn.experts.5.w3.weight") {
        spec.type = TensorType::kF8E4m3;
        spec.shape = {128, 256};
      } else if (spec.name == "layers.0.ffn.experts.5.w3.scale") {
        spec.shape = {1, 2};
      }
    }
  });
  EXPECT_EQ(OpenError(),
            dir() +
                ": routed experts 0 and 5 of 'layers.0' are stored in different formats; one format per layer is "
                "accepted");
}

TEST_F(BrokenCheckpoint, UnknownTensors) {
  Rewrite(7, [](Specs& specs) { specs.push_back({"mtp.0.embed.weight", TensorType::kBf16, {512, 256}}); });
  EXPECT_EQ(OpenError(), "opened") << "below mtp. a tensor that the index does not list is not looked at";
  ChangeIndex([](Json& map) { map.Set("mtp.0.embed.weight", Json::String(Name(7))); });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  ASSERT_EQ(checkpoint->notes().size(), 1u);
  EXPECT_EQ(checkpoint->notes()[0],
            "unknown tensors below mtp. (1 tensor, 262 kB, first 'mtp.0.embed.weight') are left unused");
  Rewrite(6, [](Specs& specs) { specs.push_back({"vision.tower", TensorType::kF32, {1}}); });
  ChangeIndex([](Json& map) { map.Set("vision.tower", Json::String(Name(6))); });
  EXPECT_EQ(
      OpenError(),
      shard(6) + ": tensor 'vision.tower' is unknown: no tensor of that name belongs to a model of this config.json");
}

TEST_F(BrokenCheckpoint, TensorsThatTheIndexDoesNotList) {
  Rewrite(2, [](Specs& specs) { specs.push_back({"layers.0.bogus.weight", TensorType::kF32, {1}}); });
  EXPECT_EQ(OpenError(),
            shard(2) + ": holds tensor 'layers.0.bogus.weight', which model.safetensors.index.json does not list");
  ChangeTensor(2, "layers.0.bogus.weight", [](TensorSpec& spec) { spec = {"norm.weight", TensorType::kBf16, {256}}; });
  EXPECT_EQ(OpenError(),
            shard(2) + ": holds tensor 'norm.weight', which model.safetensors.index.json says is in " + shard(6));
  ChangeTensor(2, "norm.weight", [](TensorSpec& spec) { spec = {"model.norm.weight", TensorType::kBf16, {256}}; });
  EXPECT_EQ(OpenError(),
            shard(2) + ": holds tensor 'model.norm.weight', which model.safetensors.index.json says is in " + shard(6));
}

// What --no-mmap calls. The file that is larger than memory is a hole.
TEST_F(BrokenCheckpoint, WeightsThatDoNotFitAreNotReadIntoMemory) {
  const uint64_t ram = GetCpuFeatures().ram_bytes;
  ASSERT_NE(ram, 0u);
  Rewrite(7, [&](Specs& specs) { specs.push_back({"mtp.0.large", TensorType::kU8, {static_cast<int64_t>(ram)}}); });
  ChangeIndex([](Json& map) { map.Set("mtp.0.large", Json::String(Name(7))); });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  ThreadPool pool(1);
  const Status status = checkpoint->ReadIntoMemory(pool);
  EXPECT_EQ(status.code(), ErrorCode::kResource);
  EXPECT_TRUE(status.message().starts_with(dir() + ": the weights take ")) << status.message();
  EXPECT_TRUE(status.message().ends_with(StrCat("; of the ", HumanBytes(ram),
                                                " of memory that this process may use at most four fifths can be "
                                                "theirs; without --no-mmap they need not fit")))
      << status.message();
}

TEST_F(BrokenCheckpoint, MoreLayersStoredThanConfigured) {
  ChangeConfig("num_hidden_layers", Json::Int(3));
  ChangeConfig("num_nextn_predict_layers", Json::Int(0));
  EXPECT_NE(OpenError().find("tensor 'layers.3.attn_norm.weight' is unknown"), std::string::npos) << OpenError();
}

TEST_F(BrokenCheckpoint, MoreLayersConfiguredThanStored) {
  ChangeConfig("num_hidden_layers", Json::Int(5));
  ChangeConfig("num_nextn_predict_layers", Json::Int(0));
  EXPECT_EQ(OpenError(), dir() + ": tensor 'layers.4.attn_norm.weight' is missing; config.json calls for BF16 [256]");
  // Absurd numbers that the config's own limits permit stop at the first tensor, not at the end of memory.
  ChangeConfig("num_hidden_layers", Json::Int(1024));
  ChangeConfig("n_routed_experts", Json::Int(4096));
  ChangeConfig("compress_ratios", Json::Array(std::vector<Json>(1024, Json::Int(4))));
  EXPECT_NE(OpenError(), "opened");
}

TEST_F(BrokenCheckpoint, MtpNotStored) {
  ChangeIndex([](Json& map) {
    std::erase_if(map.members(), [](const auto& member) { return member.first.starts_with("mtp."); });
  });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->config().mtp_layers, 0);
  EXPECT_TRUE(checkpoint->weights().mtp.empty());
  ASSERT_EQ(checkpoint->notes().size(), 1u);
  EXPECT_EQ(checkpoint->notes()[0], "the MTP block that config.json announces is not stored; it is not used");
}

TEST_F(BrokenCheckpoint, MtpNotStoredBesideUnknownTensors) {
  Rewrite(7, [](Specs& specs) { specs = {{"mtp.1.extra.weight", TensorType::kF32, {1}}}; });
  ChangeIndex([](Json& map) {
    std::erase_if(map.members(), [](const auto& member) { return member.first.starts_with("mtp."); });
    map.Set("mtp.1.extra.weight", Json::String(Name(7)));
  });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->config().mtp_layers, 0);
  ASSERT_EQ(checkpoint->notes().size(), 2u);
  EXPECT_EQ(checkpoint->notes()[0], "the MTP block that config.json announces is not stored; it is not used");
  EXPECT_EQ(checkpoint->notes()[1],
            "unknown tensors below mtp. (1 tensor, 4 B, first 'mtp.1.extra.weight') are left unused");
}

// The config need not say it.
TEST_F(BrokenCheckpoint, AThirdDraftStageIsDSpark) {
  Rewrite(7, [](Specs& specs) { specs = {{"mtp.2.norm.weight", TensorType::kBf16, {256}}}; });
  ChangeIndex([](Json& map) {
    std::erase_if(map.members(), [](const auto& member) { return member.first.starts_with("mtp."); });
    map.Set("mtp.2.norm.weight", Json::String(Name(7)));
  });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_TRUE(checkpoint->checkpoint_config().has_dspark);
  EXPECT_EQ(checkpoint->config().mtp_layers, 0);
  ASSERT_EQ(checkpoint->notes().size(), 1u);
  EXPECT_EQ(checkpoint->notes()[0], "the DSpark draft module (1 tensor, 512 B) is left unused");
}

TEST_F(BrokenCheckpoint, MtpIncomplete) {
  ChangeIndex([](Json& map) {
    std::erase_if(map.members(), [](const auto& member) { return member.first == "mtp.0.hnorm.weight"; });
  });
  EXPECT_EQ(OpenError(), dir() + ": tensor 'mtp.0.hnorm.weight' is missing; config.json calls for BF16 [256]");
}

TEST_F(BrokenCheckpoint, MtpNotConfiguredIsLeftUnused) {
  ChangeConfig("num_nextn_predict_layers", Json::Int(0));
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->notes().size(), 1u);
}

TEST_F(BrokenCheckpoint, IndexDefects) {
  for (const char* name : {"../model/model-00001-of-00007.safetensors", "/etc/passwd", "", ".", "..", "a\\b"}) {
    ChangeIndex([&](Json& map) { map.Set("embed.weight", Json::String(name)); });
    EXPECT_EQ(OpenError(), index() + ": tensor 'embed.weight' is said to be in '" + name +
                               "'; a plain file name in the same directory is accepted");
  }
  ChangeIndex([](Json& map) { map.Set("embed.weight", Json::String("x\x1b[31m\nfathom: done")); });
  EXPECT_EQ(OpenError(), index() +
                             ": tensor 'embed.weight' is said to be in 'x\\x1b[31m\\x0afathom: done'; a plain file "
                             "name in the same directory is accepted");
  ChangeIndex([](Json& map) { map.Set("embed.weight", Json::Int(1)); });
  EXPECT_EQ(OpenError(), index() + ": weight_map of tensor 'embed.weight' is no string");
  ChangeIndex([](Json& map) { map.Set("embed.weight", Json::String(Name(2))); });
  EXPECT_EQ(OpenError(),
            shard(2) + ": does not hold tensor 'embed.weight', which model.safetensors.index.json says it does");
  WriteTestFile(index(), "{\"weight_map\": 1}");
  EXPECT_EQ(OpenError(), index() + ": has no object weight_map, which says where each tensor is");
  WriteTestFile(index(), "[]");
  EXPECT_EQ(OpenError(), index() + ": has no object weight_map, which says where each tensor is");
  WriteTestFile(index(), "{\"weight_map\": {}}");
  EXPECT_EQ(OpenError(), dir() + ": tensor 'embed.weight' is missing; config.json calls for BF16 [512, 256]");
  WriteTestFile(index(), "not json");
  EXPECT_TRUE(OpenError().starts_with(index() + ": JSON is malformed at byte "));
}

TEST_F(BrokenCheckpoint, SingleFileWithoutIndexOpens) {
  MakeSingleFile([](std::string name) { return name; });
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->shards().size(), 1u);
}

// As other tools write them.
std::string TransformersName(std::string name) {
  const auto replace = [&name](std::string_view what, std::string_view with) {
    if (const size_t at = name.find(what); at != std::string::npos) name.replace(at, what.size(), with);
  };
  if (name == "head.weight") return "lm_head.weight";
  replace("embed.weight", "embed_tokens.weight");
  replace(".attn.", ".self_attn.");
  replace(".ffn.", ".mlp.");
  replace("attn_norm.weight", "input_layernorm.weight");
  replace("ffn_norm.weight", "post_attention_layernorm.weight");
  replace(".w1.", ".gate_proj.");
  replace(".w2.", ".down_proj.");
  replace(".w3.", ".up_proj.");
  if (name.ends_with(".scale")) replace(".scale", ".weight_scale_inv");
  replace("gate.bias", "gate.e_score_correction_bias");
  return "model." + name;
}

TEST_F(BrokenCheckpoint, TransformersNamesOpen) {
  const auto before = MustOpen();
  ASSERT_NE(before, nullptr);
  MakeSingleFile(TransformersName);
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->tensors().size(), before->tensors().size());
  EXPECT_TRUE(checkpoint->notes().empty());
  EXPECT_EQ(checkpoint->tensors()[6].info->name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(checkpoint->tensors()[6].name, "layers.0.attn_norm.weight");
}

TEST_F(BrokenCheckpoint, OneTensorUnderTwoNames) {
  Rewrite(6, [](Specs& specs) { specs.push_back({"lm_head.weight", TensorType::kBf16, {512, 256}}); });
  ChangeIndex([](Json& map) { map.Set("lm_head.weight", Json::String(Name(6))); });
  EXPECT_EQ(OpenError(),
            shard(6) + ": tensor 'lm_head.weight' is stored twice (also as 'head.weight' in " + shard(6) + ")");
}

TEST_F(BrokenCheckpoint, BytesStoredAsU8AreAccepted) {
  for (int number = 2; number <= 5; ++number) {
    Rewrite(number, [](Specs& specs) {
      for (TensorSpec& spec : specs) {
        if (spec.type == TensorType::kI8 || spec.type == TensorType::kF8E8m0) spec.type = TensorType::kU8;
      }
    });
  }
  const auto checkpoint = MustOpen();
  ASSERT_NE(checkpoint, nullptr);
  const ExpertWeights& expert = checkpoint->weights().layers[1].experts[0];
  EXPECT_EQ(expert.w1.type, WeightType::kFp4);
  EXPECT_EQ(expert.w1.scale_type, ScaleType::kE8m0);
}

TEST(CanonicalTensorName, ReleaseNamesStayAndOthersAreTranslated) {
  std::string storage;
  for (const char* name : {"layers.0.attn.wq_a.weight", "mtp.0.e_proj.scale", "hc_head_fn", "", ".", "a..b"}) {
    EXPECT_EQ(CanonicalTensorName(name, &storage), name);
  }
  EXPECT_EQ(CanonicalTensorName("model.layers.7.mlp.experts.3.w2.weight_scale_inv", &storage),
            "layers.7.ffn.experts.3.w2.scale");
  EXPECT_EQ(CanonicalTensorName("model.norm.weight", &storage), "norm.weight");
  EXPECT_EQ(CanonicalTensorName("layers.3.mlp.gate.e_score_correction_bias", &storage), "layers.3.ffn.gate.bias");
}

}  // namespace
}  // namespace fathom
