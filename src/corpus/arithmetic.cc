// Sums of whole numbers, half of them worked out column by column in the thinking, half answered at once.
#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "corpus/column_sums.h"
#include "corpus/keys.h"
#include "corpus/phrases.h"
#include "corpus/subjects.h"

namespace fathom {
namespace {

constexpr ByLanguage kAskSum = {
    "What is {a} + {b}?|{a}+{b}=|{a} + {b}|{a}+{b}|{a} + {b} = ?|Calculate {a} + {b}.|How much is {a} + {b}?|"
    "What is {a} plus {b}?|Add {a} and {b}.|What is the sum of {a} and {b}?|Compute {a}+{b}.|{a} plus {b}|{a}+{b}?|"
    "How much is {a} plus {b}?|What's {a}+{b}?|{a}+{b}=?",
    "{a}加{b}等于多少？|{a}+{b}等于多少？|{a}+{b}等于几？|计算{a}+{b}。|{a}加{b}是多少？|请计算{a}加{b}。|{a}和{b}"
    "的和是多少？",
    "Was ist {a} plus {b}?|Was ist {a} + {b}?|Wie viel ist {a} + {b}?|Berechne {a} + {b}.|Wie viel ist {a} plus {b}?|"
    "Rechne {a}+{b} aus.|Addiere {a} und {b}.",
    "Combien font {a} + {b} ?|Combien font {a} plus {b} ?|Calcule {a} + {b}.|Quelle est la somme de {a} et {b} ?|"
    "Additionne {a} et {b}.|Combien fait {a}+{b} ?",
    "¿Cuánto es {a} + {b}?|¿Cuánto es {a} más {b}?|Calcula {a} + {b}.|¿Cuál es la suma de {a} y {b}?|Suma {a} y {b}.|"
    "¿Cuánto suman {a} y {b}?",
    "{a}+{b}はいくつですか？|{a}足す{b}はいくつですか？|{a}たす{b}は？|{a}+{b}を計算してください。|{a}と{b}"
    "の和はいくつですか？|"
    "{a}+{b}は？",
};
constexpr ByLanguage kAskDifference = {
    "What is {a} - {b}?|{a}-{b}=|{a} - {b}|{a}-{b}|{a} - {b} = ?|Calculate {a} - {b}.|How much is {a} - {b}?|"
    "What is {a} minus {b}?|Subtract {b} from {a}.|What is the difference of {a} and {b}?|Compute {a}-{b}.|"
    "{a} minus {b}|{a}-{b}?|How much is {a} minus {b}?|What's {a}-{b}?|{a}-{b}=?",
    "{a}减{b}等于多少？|{a}-{b}等于多少？|{a}-{b}等于几？|计算{a}-{b}。|{a}减{b}是多少？|请计算{a}减{b}。|{a}减去{b}"
    "是多少？",
    "Was ist {a} minus {b}?|Was ist {a} - {b}?|Wie viel ist {a} - {b}?|Berechne {a} - {b}.|"
    "Wie viel ist {a} minus {b}?|Rechne {a}-{b} aus.|Ziehe {b} von {a} ab.",
    "Combien font {a} - {b} ?|Combien font {a} moins {b} ?|Calcule {a} - {b}.|Soustrais {b} de {a}.|"
    "Combien fait {a}-{b} ?",
    "¿Cuánto es {a} - {b}?|¿Cuánto es {a} menos {b}?|Calcula {a} - {b}.|Resta {b} de {a}.|¿Cuánto da {a}-{b}?",
    "{a}-{b}はいくつですか？|{a}引く{b}はいくつですか？|{a}ひく{b}は？|{a}-{b}を計算してください。|{a}から{b}"
    "を引くといくつですか？|"
    "{a}-{b}は？",
};
constexpr ByLanguage kAskProduct = {
    "What is {a} × {b}?|{a}*{b}=|{a} * {b}|{a}×{b}|{a} x {b} = ?|Calculate {a} * {b}.|How much is {a} times {b}?|"
    "What is {a} times {b}?|Multiply {a} by {b}.|What is the product of {a} and {b}?|What is {a} * {b}?|{a} times {b}|"
    "{a}x{b}?|What's {a}*{b}?|{a}*{b}=?",
    "{a}乘以{b}等于多少？|{a}×{b}等于多少？|{a}乘{b}等于几？|计算{a}×{b}。|{a}乘{b}是多少？|请计算{a}*{b}。",
    "Was ist {a} mal {b}?|Was ist {a} × {b}?|Wie viel ist {a} mal {b}?|Berechne {a} * {b}.|Wie viel ist {a} × {b}?|"
    "Multipliziere {a} mit {b}.",
    "Combien font {a} × {b} ?|Combien font {a} fois {b} ?|Calcule {a} × {b}.|Multiplie {a} par {b}.|"
    "Combien fait {a}*{b} ?",
    "¿Cuánto es {a} × {b}?|¿Cuánto es {a} por {b}?|Calcula {a} × {b}.|Multiplica {a} por {b}.|¿Cuánto da {a}*{b}?",
    "{a}×{b}はいくつですか？|{a}掛ける{b}はいくつですか？|{a}かける{b}は？|{a}×{b}を計算してください。|{a}*{b}は？",
};
constexpr ByLanguage kAskQuotient = {
    "What is {a} / {b}?|{a}/{b}=|{a} / {b}|{a}÷{b}|{a} ÷ {b} = ?|Calculate {a} / {b}.|How much is {a} divided by {b}?|"
    "What is {a} divided by {b}?|Divide {a} by {b}.|What is {a} ÷ {b}?|{a} divided by {b}|What's {a}/{b}?",
    "{a}除以{b}等于多少？|{a}÷{b}等于多少？|{a}除以{b}等于几？|计算{a}÷{b}。|请计算{a}/{b}。",
    "Was ist {a} geteilt durch {b}?|Was ist {a} : {b}?|Wie viel ist {a} geteilt durch {b}?|Berechne {a} / {b}.|"
    "Teile {a} durch {b}.",
    "Combien font {a} ÷ {b} ?|Combien font {a} divisé par {b} ?|Calcule {a} / {b}.|Divise {a} par {b}.",
    "¿Cuánto es {a} ÷ {b}?|¿Cuánto es {a} entre {b}?|Calcula {a} / {b}.|Divide {a} entre {b}.",
    "{a}÷{b}はいくつですか？|{a}割る{b}はいくつですか？|{a}わる{b}は？|{a}÷{b}を計算してください。|{a}/{b}は？",
};
constexpr ByLanguage kRemainder = {" remainder ", "余", " Rest ", " reste ", " resto ", "余り"};
constexpr ByLanguage kAskChain = {
    "What is {e}?|{e}=|{e}|{e} = ?|Calculate {e}.|How much is {e}?|Compute {e}.|What's {e}?",
    "{e}等于多少？|{e}等于几？|计算{e}。|请计算{e}。",
    "Was ist {e}?|Wie viel ist {e}?|Berechne {e}.|Rechne {e} aus.",
    "Combien font {e} ?|Calcule {e}.|Combien fait {e} ?",
    "¿Cuánto es {e}?|Calcula {e}.|¿Cuánto da {e}?",
    "{e}はいくつですか？|{e}を計算してください。|{e}は？",
};
constexpr ByLanguage kAskLarger = {
    "Which is larger, {a} or {b}?|Which number is bigger: {a} or {b}?|What is larger, {a} or {b}?|"
    "Which is greater: {a} or {b}?|Is {a} or {b} larger?",
    "{a}和{b}哪个大？|{a}和{b}哪个更大？|{a}与{b}，哪个数比较大？",
    "Was ist größer, {a} oder {b}?|Welche Zahl ist größer: {a} oder {b}?",
    "Quel nombre est le plus grand : {a} ou {b} ?|Qui est plus grand, {a} ou {b} ?",
    "¿Qué número es mayor, {a} o {b}?|¿Cuál es mayor: {a} o {b}?",
    "{a}と{b}はどちらが大きいですか？|{a}と{b}、大きいのはどちらですか？",
};
constexpr ByLanguage kLarger = {"The larger number is {v}.", "较大的数是{v}。",         "Die größere Zahl ist {v}.",
                                "Le plus grand est {v}.",    "El número mayor es {v}.", "大きいのは{v}です。"};
constexpr ByLanguage kAskSmaller = {
    "Which is smaller, {a} or {b}?|Which number is smaller: {a} or {b}?|What is less, {a} or {b}?|"
    "Is {a} or {b} smaller?",
    "{a}和{b}哪个小？|{a}和{b}哪个更小？|{a}与{b}，哪个数比较小？",
    "Was ist kleiner, {a} oder {b}?|Welche Zahl ist kleiner: {a} oder {b}?",
    "Quel nombre est le plus petit : {a} ou {b} ?|Qui est plus petit, {a} ou {b} ?",
    "¿Qué número es menor, {a} o {b}?|¿Cuál es menor: {a} o {b}?",
    "{a}と{b}はどちらが小さいですか？|{a}と{b}、小さいのはどちらですか？",
};
constexpr ByLanguage kSmaller = {"The smaller number is {v}.", "较小的数是{v}。",         "Die kleinere Zahl ist {v}.",
                                 "Le plus petit est {v}.",     "El número menor es {v}.", "小さいのは{v}です。"};
constexpr ByLanguage kStop = {".", "。", ".", ".", ".", "。"};

// What is asked and how it is answered, before it becomes a dialogue.
struct Sum {
  Language language = Language::kEn;
  std::string question;
  std::string answer;
  std::string thought;
  std::string check;  // appended to the thought at the highest effort
  std::string key;
  AnswerCheck judged = AnswerCheck::kNumber;
  std::string expected;
};

Draft Finish(CorpusRandom& random, Sum sum) {
  Draft draft;
  draft.key = std::move(sum.key);
  Dialogue& dialogue = draft.dialogue;
  dialogue =
      QuestionAndAnswer(sum.language, AsTyped(random, sum.language, std::move(sum.question)), std::move(sum.answer));
  dialogue.check = sum.judged;
  dialogue.expected = std::move(sum.expected);
  MaybeThink(random, 0.5, sum.thought, &dialogue);
  if (dialogue.effort == "max" && !sum.check.empty()) {
    dialogue.messages.back().reasoning_content += StrCat("\nCheck: ", sum.check);
  }
  MaybeSystem(random, 0.1, sum.language, &dialogue);
  return draft;
}

std::string Ask(CorpusRandom& random, const ByLanguage& asks, Language language, int64_t a, int64_t b) {
  return Fill(Alternative(random, In(asks, language)), {{"a", StrCat(a)}, {"b", StrCat(b)}});
}

std::string Equation(Language language, int64_t a, std::string_view sign, int64_t b, std::string_view result) {
  return StrCat(a, " ", sign, " ", b, " = ", result, In(kStop, language));
}

int64_t NumberOf(CorpusRandom& random, int digits) {
  int64_t low = 1;
  for (int digit = 1; digit < digits; ++digit) low *= 10;
  return random.Between(low == 1 ? 0 : low, low * 10 - 1);
}

// A number of `digits` and one of as many or fewer.
std::pair<int64_t, int64_t> Operands(CorpusRandom& random, int digits) {
  const int64_t first = NumberOf(random, digits);
  const int fewer = static_cast<int>(random.Between(1, digits));
  return {first, NumberOf(random, random.Chance(0.7) ? digits : fewer)};
}

template <int kDigits>
Draft Add(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  auto [a, b] = Operands(random, kDigits == 2 && random.Chance(0.15) ? 1 : kDigits);
  if (random.Chance(0.5)) std::swap(a, b);
  Sum sum;
  sum.language = language;
  sum.question = Ask(random, kAskSum, language, a, b);
  sum.expected = StrCat(a + b);
  sum.answer = Equation(language, a, "+", b, sum.expected);
  sum.thought = ThinkSum(a, b);
  sum.check = ThinkSum(b, a);
  sum.key = AdditionKey(a, b, sum.question);
  return Finish(random, std::move(sum));
}

template <int kDigits>
Draft Subtract(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  int64_t a;
  int64_t b;
  do {  // below zero the thought is of the turned difference
    std::tie(a, b) = Operands(random, kDigits == 2 && random.Chance(0.15) ? 1 : kDigits);
    if ((a < b) != random.Chance(0.07)) std::swap(a, b);
  } while (a < b && IsHeldOutPair("-", b, a));
  Sum sum;
  sum.language = language;
  sum.question = Ask(random, kAskDifference, language, a, b);
  sum.expected = StrCat(a - b);
  sum.answer = Equation(language, a, "-", b, sum.expected);
  sum.thought = ThinkDifference(a, b);
  const int64_t smaller = std::min(a, b);
  const int64_t rest = std::max(a, b) - smaller;
  if (!IsHeldOutPair("+", rest, smaller)) sum.check = ThinkSum(rest, smaller);
  sum.key = SubtractionKey(a, b, sum.question);
  return Finish(random, std::move(sum));
}

Draft Multiply(CorpusRandom& random, int64_t a, int64_t b, bool is_table) {
  const Language language = PickLanguage(random);
  if (random.Chance(0.5)) std::swap(a, b);
  Sum sum;
  sum.language = language;
  sum.question = Ask(random, kAskProduct, language, a, b);
  sum.expected = StrCat(a * b);
  sum.answer = Equation(language, a, "×", b, sum.expected);
  sum.thought = is_table ? StrCat(a, "×", b, "=", a * b) : ThinkProduct(std::max(a, b), std::min(a, b));
  sum.check = sum.thought;
  sum.key = ArithmeticKey("mul", std::min(a, b), std::max(a, b), is_table, sum.question);
  return Finish(random, std::move(sum));
}

Draft MultiplyByTable(CorpusRandom& random) {
  const int64_t a = random.Between(2, 12);
  const int64_t b = random.Between(2, 12);
  return Multiply(random, a, b, /*is_table=*/true);
}

Draft MultiplyLonger(CorpusRandom& random) {
  const int64_t a = random.Between(13, 99);
  const int64_t b = random.Between(2, 9);
  return Multiply(random, a, b, /*is_table=*/false);
}

Draft Divide(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  int64_t b;
  int64_t quotient;
  int64_t rest;
  do {
    b = random.Between(2, 12);
    quotient = random.Between(1, 12);
    rest = random.Chance(0.5) ? 0 : random.Between(1, b - 1);
  } while (IsHeldOutPair("-", b * quotient + rest, b * quotient));
  const int64_t a = b * quotient + rest;
  Sum sum;
  sum.language = language;
  sum.question = Ask(random, kAskQuotient, language, a, b);
  sum.expected = rest == 0 ? StrCat(quotient) : StrCat(quotient, In(kRemainder, language), rest);
  sum.answer = Equation(language, a, "/", b, sum.expected);
  if (rest > 0) sum.judged = AnswerCheck::kContains;
  sum.thought = StrCat(b, "×", quotient, "=", b * quotient, "\n", a, "-", b * quotient, "=", rest);
  if (!IsHeldOutPair("+", b * quotient, rest)) sum.check = StrCat(b * quotient, "+", rest, "=", a);
  sum.key = ArithmeticKey("div", a, b, rest == 0, sum.question);
  return Finish(random, std::move(sum));
}

// "347 374: 3=3, 4<7, 374 is larger"; by their counts of digits if these differ.
std::string ThinkComparison(int64_t a, int64_t b) {
  const std::string left = StrCat(a);
  const std::string right = StrCat(b);
  std::string out;
  if (left.size() != right.size()) {
    out = StrCat(a, " has ", left.size(), " digits, ", b, " has ", right.size());
  } else {
    out = StrCat(a, " ", b, ": ");
    size_t column = 0;
    for (; left[column] == right[column]; ++column) out += StrCat(left[column], "=", right[column], ", ");
    out += StrCat(left[column], left[column] < right[column] ? "<" : ">", right[column]);
  }
  return StrCat(out, ", ", std::max(a, b), " is larger");
}

Draft Compare(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  int64_t a = 0;
  int64_t b = 0;
  while (a == b) {
    const int digits = static_cast<int>(random.Between(1, 4));
    a = NumberOf(random, digits);
    b = NumberOf(random, random.Chance(0.6) ? digits : static_cast<int>(random.Between(1, 4)));
    // Often they begin alike, so that more than the first digit has to be read.
    if (digits > 1 && random.Chance(0.4)) b = a / 10 * 10 + static_cast<int64_t>(random.Below(10));
    if (digits > 2 && random.Chance(0.4)) b = a / 100 * 100 + static_cast<int64_t>(random.Below(100));
  }
  const bool larger = random.Chance(0.6);
  Sum sum;
  sum.language = language;
  sum.question = Ask(random, larger ? kAskLarger : kAskSmaller, language, a, b);
  sum.expected = StrCat(larger ? std::max(a, b) : std::min(a, b));
  sum.answer = Fill(In(larger ? kLarger : kSmaller, language), {{"v", sum.expected}});
  sum.thought = ThinkComparison(a, b);
  sum.check = ThinkComparison(b, a);
  sum.key = ArithmeticKey("compare", std::min(a, b), std::max(a, b), a < 10 && b < 10, sum.question);
  return Finish(random, std::move(sum));
}

// Two small operations, never below zero: a+b-c, a-b+c, a+b+c, a×b+c, a×b-c.
Draft Chain(CorpusRandom& random) {
  const Language language = PickLanguage(random);
  const bool product = random.Chance(0.35);
  const bool minus_first = !product && random.Chance(0.3);
  const bool minus_second = !minus_first && random.Chance(0.6);
  const std::string_view first = product ? "×" : minus_first ? "-" : "+";
  const std::string_view second = minus_second ? "-" : "+";
  int64_t a;
  int64_t b;
  int64_t c;
  int64_t middle;
  do {
    a = product ? random.Between(2, 9) : random.Between(1, 30);
    b = product ? random.Between(2, 9) : random.Between(1, 30);
    if (minus_first && a < b) std::swap(a, b);
    middle = product ? a * b : minus_first ? a - b : a + b;
    c = random.Between(1, minus_second ? std::min<int64_t>(middle, 20) : 20);
  } while (IsHeldOutPair(first, a, b) || IsHeldOutPair(second, middle, c));
  const int64_t result = minus_second ? middle - c : middle + c;
  const bool spaced = random.Chance(0.6);
  const std::string_view typed_first = product && random.Chance(0.5) ? "*" : first;
  const std::string expression =
      spaced ? StrCat(a, " ", typed_first, " ", b, " ", second, " ", c) : StrCat(a, typed_first, b, second, c);
  Sum sum;
  sum.language = language;
  sum.question = Fill(Alternative(random, In(kAskChain, language)), {{"e", expression}});
  sum.expected = StrCat(result);
  sum.answer = StrCat(a, " ", first, " ", b, " ", second, " ", c, " = ", result, In(kStop, language));
  sum.thought = StrCat(a, first, b, "=", middle, "\n", middle, second, c, "=", result);
  sum.check = sum.thought;
  sum.key = StrCat("chain:", a, first, b, second, c);
  return Finish(random, std::move(sum));
}

constexpr Subject kSubjects[] = {
    {"arithmetic.add2", 6.0, WriteFrom<Add<2>>},          {"arithmetic.add3", 5.0, WriteFrom<Add<3>>},
    {"arithmetic.add4", 1.2, WriteFrom<Add<4>>},          {"arithmetic.sub2", 3.2, WriteFrom<Subtract<2>>},
    {"arithmetic.sub3", 4.5, WriteFrom<Subtract<3>>},     {"arithmetic.sub4", 1.2, WriteFrom<Subtract<4>>},
    {"arithmetic.mul1", 2.0, WriteFrom<MultiplyByTable>}, {"arithmetic.mul2", 1.4, WriteFrom<MultiplyLonger>},
    {"arithmetic.div", 1.6, WriteFrom<Divide>},           {"arithmetic.compare", 1.2, WriteFrom<Compare>},
    {"arithmetic.chain", 1.0, WriteFrom<Chain>},
};

}  // namespace

std::span<const Subject> ArithmeticSubjects() { return kSubjects; }

}  // namespace fathom
