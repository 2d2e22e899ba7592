#include "base/strings.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(Strings, StrCatMixesTextCharactersAndNumbers) {
  EXPECT_EQ(StrCat("tensor ", std::string("x"), ' ', -3, " of ", uint64_t{18446744073709551615U}),
            "tensor x -3 of 18446744073709551615");
  EXPECT_EQ(StrCat(), "");
}

TEST(Strings, StrFormatOfAnyLength) {
  EXPECT_EQ(StrFormat("%5.2f|%s", 1.005, "x"), " 1.00|x");
  EXPECT_EQ(StrFormat("%s", std::string(10'000, 'a').c_str()), std::string(10'000, 'a'));
  EXPECT_EQ(StrFormat("%s", ""), "");
}

TEST(Strings, HumanBytesHasThreeDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.00 kB");
  EXPECT_EQ(HumanBytes(12'345'678), "12.3 MB");
  EXPECT_EQ(HumanBytes(999'499'999), "999 MB");
  EXPECT_EQ(HumanBytes(999'500'000), "1.00 GB");
  EXPECT_EQ(HumanBytes(160'000'000'000), "160 GB");
  EXPECT_EQ(HumanBytes(18446744073709551615U), "18.4 EB");
}

TEST(Strings, PrintableCannotMoveTheCursor) {
  EXPECT_EQ(Printable("a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
  EXPECT_EQ(Printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  EXPECT_EQ(Printable("abc", 3), "abc");
}

TEST(Strings, TrimSpacesKeepsWhatIsInside) {
  EXPECT_EQ(TrimSpaces(" \t a b\t "), "a b");
  EXPECT_EQ(TrimSpaces(" \t"), "");
  EXPECT_EQ(TrimSpaces("\na"), "\na");
}

TEST(Strings, EqualsIgnoringCaseOfAsciiLettersOnly) {
  EXPECT_TRUE(EqualsIgnoringCase("GZip", "gzIP"));
  EXPECT_FALSE(EqualsIgnoringCase("gzip", "gzi"));
  EXPECT_FALSE(EqualsIgnoringCase("[", "{"));
}

}  // namespace
}  // namespace fathom
