#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string_view>

namespace fathom {
namespace {

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(Sha256, KnownDigestsInAnyPieces) {
  if (!Sha256::Available()) GTEST_SKIP() << "this build has no SHA-256";
  Sha256 empty;
  EXPECT_EQ(empty.HexDigest(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 abc;
  abc.Update(Bytes("a"));
  abc.Update({});
  abc.Update(Bytes("bc"));
  EXPECT_EQ(abc.HexDigest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace fathom
