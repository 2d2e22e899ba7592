#include "apps/builtin_tools.h"

#include <charconv>
#include <cmath>
#include <ctime>

#include "apps/world_clock.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

constexpr size_t kMaxExpressionBytes = 1000;
constexpr int kMaxDepth = 100;

//   sum     = product { (+|-) product }
//   product = factor { (*|/) factor }
//   factor  = { +|- } ( number | "(" sum ")" )
class Calculator {
 public:
  explicit Calculator(std::string_view text) : text_(text) {}

  Result<double> Value() {
    FATHOM_ASSIGN_OR_RETURN(const double value, Sum());
    SkipSpaces();
    if (at_ < text_.size()) return Unexpected("an operator");
    return value;
  }

 private:
  void SkipSpaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }

  bool Take(std::string_view symbol) {
    SkipSpaces();
    if (!text_.substr(at_).starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  Status Unexpected(std::string_view expected) const {
    if (at_ >= text_.size()) return InvalidArgument(StrCat("the expression ends where ", expected, " is expected"));
    const std::string_view found = text_.substr(at_, ReadUtf8(text_.substr(at_)).size);
    return InvalidArgument(StrCat("found \"", Printable(found), "\" where ", expected,
                                  " is expected; accepted are numbers, + - * / and parentheses"));
  }

  static Result<double> InRange(double value) {
    if (!std::isfinite(value)) return InvalidArgument("the value is too large");
    return value;
  }

  Result<double> Sum() {
    FATHOM_ASSIGN_OR_RETURN(double value, Product());
    while (true) {
      if (Take("+")) {
        FATHOM_ASSIGN_OR_RETURN(const double right, Product());
        value += right;
      } else if (Take("-") || Take("−")) {
        FATHOM_ASSIGN_OR_RETURN(const double right, Product());
        value -= right;
      } else {
        return InRange(value);
      }
    }
  }

  Result<double> Product() {
    FATHOM_ASSIGN_OR_RETURN(double value, Factor());
    while (true) {
      if (Take("*") || Take("×")) {
        FATHOM_ASSIGN_OR_RETURN(const double right, Factor());
        value *= right;
      } else if (Take("/") || Take("÷")) {
        FATHOM_ASSIGN_OR_RETURN(const double right, Factor());
        if (right == 0) return InvalidArgument("division by zero");
        value /= right;
      } else {
        return InRange(value);
      }
    }
  }

  Result<double> Factor() {
    double sign = 1;
    while (true) {
      if (Take("-") || Take("−")) {
        sign = -sign;
      } else if (!Take("+")) {
        break;
      }
    }
    if (!Take("(")) {
      FATHOM_ASSIGN_OR_RETURN(const double number, Number());
      return sign * number;
    }
    if (++depth_ > kMaxDepth) {
      return InvalidArgument(StrCat("the parentheses are nested more than ", kMaxDepth, " deep"));
    }
    FATHOM_ASSIGN_OR_RETURN(const double value, Sum());
    if (!Take(")")) return Unexpected("an operator or \")\"");
    --depth_;
    return sign * value;
  }

  Result<double> Number() {
    const size_t begin = at_;
    const auto skip_digits = [&] {
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    };
    skip_digits();
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      skip_digits();
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, value);
    if (error == std::errc::result_out_of_range) return InvalidArgument("a number is too large or too small");
    if (error != std::errc() || end != text_.data() + at_) {
      at_ = begin;
      return Unexpected("a number");
    }
    return value;
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

Json Tool(std::string name, std::string description, const std::string& parameter) {
  const Json schema = Json::Object({{"type", Json::String("string")}});
  return Json::Object({{"name", Json::String(std::move(name))},
                       {"description", Json::String(std::move(description))},
                       {"parameters", Json::Object({{"type", Json::String("object")},
                                                    {"properties", Json::Object({{parameter, schema}})},
                                                    {"required", Json::Array({Json::String(parameter)})}})}});
}

// A number is taken for its text: models leave out the quotes.
Result<std::string> Argument(const Json& arguments, std::string_view name) {
  const Json* value = arguments.Find(name);
  if (value != nullptr && value->is_string()) return value->string();
  if (value != nullptr && value->is_number()) return value->number_text();
  return InvalidArgument(StrCat("the parameter ", name, " is missing; expected a string"));
}

Result<std::string> Call(std::string_view name, const Json& arguments) {
  if (name == "calculator") {
    FATHOM_ASSIGN_OR_RETURN(const std::string expression, Argument(arguments, "expression"));
    return Calculate(expression);
  }
  if (name == "get_time") {
    FATHOM_ASSIGN_OR_RETURN(const std::string place, Argument(arguments, "timezone"));
    return TimeAt(place, std::time(nullptr));
  }
  return NotFound(StrCat("there is no built-in tool called ", Printable(name, 40)));
}

}  // namespace

const std::vector<Json>& BuiltinToolSchemas() {
  static const std::vector<Json>& schemas = *new std::vector<Json>{
      Tool("calculator", "Calculate an expression", "expression"), Tool("get_time", "Time in a city", "timezone")};
  return schemas;
}

std::string CallBuiltinTool(std::string_view name, const Json& arguments) {
  Result<std::string> result = Call(name, arguments);
  return result.ok() ? std::move(*result) : RepairUtf8(StrCat("error: ", result.status().message()));
}

Result<std::string> Calculate(std::string_view expression) {
  if (expression.size() > kMaxExpressionBytes) {
    return InvalidArgument(
        StrCat("the expression has ", expression.size(), " bytes; at most ", kMaxExpressionBytes, " are accepted"));
  }
  FATHOM_ASSIGN_OR_RETURN(double value, Calculator(expression).Value());
  constexpr double kExactIntegers = 9007199254740992;  // 2^53
  if (value == 0) value = 0;                           // no "-0"
  const bool exact = value == std::trunc(value) && std::abs(value) < kExactIntegers;
  return StrFormat(exact ? "%.0f" : "%.15g", value);
}

}  // namespace fathom
