#include "base/strings.h"
#include "corpus/python.h"

namespace fathom {
namespace {

// Slots: {f} the name, {a} {b} {c} numbers, {s} {t} texts, {x} a list, {k} a number in the program, {w} a letter.
struct Function {
  std::string_view names;  // the first is used when the user names none
  std::string_view parameters;
  std::string_view body;     // lines after "def", each indented by four spaces
  std::string_view english;  // "that ..."
  std::string_view chinese;
  std::string_view german;  // "die ..."
};

constexpr Function kFunctions[] = {
    {"add|sum_of_two|plus|add_numbers|get_sum", "{a}, {b}", "    return {a} + {b}",
     "adds {a} and {b}|returns the sum of {a} and {b}|adds two numbers|returns {a} plus {b}",
     "返回{a}和{b}的和|把两个数相加", "die Summe von {a} und {b} zurückgibt|zwei Zahlen addiert"},
    {"subtract|difference|minus|sub", "{a}, {b}", "    return {a} - {b}",
     "subtracts {b} from {a}|returns the difference of {a} and {b}|returns {a} minus {b}",
     "返回{a}减{b}的差|计算{a}减{b}", "die Differenz von {a} und {b} zurückgibt|{b} von {a} abzieht"},
    {"multiply|product|times|mul", "{a}, {b}", "    return {a} * {b}",
     "multiplies {a} and {b}|returns the product of {a} and {b}|multiplies two numbers",
     "返回{a}和{b}的积|把两个数相乘", "das Produkt von {a} und {b} zurückgibt|zwei Zahlen multipliziert"},
    {"divide|quotient|ratio|div", "{a}, {b}", "    return {a} / {b}",
     "divides {a} by {b}|returns the quotient of {a} and {b}|divides two numbers", "返回{a}除以{b}的商|把两个数相除",
     "{a} durch {b} teilt|den Quotienten von {a} und {b} zurückgibt"},
    {"square|squared|get_square|power_two", "{a}", "    return {a} * {a}",
     "returns the square of {a}|squares a number|computes {a} times {a}", "返回{a}的平方|计算一个数的平方",
     "das Quadrat von {a} zurückgibt|eine Zahl quadriert"},
    {"add_constant|plus_constant|increase|shift", "{a}", "    return {a} + {k}",
     "adds {k} to {a}|returns {a} plus {k}|increases {a} by {k}", "返回{a}加{k}|把{a}加上{k}",
     "{k} zu {a} addiert|{a} um {k} erhöht"},
    {"times_constant|scale|grow|enlarge", "{a}", "    return {a} * {k}", "multiplies {a} by {k}|returns {a} times {k}",
     "返回{a}乘以{k}|把{a}乘以{k}", "{a} mit {k} multipliziert|das {k}-fache von {a} zurückgibt"},
    {"is_even|even|check_even|is_number_even", "{a}", "    return {a} % 2 == 0",
     "checks whether {a} is even|returns True if {a} is even|tests if a number is even",
     "判断{a}是不是偶数|检查一个数是否为偶数", "prüft, ob {a} gerade ist|True zurückgibt, wenn {a} gerade ist"},
    {"is_odd|odd|check_odd|is_number_odd", "{a}", "    return {a} % 2 == 1",
     "checks whether {a} is odd|returns True if {a} is odd|tests if a number is odd",
     "判断{a}是不是奇数|检查一个数是否为奇数", "prüft, ob {a} ungerade ist|True zurückgibt, wenn {a} ungerade ist"},
    {"divisible|is_multiple|divides|is_divisible", "{a}", "    return {a} % {k} == 0",
     "checks whether {a} is divisible by {k}|returns True if {a} is a multiple of {k}",
     "判断{a}能不能被{k}整除|检查{a}是不是{k}的倍数", "prüft, ob {a} durch {k} teilbar ist"},
    {"is_positive|positive|above_zero", "{a}", "    return {a} > 0",
     "checks whether {a} is positive|returns True if {a} is greater than zero", "判断{a}是不是正数",
     "prüft, ob {a} positiv ist"},
    {"is_greater|bigger|more_than|larger", "{a}", "    return {a} > {k}",
     "checks whether {a} is greater than {k}|returns True if {a} is more than {k}", "判断{a}是否大于{k}",
     "prüft, ob {a} größer als {k} ist"},
    {"maximum|max_of_two|larger_one|get_max", "{a}, {b}", "    if {a} > {b}:\n        return {a}\n    return {b}",
     "returns the larger of {a} and {b}|returns the maximum of {a} and {b}|finds the larger of two numbers",
     "返回{a}和{b}中较大的数|找出两个数中较大的一个",
     "die größere der Zahlen {a} und {b} zurückgibt|das Maximum von {a} und {b} zurückgibt"},
    {"minimum|min_of_two|smaller_one|get_min", "{a}, {b}", "    if {a} < {b}:\n        return {a}\n    return {b}",
     "returns the smaller of {a} and {b}|returns the minimum of {a} and {b}|finds the smaller of two numbers",
     "返回{a}和{b}中较小的数|找出两个数中较小的一个",
     "die kleinere der Zahlen {a} und {b} zurückgibt|das Minimum von {a} und {b} zurückgibt"},
    {"max_of_three|max3|largest|biggest", "{a}, {b}, {c}", "    return max({a}, {b}, {c})",
     "returns the largest of three numbers|returns the maximum of {a}, {b} and {c}",
     "返回三个数中最大的数|返回{a}、{b}和{c}中的最大值",
     "die größte von drei Zahlen zurückgibt|das Maximum von {a}, {b} und {c} zurückgibt"},
    {"average|mean|avg|middle", "{a}, {b}", "    return ({a} + {b}) / 2",
     "returns the average of {a} and {b}|returns the mean of two numbers", "返回{a}和{b}的平均值|计算两个数的平均值",
     "den Durchschnitt von {a} und {b} zurückgibt"},
    {"absolute|absolute_value|my_abs|distance", "{a}", "    if {a} < 0:\n        return -{a}\n    return {a}",
     "returns the absolute value of {a}|returns the absolute value of a number", "返回{a}的绝对值",
     "den Betrag von {a} zurückgibt"},
    {"factorial|fact|fac|get_factorial", "{a}",
     "    result = 1\n    for i in range(2, {a} + 1):\n        result *= i\n    return result",
     "returns the factorial of {a}|computes the factorial of {a} with a loop|calculates {a} factorial",
     "返回{a}的阶乘|用循环计算{a}的阶乘",
     "die Fakultät von {a} berechnet|die Fakultät von {a} mit einer Schleife berechnet"},
    {"fibonacci|fib|nth_fibonacci", "{a}",
     "    old, new = 0, 1\n    for i in range({a}):\n        old, new = new, old + new\n    return old",
     "returns the {a}-th Fibonacci number|computes the Fibonacci number {a}", "返回第{a}个斐波那契数",
     "die {a}-te Fibonacci-Zahl zurückgibt"},
    {"sum_to|sum_up_to|triangle|add_up", "{a}", "    return sum(range(1, {a} + 1))",
     "returns the sum of the numbers from 1 to {a}|adds all numbers from 1 to {a}", "返回1到{a}的和|计算从1加到{a}",
     "die Summe der Zahlen von 1 bis {a} zurückgibt"},
    {"is_prime|prime|check_prime", "{a}",
     "    if {a} < 2:\n        return False\n    for i in range(2, {a}):\n        if {a} % i == 0:\n            return "
     "False\n"
     "    return True",
     "checks whether {a} is a prime number|returns True if {a} is prime", "判断{a}是不是质数|检查{a}是否为素数",
     "prüft, ob {a} eine Primzahl ist"},
    {"sum_list|total|add_all|list_sum", "{x}",
     "    total = 0\n    for item in {x}:\n        total += item\n    return total",
     "returns the sum of the list {x}|adds all numbers in {x}|sums a list with a loop",
     "返回列表{x}的和|计算列表{x}中所有数的和", "die Summe der Liste {x} zurückgibt|alle Zahlen in {x} addiert"},
    {"list_length|count_items|size_of|length", "{x}", "    return len({x})",
     "returns the length of {x}|returns the number of items in {x}", "返回列表{x}的长度|返回{x}中元素的个数",
     "die Länge von {x} zurückgibt|die Anzahl der Elemente in {x} zurückgibt"},
    {"first_item|first|head|get_first", "{x}", "    return {x}[0]",
     "returns the first item of {x}|returns the first element of a list", "返回{x}的第一个元素",
     "das erste Element von {x} zurückgibt"},
    {"last_item|last|tail|get_last", "{x}", "    return {x}[-1]",
     "returns the last item of {x}|returns the last element of a list", "返回{x}的最后一个元素",
     "das letzte Element von {x} zurückgibt"},
    {"first_items|take|top|start_of", "{x}", "    return {x}[:{k}]",
     "returns the first {k} items of {x}|takes the first {k} elements of {x}", "返回{x}的前{k}个元素",
     "die ersten {k} Elemente von {x} zurückgibt"},
    {"largest_item|list_max|max_item|find_max", "{x}", "    return max({x})",
     "returns the largest number in {x}|finds the maximum of the list {x}", "返回列表{x}中的最大值|找出{x}中最大的数",
     "die größte Zahl in {x} zurückgibt"},
    {"smallest_item|list_min|min_item|find_min", "{x}", "    return min({x})",
     "returns the smallest number in {x}|finds the minimum of the list {x}", "返回列表{x}中的最小值|找出{x}中最小的数",
     "die kleinste Zahl in {x} zurückgibt"},
    {"mean_list|list_average|average_of|list_mean", "{x}", "    return sum({x}) / len({x})",
     "returns the average of the list {x}|computes the mean of {x}", "返回列表{x}的平均值|计算{x}的平均值",
     "den Durchschnitt der Liste {x} zurückgibt"},
    {"sort_list|sort_items|ordered|sort_up", "{x}", "    return sorted({x})", "sorts the list {x}|returns {x} sorted",
     "把列表{x}排序|返回排好序的{x}", "die Liste {x} sortiert|{x} sortiert zurückgibt"},
    {"reverse_list|backwards|flip|reversed_list", "{x}", "    return {x}[::-1]",
     "reverses the list {x}|returns {x} in reverse order", "把列表{x}反转|返回倒序的{x}", "die Liste {x} umkehrt"},
    {"even_numbers|only_even|filter_even|get_evens", "{x}", "    return [n for n in {x} if n % 2 == 0]",
     "returns the even numbers of {x}|keeps only the even numbers in {x}", "返回{x}中的偶数|只保留{x}中的偶数",
     "die geraden Zahlen aus {x} zurückgibt"},
    {"double_all|doubled|double_list|twice_all", "{x}", "    return [2 * n for n in {x}]",
     "doubles every number in {x}|returns a list with every number of {x} doubled", "把{x}中的每个数乘以2",
     "jede Zahl in {x} verdoppelt"},
    {"remove_duplicates|unique|distinct", "{x}", "    return list(set({x}))",
     "removes duplicates from {x}|returns the distinct items of {x}", "去掉列表{x}中的重复元素",
     "doppelte Elemente aus {x} entfernt"},
    {"count_value|count_of|occurrences|how_many", "{x}, {a}", "    return {x}.count({a})",
     "counts how often {a} is in {x}|returns how many times {a} occurs in {x}", "返回{a}在{x}中出现的次数",
     "zählt, wie oft {a} in {x} vorkommt"},
    {"contains|is_in|has_item|includes", "{x}, {a}", "    return {a} in {x}",
     "checks whether {a} is in {x}|returns True if {x} contains {a}", "判断{a}是否在{x}中", "prüft, ob {a} in {x} ist"},
    {"reverse|reverse_string|reverse_text|flip_text", "{s}", "    return {s}[::-1]",
     "reverses the string {s}|returns {s} in reverse|reverses a string", "反转字符串{s}|把字符串{s}倒过来",
     "den Text {s} umkehrt|einen String umkehrt"},
    {"count_vowels|vowels|number_of_vowels|vowel_count", "{s}",
     "    count = 0\n    for letter in {s}.lower():\n        if letter in \"aeiou\":\n            count += 1\n    "
     "return count",
     "counts the vowels in {s}|returns the number of vowels in {s}", "数出{s}中的元音个数|返回{s}中元音的个数",
     "die Vokale in {s} zählt"},
    {"is_palindrome|palindrome|check_palindrome", "{s}", "    return {s} == {s}[::-1]",
     "checks whether {s} is a palindrome|returns True if {s} is the same backwards", "判断{s}是不是回文",
     "prüft, ob {s} ein Palindrom ist"},
    {"to_upper|upper|shout|upper_case", "{s}", "    return {s}.upper()",
     "returns {s} in upper case|turns {s} into capital letters", "把{s}变成大写|返回大写的{s}",
     "{s} in Großbuchstaben zurückgibt"},
    {"to_lower|lower|whisper|lower_case", "{s}", "    return {s}.lower()",
     "returns {s} in lower case|turns {s} into small letters", "把{s}变成小写|返回小写的{s}",
     "{s} in Kleinbuchstaben zurückgibt"},
    {"count_words|word_count|words|number_of_words", "{s}", "    return len({s}.split())",
     "counts the words in {s}|returns the number of words in {s}", "数出{s}中的单词个数", "die Wörter in {s} zählt"},
    {"first_letter|initial|first_char", "{s}", "    return {s}[0]",
     "returns the first letter of {s}|returns the first character of {s}", "返回{s}的第一个字母",
     "den ersten Buchstaben von {s} zurückgibt"},
    {"starts_with|begins_with|has_start", "{s}", "    return {s}.startswith(\"{w}\")",
     "checks whether {s} starts with \"{w}\"|returns True if {s} begins with \"{w}\"", "判断{s}是否以\"{w}\"开头",
     "prüft, ob {s} mit \"{w}\" beginnt"},
    {"count_letter|letter_count|count_char", "{s}", "    return {s}.count(\"{w}\")",
     "counts the letter \"{w}\" in {s}|returns how often \"{w}\" is in {s}", "数出{s}中字母\"{w}\"的个数",
     "zählt, wie oft \"{w}\" in {s} vorkommt"},
    {"repeat|repeat_text|copies|multiply_text", "{s}, {a}", "    return {s} * {a}",
     "repeats {s} {a} times|returns {s} repeated {a} times", "把{s}重复{a}次", "{s} {a}-mal wiederholt"},
    {"join_texts|concat|combine|glue", "{s}, {t}", "    return {s} + {t}",
     "joins the strings {s} and {t}|returns {s} followed by {t}", "把字符串{s}和{t}连接起来",
     "die Texte {s} und {t} verbindet"},
    {"greet|say_hello|hello|greeting", "{s}", "    return \"Hello, \" + {s}",
     "greets {s} with Hello|returns \"Hello, \" followed by {s}", "返回\"Hello, \"加上{s}",
     "\"Hello, \" und {s} zurückgibt"},
    {"celsius_to_fahrenheit|c_to_f|to_fahrenheit", "{a}", "    return {a} * 9 / 5 + 32",
     "converts {a} from Celsius to Fahrenheit|turns Celsius into Fahrenheit", "把摄氏度{a}转换成华氏度",
     "{a} von Celsius in Fahrenheit umrechnet"},
    {"fahrenheit_to_celsius|f_to_c|to_celsius", "{a}", "    return ({a} - 32) * 5 / 9",
     "converts {a} from Fahrenheit to Celsius|turns Fahrenheit into Celsius", "把华氏度{a}转换成摄氏度",
     "{a} von Fahrenheit in Celsius umrechnet"},
    {"circle_area|area_of_circle|disc_area", "{a}", "    return 3.14159 * {a} ** 2",
     "returns the area of a circle with radius {a}", "返回半径为{a}的圆的面积",
     "die Fläche eines Kreises mit Radius {a} zurückgibt"},
    {"rectangle_area|area|area_of|get_area", "{a}, {b}", "    return {a} * {b}",
     "returns the area of a rectangle with sides {a} and {b}", "返回边长为{a}和{b}的矩形面积",
     "die Fläche eines Rechtecks mit den Seiten {a} und {b} zurückgibt"},
    {"fizzbuzz|fizz_buzz|fizz", "{a}",
     "    for i in range(1, {a} + 1):\n        if i % 15 == 0:\n            print(\"FizzBuzz\")\n        elif i % 3 == "
     "0:\n"
     "            print(\"Fizz\")\n        elif i % 5 == 0:\n            print(\"Buzz\")\n        else:\n            "
     "print(i)",
     "prints FizzBuzz from 1 to {a}|plays FizzBuzz up to {a}", "打印1到{a}的FizzBuzz",
     "FizzBuzz von 1 bis {a} ausgibt"},
    {"count_to|print_numbers|count_up|show_numbers", "{a}", "    for i in range(1, {a} + 1):\n        print(i)",
     "prints the numbers from 1 to {a}|counts from 1 to {a}", "打印从1到{a}的数", "die Zahlen von 1 bis {a} ausgibt"},
    {"countdown|count_down|down", "{a}", "    while {a} > 0:\n        print({a})\n        {a} -= 1",
     "counts down from {a} to 1|prints the numbers from {a} down to 1", "从{a}倒数到1", "von {a} bis 1 herunterzählt"},
    {"power|to_the_power|pow_of|raise_to", "{a}, {b}", "    return {a} ** {b}",
     "returns {a} to the power of {b}|raises {a} to the power {b}", "返回{a}的{b}次方", "{a} hoch {b} berechnet"},
    {"swap|swap_values|exchange|turn_around", "{a}, {b}", "    return {b}, {a}",
     "swaps {a} and {b}|returns {b} and {a}", "交换{a}和{b}", "{a} und {b} vertauscht"},
};

struct Names {
  std::string a, b, c, s, t, x;
};

// The usual names, or drawn ones that differ from one another.
Names DrawNames(CorpusRandom& random, bool usual) {
  if (usual) return {"a", "b", "c", "s", "t", "xs"};
  constexpr std::string_view kNumbers[] = {
      "a b c", "x y z", "m n k",          "first second third", "n m p",
      "p q r", "u v w", "num1 num2 num3", "value other third",  "left right middle"};
  Names names;
  const std::string_view numbers = random.Pick(kNumbers);
  const size_t first_end = numbers.find(' ');
  const size_t second_end = numbers.find(' ', first_end + 1);
  names.a = numbers.substr(0, first_end);
  names.b = numbers.substr(first_end + 1, second_end - first_end - 1);
  names.c = numbers.substr(second_end + 1);
  names.s = Alternative(random, "s|text|word|line|string|sentence|name");
  names.t = Alternative(random, "t|other|end|suffix|rest");
  names.x = Alternative(random, "xs|numbers|values|items|data|nums|elements|lst|things");
  return names;
}

// How the wish is put: {g} is "add(a, b)", {f} "add", {p} "a, b", {d} the description.
constexpr std::string_view kEnglishWithName =
    "Write a Python function {g} that {d}.|Write a function {g} that {d}.|Python: a function {g} that {d}.|"
    "Please write a Python function named {f} with the parameters {p} that {d}.|Implement {g} in Python. It {d}.|"
    "I need a Python function {g} that {d}.|Can you write {g}, a Python function that {d}?|def {g}: {d}|"
    "Give me a Python function {g} which {d}.|Define a function {f} with {p} that {d}.";
constexpr std::string_view kEnglishFree =
    "Write a Python function that {d}.|Write a function that {d}.|Python function that {d}|I need a function that {d}.|"
    "Please write Python code that {d}.|How do I write a Python function that {d}?";
constexpr std::string_view kChineseWithName =
    "写一个Python函数{g}，{d}。|请写一个函数{g}，{d}。|用Python实现{g}：{d}。|请定义函数{g}，{d}。";
constexpr std::string_view kChineseFree = "写一个Python函数，{d}。|用Python写一个函数：{d}。";
constexpr std::string_view kGermanWithName =
    "Schreibe eine Python-Funktion {g}, die {d}.|Schreib eine Funktion {g}, die {d}.|"
    "Ich brauche eine Python-Funktion {g}, die {d}.|Bitte schreibe {g} in Python: eine Funktion, die {d}.";
constexpr std::string_view kGermanFree = "Schreibe eine Python-Funktion, die {d}.|Schreib eine Funktion, die {d}.";

}  // namespace

Draft DraftPythonFunction(CorpusRandom& random) {
  const Function& function = random.Pick(kFunctions);
  const uint64_t draw = random.Below(100);
  const Language language = draw < 64 ? Language::kEn : draw < 82 ? Language::kZh : Language::kDe;
  const bool free = random.Chance(0.25);
  const Names names = DrawNames(random, free);
  std::string name(Alternatives(function.names)[0]);
  if (!free) {
    name = random.Chance(0.25) ? Lower(MadeUpName(random)) : Alternative(random, function.names);
  }
  const std::string k = StrCat(random.Between(2, 12));
  const std::string letter = std::string(1, static_cast<char>('a' + random.Below(26)));
  const auto fill = [&](std::string_view pattern) {
    return Fill(pattern, {{"a", names.a},
                          {"b", names.b},
                          {"c", names.c},
                          {"s", names.s},
                          {"t", names.t},
                          {"x", names.x},
                          {"k", k},
                          {"w", letter}});
  };
  const std::string parameters = fill(function.parameters);
  const std::string signature = StrCat(name, "(", parameters, ")");
  const std::string description = fill(Alternative(random, language == Language::kEn   ? function.english
                                                           : language == Language::kZh ? function.chinese
                                                                                       : function.german));
  const std::string_view wishes = language == Language::kEn   ? (free ? kEnglishFree : kEnglishWithName)
                                  : language == Language::kZh ? (free ? kChineseFree : kChineseWithName)
                                                              : (free ? kGermanFree : kGermanWithName);
  const std::string wish =
      Fill(Alternative(random, wishes), {{"g", signature}, {"f", name}, {"p", parameters}, {"d", description}});
  const std::string code = StrCat("def ", signature, ":\n", fill(function.body));
  Draft draft;
  draft.key = Plain(wish);
  draft.dialogue = QuestionAndAnswer(language, wish, StrCat("```python\n", code, "\n```"));
  draft.dialogue.check = AnswerCheck::kContains;
  draft.dialogue.expected = code;
  MaybeThink(random, 0.3, StrCat("I write ", signature, "."), &draft.dialogue);
  MaybeSystem(random, 0.08, language, &draft.dialogue);
  return draft;
}

}  // namespace fathom
