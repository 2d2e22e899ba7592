#include "tokenizer/unicode_classes.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/utf8.h"
#ifdef FATHOM_HAVE_PCRE2
#include "tests/support/split_oracle.h"
#endif

namespace fathom {
namespace {

TEST(UnicodeClasses, KnownCharacters) {
  for (const auto& [code_point, expected] : std::initializer_list<std::pair<char32_t, CharClass>>{
           {'a', CharClass::kLetter},      {0x4E00, CharClass::kLetter},      {0x02B0, CharClass::kLetter},
           {0x0301, CharClass::kMark},     {0xE01EF, CharClass::kMark},       {0x20DD, CharClass::kMark},
           {'7', CharClass::kNumber},      {0x00BD, CharClass::kNumber},      {0x2168, CharClass::kNumber},
           {'_', CharClass::kPunctuation}, {0x3001, CharClass::kPunctuation}, {0x30FB, CharClass::kPunctuation},
           {'$', CharClass::kSymbol},      {0x1F600, CharClass::kSymbol},     {0x309B, CharClass::kSymbol},
           {'\t', CharClass::kSpace},      {0x85, CharClass::kSpace},         {0x3000, CharClass::kSpace},
           {0x2028, CharClass::kSpace},    {0x200B, CharClass::kOther},       {0xFEFF, CharClass::kOther},
           {0x1F, CharClass::kOther},      {0xD800, CharClass::kOther},       {0xE000, CharClass::kOther},
           {0x10FFFF, CharClass::kOther},  {0xFFFFFFFF, CharClass::kOther}}) {
    EXPECT_EQ(ClassOf(code_point), expected) << std::hex << static_cast<uint32_t>(code_point);
  }
}

#ifdef FATHOM_HAVE_PCRE2
// PCRE2's Unicode version is older than ours; only what it has not assigned yet may differ.
TEST(UnicodeClasses, EveryCodePointAgreesWithPcre2) {
  const Pcre2Pattern unassigned("\\p{Cn}");
  const Pcre2Pattern classes[] = {Pcre2Pattern("\\p{L}"), Pcre2Pattern("\\p{M}"), Pcre2Pattern("\\p{N}"),
                                  Pcre2Pattern("\\p{P}"), Pcre2Pattern("\\p{S}"), Pcre2Pattern("\\s")};
  int newly_assigned = 0;
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if ((code_point >= 0xD800 && code_point < 0xE000) || code_point == kPcre2ExtraSpace) continue;
    std::string text;
    AppendUtf8(code_point, &text);
    size_t begin = 0;
    size_t end = 0;
    unsigned expected = 0;
    for (unsigned at = 0; at < 6; ++at) {
      if (classes[at].Find(text, 0, &begin, &end)) expected = at + 1;
    }
    const auto found = static_cast<unsigned>(ClassOf(code_point));
    if (found == expected) continue;
    ASSERT_TRUE(unassigned.Find(text, 0, &begin, &end)) << "U+" << std::hex << static_cast<uint32_t>(code_point)
                                                        << " has class " << found << ", PCRE2 says " << expected;
    ++newly_assigned;
  }
  RecordProperty("assigned_since_pcre2", newly_assigned);
  EXPECT_LT(newly_assigned, 20000);
}
#endif

}  // namespace
}  // namespace fathom
