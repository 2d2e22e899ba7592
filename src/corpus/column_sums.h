// column_sums.h - sums worked out digit by digit, as the thinking before an answer.
//
//   ThinkSum(347, 285)
//   347+285
//   7+5+0=12→2      last digits and carry; after the arrow what is known of the result
//   4+8+1=13→32
//   3+2+1=6→632     the first column writes its whole sum
//
// Every step is a copy of two digits, one entry of a table and a copy of the line before with one more digit in front:
// nothing that a small model cannot look up. A missing digit is 0. One-digit sums are one line, "7+5=12".
#ifndef FATHOM_CORPUS_COLUMN_SUMS_H_
#define FATHOM_CORPUS_COLUMN_SUMS_H_

#include <cstdint>
#include <string>

namespace fathom {

// Operands are not negative; no new line at the end.
std::string ThinkSum(int64_t a, int64_t b);
// A negative column borrows: "3-8-1=-6→4". For a < b: "285-632=-(632-285)" and then the columns of 632-285.
std::string ThinkDifference(int64_t a, int64_t b);
// `b` has one digit: "7×6=42 42+0=42→2", product, carry added.
std::string ThinkProduct(int64_t a, int64_t b);

}  // namespace fathom

#endif  // FATHOM_CORPUS_COLUMN_SUMS_H_
