// Small files that take much memory: too long ones are refused, and what is short of memory says so and ends.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// `bytes` of JSON, three of which take a hundred in memory.
std::string NestedArrays(std::string beginning, size_t bytes) {
  beginning.reserve(bytes + 8);
  beginning += "[";
  while (beginning.size() < bytes) beginning += "[],";
  return beginning + "[]]}";
}

// A directory with a configuration, an index and no shards.
void WriteIndexOnly(const std::string& model, std::string_view index) {
  WriteTestFile(model + "/config.json", ReadTestFile(SyntheticModelDirectory() + "/config.json"));
  WriteTestFile(model + "/model.safetensors.index.json", index);
}

TEST(MemoryLimit, RunningOutIsASentence) {
  RunOptions options;
  options.address_space_bytes = 1'500'000'000;
  if (RunFathom({"--version"}, options).exit_code != 0) GTEST_SKIP() << "a sanitizer or emulator needs more by itself";
  const TemporaryDirectory directory;
  WriteIndexOnly(directory / "model", NestedArrays(R"({"weight_map": {}, "x": )", 30'000'000));
  WriteTestFile(directory / "conversation.json", NestedArrays(R"({"messages": [], "x": )", 60'000'000));
  const std::vector<std::vector<std::string>> commands = {
      {"inspect", directory / "model"},
      {"verify", "encoding", directory / "conversation.json"},
      {"chat", "--model", SyntheticModelDirectory(), "--load", directory / "conversation.json"},
  };
  for (const std::vector<std::string>& command : commands) {
    const RunResult result = RunFathom(command, options);
    EXPECT_EQ(result.exit_code, 3) << command[0] << " " << result;
    EXPECT_EQ(result.err, "fathom: out of memory\n") << command[0];
    EXPECT_EQ(result.out, "") << command[0];
  }
}

TEST(MemoryLimit, LongFilesAreNotRead) {
  const TemporaryDirectory directory;
  WriteIndexOnly(directory / "model", "");
  const std::string index = directory / "model/model.safetensors.index.json";
  std::filesystem::resize_file(index, (32u << 20) + 1);
  const std::string conversation = directory / "conversation.json";
  WriteTestFile(conversation, "");
  std::filesystem::resize_file(conversation, (64u << 20) + 1);
  const auto expect_refused = [](const std::vector<std::string>& command, const std::string& file, size_t most) {
    const RunResult result = RunFathom(command);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.err,
              StrCat("fathom: ", file, ": is ", most + 1, " bytes long; at most ", most, " are accepted\n"));
  };
  expect_refused({"inspect", directory / "model"}, index, 32u << 20);
  expect_refused({"verify", "encoding", conversation}, conversation, 64u << 20);
  expect_refused({"chat", "--model", SyntheticModelDirectory(), "--load", conversation}, conversation, 64u << 20);
}

}  // namespace
}  // namespace fathom
