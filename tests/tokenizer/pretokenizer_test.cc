#include "tokenizer/pretokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/unicode_classes.h"
#ifdef FATHOM_HAVE_PCRE2
#include "tests/support/split_oracle.h"
#endif

namespace fathom {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces Split(std::string_view text) {
  Pieces pieces;
  PieceScanner scanner(text);
  std::string_view piece;
  while (scanner.Next(&piece)) pieces.push_back(piece);
  return pieces;
}

TEST(Pretokenizer, EmptyTextHasNoPieces) { EXPECT_EQ(Split(""), Pieces{}); }

TEST(Pretokenizer, DigitsAreCutInThreesFromTheLeft) {
  EXPECT_EQ(Split("1234567"), (Pieces{"123", "456", "7"}));
  EXPECT_EQ(Split("a1b22"), (Pieces{"a", "1", "b", "22"}));
  EXPECT_EQ(Split(" 12"), (Pieces{" ", "12"}));
  EXPECT_EQ(Split("½²٣１x"), (Pieces{"½²٣", "１", "x"}));
}

TEST(Pretokenizer, HanAndKanaAreSeparated) {
  EXPECT_EQ(Split("abc你好。def"), (Pieces{"abc", "你好", "。", "def"}));
  EXPECT_EQ(Split("ア・イ"), (Pieces{"ア", "・", "イ"}));
  EXPECT_EQ(Split(" 你"), (Pieces{" ", "你"}));
  // U+9FA6 is beyond the range of the second pattern: an ordinary letter.
  EXPECT_EQ(Split("龥龦a"), (Pieces{"龥", "龦a"}));
}

TEST(Pretokenizer, OneAsciiPunctuationTakesAsciiLetters) {
  EXPECT_EQ(Split("a._name"), (Pieces{"a", "._", "name"}));
  EXPECT_EQ(Split(".b.é"), (Pieces{".b", ".", "é"}));
  EXPECT_EQ(Split("<tagé"), (Pieces{"<tag", "é"}));
}

TEST(Pretokenizer, OneLeadingCharacterJoinsAWord) {
  EXPECT_EQ(Split("a b\tc\u00A0d"), (Pieces{"a", " b", "\tc", "\u00A0d"}));
  EXPECT_EQ(Split("\u200Bx"), (Pieces{"\u200Bx"}));
  EXPECT_EQ(Split("\u0301x"), (Pieces{"\u0301x"}));
  EXPECT_EQ(Split("\nx"), (Pieces{"\n", "x"}));
}

TEST(Pretokenizer, PunctuationTakesASpaceBeforeAndNewlinesBehind) {
  EXPECT_EQ(Split(" !?\r\n\nx"), (Pieces{" !?\r\n\n", "x"}));
  EXPECT_EQ(Split("\t!"), (Pieces{"\t", "!"}));
}

TEST(Pretokenizer, WhiteSpaceLeavesItsLastCharacterToTheNextPiece) {
  EXPECT_EQ(Split("   word"), (Pieces{"  ", " word"}));
  EXPECT_EQ(Split("  \n  word"), (Pieces{"  \n", " ", " word"}));
  EXPECT_EQ(Split("word   "), (Pieces{"word", "   "}));
  EXPECT_EQ(Split("  1"), (Pieces{"  ", "1"}));
  EXPECT_EQ(Split("\u3000\u3000!"), (Pieces{"\u3000", "\u3000", "!"}));
  EXPECT_EQ(Split("a\r\nb"), (Pieces{"a", "\r\n", "b"}));
}

TEST(Pretokenizer, UnmatchedCharactersAreOnePiece) {
  EXPECT_EQ(Split("\x01\x02\x03!"), (Pieces{"\x01\x02\x03", "!"}));
  EXPECT_EQ(Split("\x01\x02x"), (Pieces{"\x01", "\x02x"}));
  EXPECT_EQ(Split("\u200B\u200B"), (Pieces{"\u200B\u200B"}));
}

#ifdef FATHOM_HAVE_PCRE2

// Characters at the borders of every rule, each often enough to meet every other.
std::vector<char32_t> TrickyCharacters() {
  std::vector<char32_t> characters;
  for (char32_t c = 0; c < 0x80; ++c) characters.push_back(c);
  for (const char32_t c :
       {0x85,   0xA0,   0xAD,    0xAA,    0xB2,    0xBD,    0xD7,    0xE9,    0x300,   0x301,    0x378,
        0x3B1,  0x663,  0x600,   0x5D0,   0x93F,   0x1680,  0x2000,  0x200A,  0x200B,  0x200D,   0x2028,
        0x2029, 0x202F, 0x205F,  0x2060,  0x20DD,  0x2168,  0x3000,  0x3001,  0x3007,  0x303F,   0x3040,
        0x3041, 0x3097, 0x3099,  0x309B,  0x309F,  0x30A0,  0x30A1,  0x30FB,  0x30FF,  0x3100,   0x4DBF,
        0x4DC0, 0x4DFF, 0x4E00,  0x9FA5,  0x9FA6,  0xAC00,  0xE000,  0xFE0F,  0xFEFF,  0xFF11,   0xFF5C,
        0xFFFD, 0xFFFF, 0x10000, 0x1D7CE, 0x1F600, 0x1F3FD, 0x20000, 0xE0001, 0xE0100, 0x10FFFD, 0x10FFFF}) {
    characters.push_back(c);
  }
  for (int copies = 0; copies < 12; ++copies) {
    for (const char c : std::string_view("a Z1\n\r\t .!_")) characters.push_back(static_cast<char32_t>(c));
  }
  return characters;
}

TEST(Pretokenizer, RandomTextAgreesWithPcre2) {
  const SplitOracle oracle;
  const std::vector<char32_t> characters = TrickyCharacters();
  std::mt19937 random(20240607);
  for (int round = 0; round < 60000; ++round) {
    std::string text;
    const size_t length = 1 + random() % 24;
    for (size_t at = 0; at < length; ++at) AppendUtf8(characters[random() % characters.size()], &text);
    ASSERT_EQ(Split(text), oracle.Split(text)) << testing::PrintToString(text);
  }
}

TEST(Pretokenizer, EveryCodePointBetweenOthersAgreesWithPcre2) {
  const SplitOracle oracle;
  const Pcre2Pattern unassigned("\\p{Cn}");
  for (char32_t code_point = 0; code_point < 0x30000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    if (code_point == kPcre2ExtraSpace) continue;
    std::string c;
    AppendUtf8(code_point, &c);
    size_t begin = 0;
    size_t end = 0;
    // PCRE2's Unicode version is older: what it has not assigned yet may have a class here.
    if (ClassOf(code_point) != CharClass::kOther && unassigned.Find(c, 0, &begin, &end)) continue;
    const std::string text = StrCat("a", c, "b", c, c, " ", c, "!", c, "\n", c, "  ", c, "1", c, "好", c);
    ASSERT_EQ(Split(text), oracle.Split(text)) << "U+" << std::hex << static_cast<uint32_t>(code_point);
  }
}

#endif

}  // namespace
}  // namespace fathom
