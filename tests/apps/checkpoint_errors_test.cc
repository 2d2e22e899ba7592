// Broken checkpoints through the program: exit code 2, one sentence on stderr, nothing else. tests/checkpoint has every
// defect; here are the kinds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/json.h"
#include "base/strings.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class CheckpointErrors : public ::testing::Test {
 protected:
  void SetUp() override {
    const RunResult result = RunFathom({"synth", Model(), "--empty"});
    ASSERT_EQ(result.exit_code, 0) << result;
  }
  std::string Model() const { return directory_ / "model"; }
  std::string File(const std::string& name) const { return Model() + "/" + name; }
  std::string Shard(int number) const { return File(StrFormat("model-%05d-of-00007.safetensors", number)); }

  // What is said about the checkpoint, without "fathom: " and the newline.
  std::string Sentence(const std::string& model) const {
    const RunResult result = RunFathom({"inspect", model});
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "") << result;
    EXPECT_TRUE(result.err.starts_with("fathom: ")) << result;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result;
    return result.err.size() < 9 ? "" : result.err.substr(8, result.err.size() - 9);
  }
  std::string Sentence() const { return Sentence(Model()); }

  // Replaces the first `before` in the file; same length keeps offsets, so that only this is wrong.
  void Replace(const std::string& path, const std::string& before, const std::string& after) const {
    std::string bytes = ReadTestFile(path);
    const size_t at = bytes.find(before);
    ASSERT_NE(at, std::string::npos) << before;
    bytes.replace(at, before.size(), after);
    WriteTestFile(path, bytes);
  }
  void ChangeConfig(const std::string& key, Json value) const {
    Json json = *ParseJson(ReadTestFile(File("config.json")));
    json.Set(key, std::move(value));
    WriteTestFile(File("config.json"), json.Dump());
  }

  TemporaryDirectory directory_;
};

TEST_F(CheckpointErrors, NoSuchDirectory) {
  EXPECT_EQ(Sentence(directory_ / "absent"), directory_ / "absent" + ": is no directory; a checkpoint is one");
}

TEST_F(CheckpointErrors, MissingShard) {
  std::filesystem::remove(Shard(4));
  EXPECT_EQ(Sentence(), Shard(4) +
                            ": this shard is missing; model.safetensors.index.json names it for tensor "
                            "'layers.2.attn_norm.weight'");
}

TEST_F(CheckpointErrors, TruncatedShard) {
  const auto size = static_cast<off_t>(std::filesystem::file_size(Shard(4)));
  ASSERT_EQ(::truncate(Shard(4).c_str(), size / 2), 0);
  EXPECT_NE(Sentence().find(" bytes of tensor data (truncated?)"), std::string::npos);
}

TEST_F(CheckpointErrors, HeaderLongerThanTheFile) {
  std::string bytes = ReadTestFile(Shard(1));
  bytes[7] = '\x10';
  WriteTestFile(Shard(1), bytes);
  const std::string sentence = Sentence();
  EXPECT_TRUE(sentence.starts_with(Shard(1) + ": says its header is 1152921504606847")) << sentence;
  EXPECT_TRUE(sentence.ends_with(" bytes follow (truncated, or no safetensors file)")) << sentence;
}

TEST_F(CheckpointErrors, OverlappingAndOutOfRangeOffsets) {
  Replace(Shard(2), R"("data_offsets":[512,1024])", R"("data_offsets":[500,1012])");
  EXPECT_EQ(Sentence(), Shard(2) +
                            ": tensor 'layers.0.ffn_norm.weight' at bytes 500 to 1012 overlaps tensor "
                            "'layers.0.attn_norm.weight' at 0 to 512");
  Replace(Shard(1), R"("data_offsets":[0,262144]})", R"("data_offsets":[9,262153]})");
  EXPECT_EQ(Sentence(), Shard(1) +
                            ": tensor 'embed.weight': data_offsets end at 262153, but the file holds only 262144 bytes "
                            "of tensor data (truncated?)");
}

TEST_F(CheckpointErrors, WrongDtypeAndShape) {
  Replace(Shard(3), R"("layers.1.ffn_norm.weight":{"dtype":"BF16")", R"("layers.1.ffn_norm.weight":{"dtype":"F16" )");
  EXPECT_EQ(Sentence(),
            Shard(3) + ": tensor 'layers.1.ffn_norm.weight' is F16 [256]; config.json calls for BF16 [256]");
  Replace(Shard(1), "[512, 256]", "[256, 512]");
  EXPECT_EQ(Sentence(), Shard(1) + ": tensor 'embed.weight' is BF16 [256, 512]; config.json calls for BF16 [512, 256]");
}

TEST_F(CheckpointErrors, MissingTensor) {
  Replace(Shard(6), "\"norm.weight\"", "\"norm.weigth\"");
  EXPECT_EQ(Sentence(),
            Shard(6) + ": does not hold tensor 'norm.weight', which model.safetensors.index.json says it does");
}

TEST_F(CheckpointErrors, AbsurdConfigValues) {
  ChangeConfig("hidden_size", Json::Int(-4096));
  EXPECT_EQ(Sentence(), File("config.json") + ": config key hidden_size is -4096; accepted are 128 to 65536");
  ChangeConfig("hidden_size", Json::String("wide"));
  EXPECT_EQ(Sentence(),
            File("config.json") + ": config key hidden_size is the string \"wide\"; accepted is a whole number");
  ChangeConfig("hidden_size", Json::Int(256));
  ChangeConfig("n_routed_experts", Json::Number("1e15"));
  EXPECT_EQ(Sentence(),
            File("config.json") + ": config key n_routed_experts is 1000000000000000; accepted are 1 to 4096");
}

TEST_F(CheckpointErrors, OtherArchitecture) {
  ChangeConfig("architectures", Json::Array({Json::String("DeepseekV41ForCausalLM")}));
  EXPECT_NE(Sentence().find("DeepSeek-V4.1 is another architecture than V4"), std::string::npos);
}

TEST_F(CheckpointErrors, FilesThatAreNoJson) {
  WriteTestFile(File("model.safetensors.index.json"), std::string("\xFF\xFE\0\0", 4));
  EXPECT_TRUE(Sentence().starts_with(File("model.safetensors.index.json") + ": JSON is malformed at byte "));
  WriteTestFile(File("config.json"), "{\"architectures\": ");
  EXPECT_TRUE(Sentence().starts_with(File("config.json") + ": JSON is malformed at byte "));
}

}  // namespace
}  // namespace fathom
