#include "base/utf8.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

using Kind = Utf8Char::Kind;

TEST(Utf8, EveryCodePointReadsBackWhatWasWritten) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    AppendUtf8(code_point, &text);
    const Utf8Char read = ReadUtf8(text);
    ASSERT_EQ(read.kind, Kind::kValid) << static_cast<uint32_t>(code_point);
    ASSERT_EQ(read.code_point, code_point);
    ASSERT_EQ(read.size, text.size());
  }
}

TEST(Utf8, EveryTruncatedCharacterIsIncomplete) {
  for (char32_t code_point = 0x80; code_point <= 0x10FFFF; code_point += 61) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    AppendUtf8(code_point, &text);
    for (size_t size = 1; size < text.size(); ++size) {
      const Utf8Char read = ReadUtf8(std::string_view{text}.substr(0, size));
      ASSERT_EQ(read.kind, Kind::kIncomplete) << static_cast<uint32_t>(code_point) << " cut at " << size;
      ASSERT_EQ(read.size, size);
    }
  }
}

// The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
TEST(Utf8, RepairSubstitutesMaximalSubparts) {
  const std::string r(kReplacementUtf8);
  EXPECT_EQ(RepairUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(RepairUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(RepairUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(RepairUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(RepairUtf8("plain ascii, longer than a word \xF0\x9F\x98"), "plain ascii, longer than a word " + r);
}

TEST(Utf8, ValidityAgreesWithRepair) {
  for (const std::string_view text : {"", "abc", "\xE4\xBD\xA0", "abcdefgh\xF0\x9F\x98\x80z"}) {
    EXPECT_TRUE(IsValidUtf8(text));
    EXPECT_EQ(RepairUtf8(text), text);
  }
  for (const std::string_view text : {"\x80", "abc\xE4\xBD", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(IsValidUtf8(text));
    EXPECT_TRUE(IsValidUtf8(RepairUtf8(text)));
  }
}

TEST(Utf8, SurrogatesAndOverlargeValuesAreWrittenAsReplacement) {
  for (const char32_t code_point : {char32_t{0xD800}, char32_t{0xDFFF}, char32_t{0x110000}}) {
    std::string text;
    AppendUtf8(code_point, &text);
    EXPECT_EQ(text, kReplacementUtf8);
  }
}

}  // namespace
}  // namespace fathom
