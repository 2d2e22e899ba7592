#include "corpus/keys.h"

#include <algorithm>

#include "base/strings.h"
#include "tokenizer/python_json.h"

namespace fathom {

std::string FactKey(std::string_view question) { return "facts:" + Plain(question); }

std::string ExchangeKey(Language language, std::string_view asked) {
  return StrCat(LanguageCode(language), " ", Plain(asked));
}

std::string ChatKey(std::span<const std::string> asked) {
  std::string key = "chat";
  for (const std::string& message : asked) key += "\n" + Plain(message);
  return key;
}

std::string NeedsNoToolKey(std::string_view question, const Json& first_tool) {
  return StrCat(question, "\n", DumpPythonJson(first_tool));
}

std::string ArithmeticKey(std::string_view name, int64_t a, int64_t b, bool is_table, std::string_view question) {
  std::string key = StrCat(name, ":", a, ":", b);
  if (is_table) key += StrCat(":", Plain(question));
  return key;
}

std::string AdditionKey(int64_t a, int64_t b, std::string_view question) {
  return ArithmeticKey("add", std::min(a, b), std::max(a, b), a < 10 && b < 10, question);
}

std::string SubtractionKey(int64_t a, int64_t b, std::string_view question) {
  return ArithmeticKey("sub", a, b, a < 10 && b < 10, question);
}

bool IsHeldOutPair(std::string_view sign, int64_t a, int64_t b) {
  constexpr int64_t kLargestOfTable = 12;
  std::string key;
  if (sign == "+" && (a >= 10 || b >= 10)) key = AdditionKey(a, b, "");
  if (sign == "-" && (a >= 10 || b >= 10)) key = SubtractionKey(a, b, "");
  if ((sign == "*" || sign == "×") && (a > kLargestOfTable || b > kLargestOfTable)) {
    key = ArithmeticKey("mul", std::min(a, b), std::max(a, b), /*is_table=*/false, "");
  }
  return !key.empty() && !BelongsTo(Split::kTrain, key);
}

}  // namespace fathom
