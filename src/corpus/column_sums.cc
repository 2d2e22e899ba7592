#include "corpus/column_sums.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace fathom {
namespace {

// The decimal digits from the right; 0 beyond the first.
int64_t DigitFromRight(const std::string& digits, size_t column) {
  return column < digits.size() ? digits[digits.size() - 1 - column] - '0' : 0;
}

}  // namespace

std::string ThinkSum(int64_t a, int64_t b) {
  if (a < 10 && b < 10) return StrCat(a, "+", b, "=", a + b);
  const std::string left = StrCat(a);
  const std::string right = StrCat(b);
  const size_t columns = std::max(left.size(), right.size());
  std::string out = StrCat(a, "+", b);
  std::string known;
  int64_t carry = 0;
  for (size_t column = 0; column < columns; ++column) {
    const int64_t x = DigitFromRight(left, column);
    const int64_t y = DigitFromRight(right, column);
    const int64_t sum = x + y + carry;
    known = StrCat(column + 1 == columns ? sum : sum % 10, known);
    out += StrCat("\n", x, "+", y, "+", carry, "=", sum, "→", known);
    carry = sum / 10;
  }
  return out;
}

std::string ThinkDifference(int64_t a, int64_t b) {
  if (a < 10 && b < 10) return StrCat(a, "-", b, "=", a - b);
  if (a < b) return StrCat(a, "-", b, "=-(", b, "-", a, ")\n", ThinkDifference(b, a));
  const std::string left = StrCat(a);
  const std::string right = StrCat(b);
  std::string out = StrCat(a, "-", b);
  std::string known;
  int64_t borrow = 0;
  for (size_t column = 0; column < left.size(); ++column) {
    const int64_t x = DigitFromRight(left, column);
    const int64_t y = DigitFromRight(right, column);
    const int64_t difference = x - y - borrow;
    known = StrCat((difference + 10) % 10, known);
    out += StrCat("\n", x, "-", y, "-", borrow, "=", difference, "→", known);
    borrow = difference < 0 ? 1 : 0;
  }
  return out;
}

std::string ThinkProduct(int64_t a, int64_t b) {
  FATHOM_CHECK(b < 10);
  if (a < 10) return StrCat(a, "×", b, "=", a * b);
  const std::string left = StrCat(a);
  std::string out = StrCat(a, "×", b);
  std::string known;
  int64_t carry = 0;
  for (size_t column = 0; column < left.size(); ++column) {
    const int64_t x = DigitFromRight(left, column);
    const int64_t product = x * b;
    const int64_t sum = product + carry;
    known = StrCat(column + 1 == left.size() ? sum : sum % 10, known);
    out += StrCat("\n", x, "×", b, "=", product, " ", product, "+", carry, "=", sum, "→", known);
    carry = sum / 10;
  }
  return out;
}

}  // namespace fathom
