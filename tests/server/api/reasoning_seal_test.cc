#include "server/api/reasoning_seal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fathom {
namespace {

std::unique_ptr<ReasoningSeal> OpenSeal(const std::string& file = "") {
  Result<std::unique_ptr<ReasoningSeal>> seal = ReasoningSeal::Open(file);
  EXPECT_TRUE(seal.ok()) << seal.status().message();
  return std::move(*seal);
}

TEST(ReasoningSeal, OpensWhatItSealed) {
  const auto seal = OpenSeal();
  for (const std::string& text : {std::string(), std::string("Hm."), std::string(100'000, 'x')}) {
    const std::string sealed = seal->Seal(text);
    EXPECT_EQ(*seal->Unseal(sealed), text);
    EXPECT_NE(seal->Seal(text), sealed) << "a nonce was used twice";
    EXPECT_TRUE(text.empty() || sealed.find(text) == std::string::npos);
  }
}

TEST(ReasoningSeal, EveryChangeIsNoticed) {
  const auto seal = OpenSeal();
  const std::string sealed = seal->Seal("I should look at the file first.");
  for (size_t at = 0; at < sealed.size(); ++at) {
    std::string changed = sealed;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(seal->Unseal(changed).ok()) << at;
    EXPECT_FALSE(seal->Unseal(sealed.substr(0, at)).ok()) << at;
  }
  EXPECT_FALSE(seal->Unseal(sealed + "A").ok());
  EXPECT_FALSE(seal->Unseal(sealed + "=").ok());
  EXPECT_FALSE(OpenSeal()->Unseal(sealed).ok()) << "another key opened it";
}

TEST(ReasoningSeal, TheKeyOutlivesTheProcess) {
  std::string pattern = (std::filesystem::temp_directory_path() / "fathom-seal-XXXXXX").string();
  const std::string directory = mkdtemp(pattern.data());
  const std::string file = directory + "/key";
  const std::string sealed = OpenSeal(file)->Seal("Hm.");
  struct stat info = {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(*OpenSeal(file)->Unseal(sealed), "Hm.");
  std::ofstream(file, std::ios::trunc) << "short";
  EXPECT_FALSE(ReasoningSeal::Open(file).ok());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace fathom
