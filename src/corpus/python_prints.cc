#include <algorithm>

#include "base/strings.h"
#include "corpus/keys.h"
#include "corpus/python.h"

namespace fathom {
namespace {

struct Program {
  std::string code;
  std::string output;   // lines, without the last newline
  std::string thought;  // how the output comes about
};

std::string Variable(CorpusRandom& random) { return Alternative(random, "x|y|n|a|b|k|m|value|num"); }
std::string ListVariable(CorpusRandom& random) { return Alternative(random, "xs|nums|items|data|values"); }
std::string Word(CorpusRandom& random) {
  if (random.Chance(0.4)) return Lower(MadeUpName(random));
  return Alternative(
      random, "hello|cat|dog|red|blue|apple|sun|moon|tree|hi|abc|python|code|nano|world|bird|fish|star|book|rain");
}

std::string Quoted(std::string_view text) { return StrCat("\"", text, "\""); }

void AddLine(std::string* output, const std::string& line) {
  if (!output->empty()) *output += "\n";
  *output += line;
}

struct Arithmetic {
  std::string sign;
  int64_t left;
  int64_t right;
  int64_t value;
};

// Small whole numbers; quotients and rests of positive ones, as Python and C++ agree about those.
Arithmetic DrawArithmetic(CorpusRandom& random) {
  Arithmetic sum{"", random.Between(1, 50), random.Between(1, 20), 0};
  switch (random.Below(5)) {
    case 0:
      return {"+", sum.left, sum.right, sum.left + sum.right};
    case 1:
      return {"-", sum.left, sum.right, sum.left - sum.right};
    case 2:
      sum.left = random.Between(2, 12);
      sum.right = random.Between(2, 9);
      return {"*", sum.left, sum.right, sum.left * sum.right};
    case 3:
      sum.right = random.Between(2, 9);
      return {"//", sum.left, sum.right, sum.left / sum.right};
    default:
      sum.right = random.Between(2, 9);
      return {"%", sum.left, sum.right, sum.left % sum.right};
  }
}

Program PrintSum(CorpusRandom& random) {
  Arithmetic sum;
  do {
    sum = DrawArithmetic(random);
  } while (IsHeldOutPair(sum.sign, sum.left, sum.right));
  const std::string term = StrCat(sum.left, " ", sum.sign, " ", sum.right);
  const std::string thought = StrCat(term, " = ", sum.value);
  const std::string output = StrCat(sum.value);
  const std::string x = Variable(random);
  std::string y = Variable(random);
  switch (random.Below(3)) {
    case 0:
      return {StrCat("print(", term, ")"), output, thought};
    case 1:
      return {StrCat(x, " = ", sum.left, "\nprint(", x, " ", sum.sign, " ", sum.right, ")"), output, thought};
    default:
      while (y == x) y = Variable(random);
      return {StrCat(x, " = ", sum.left, "\n", y, " = ", sum.right, "\nprint(", x, " ", sum.sign, " ", y, ")"), output,
              thought};
  }
}

Program RangeLoop(CorpusRandom& random) {
  const int64_t start = random.Chance(0.5) ? 0 : random.Between(1, 10);
  const int64_t count = random.Between(2, 5);
  const std::string range =
      start == 0 ? StrCat("range(", count, ")") : StrCat("range(", start, ", ", start + count, ")");
  const std::string variable = Alternative(random, "i|j|n|x|k");
  const uint64_t form = random.Below(3);
  const int64_t number = random.Between(2, 9);
  const std::string shown = form == 0   ? variable
                            : form == 1 ? StrCat(variable, " * ", number)
                                        : StrCat(variable, " + ", number);
  Program program;
  program.code = StrCat("for ", variable, " in ", range, ":\n    print(", shown, ")");
  std::string values;
  for (int64_t i = start; i < start + count; ++i) {
    AddLine(&program.output, StrCat(form == 0 ? i : form == 1 ? i * number : i + number));
    values += StrCat(values.empty() ? "" : ", ", i);
  }
  program.thought = StrCat(variable, " is ", values, ".");
  return program;
}

Program TotalLoop(CorpusRandom& random) {
  Program program;
  const std::string total = Alternative(random, "total|s|result|t");
  int64_t value = 0;
  std::string values;
  std::string sequence;
  if (random.Chance(0.5)) {
    const int64_t count = random.Between(2, 6);
    sequence = StrCat("range(", count, ")");
    for (int64_t i = 0; i < count; ++i) {
      value += i;
      values += StrCat(values.empty() ? "" : " + ", i);
    }
  } else {
    const uint64_t count = 2 + random.Below(3);
    for (uint64_t i = 0; i < count; ++i) {
      const int64_t number = random.Between(1, count == 2 ? 9 : 12);  // of two, an entry of a table
      value += number;
      values += StrCat(values.empty() ? "" : " + ", number);
      sequence += StrCat(sequence.empty() ? "" : ", ", number);
    }
    sequence = StrCat("[", sequence, "]");
  }
  const std::string variable = Alternative(random, "i|x|n");
  program.code = StrCat(total, " = 0\nfor ", variable, " in ", sequence, ":\n    ", total, " += ", variable, "\nprint(",
                        total, ")");
  program.output = StrCat(value);
  program.thought = StrCat(values, " = ", value);
  return program;
}

Program Text(CorpusRandom& random) {
  const std::string word = Word(random);
  const auto length = static_cast<int64_t>(word.size());
  std::string form;
  std::string output;
  switch (random.Below(8)) {
    case 0: {
      const int64_t times = random.Between(2, 4);
      form = StrCat("{s} * ", times);
      for (int64_t i = 0; i < times; ++i) output += word;
      break;
    }
    case 1:
      form = "len({s})";
      output = StrCat(length);
      break;
    case 2:
      form = "{s}.upper()";
      output = Upper(word);
      break;
    case 3:
      form = "{s}[::-1]";
      output.assign(word.rbegin(), word.rend());
      break;
    case 4: {
      const int64_t place = random.Between(-1, std::min<int64_t>(3, length) - 1);
      form = StrCat("{s}[", place, "]");
      output = std::string(1, word[static_cast<size_t>(place < 0 ? length - 1 : place)]);
      break;
    }
    case 5: {
      const int64_t start = random.Between(0, 1);
      const int64_t end = random.Between(start + 1, length);
      form = start == 0 ? StrCat("{s}[:", end, "]") : StrCat("{s}[", start, ":", end, "]");
      output = word.substr(static_cast<size_t>(start), static_cast<size_t>(end - start));
      break;
    }
    case 6: {
      const std::string other = Word(random);
      form = StrCat("{s} + ", Quoted(other));
      output = word + other;
      break;
    }
    default: {
      const std::string letter = std::string(1, word[random.Below(word.size())]);
      form = StrCat("{s}.count(", Quoted(letter), ")");
      output = StrCat(std::count(word.begin(), word.end(), letter[0]));
    }
  }
  std::string spelled;
  for (const char c : word) spelled += StrCat(spelled.empty() ? "" : " ", c);
  const std::string thought = StrCat(word, " is ", spelled, ".");
  const std::string variable = Alternative(random, "s|word|text|w|name");
  if (random.Chance(0.4)) return {StrCat("print(", Fill(form, {{"s", Quoted(word)}}), ")"), output, thought};
  return {StrCat(variable, " = ", Quoted(word), "\nprint(", Fill(form, {{"s", variable}}), ")"), output, thought};
}

std::string ListText(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += StrCat(text.empty() ? "" : ", ", number);
  return StrCat("[", text, "]");
}

// What is asked of a list; `code` is the printed expression, {x} the list.
Program OneItem(CorpusRandom& random, const std::vector<int64_t>& numbers) {
  const size_t place = random.Below(numbers.size());
  const std::string output = StrCat(numbers[place]);
  return {StrCat("{x}[", place, "]"), output, StrCat("Counting starts at 0, so number ", place, " is ", output, ".")};
}

Program LastItem(CorpusRandom& /*random*/, const std::vector<int64_t>& numbers) {
  const std::string output = StrCat(numbers.back());
  return {"{x}[-1]", output, StrCat("The last one is ", output, ".")};
}

Program Length(CorpusRandom& /*random*/, const std::vector<int64_t>& numbers) {
  const std::string output = StrCat(numbers.size());
  return {"len({x})", output, StrCat("The list has ", output, " items.")};
}

Program SumOfAll(CorpusRandom& /*random*/, const std::vector<int64_t>& numbers) {
  int64_t total = 0;
  std::string thought;
  for (const int64_t number : numbers) {
    total += number;
    thought += StrCat(thought.empty() ? "" : " + ", number);
  }
  return {"sum({x})", StrCat(total), StrCat(thought, " = ", total)};
}

Program Extreme(CorpusRandom& random, const std::vector<int64_t>& numbers) {
  const bool is_max = random.Chance(0.5);
  const std::string output = StrCat(is_max ? *std::max_element(numbers.begin(), numbers.end())
                                           : *std::min_element(numbers.begin(), numbers.end()));
  return {is_max ? "max({x})" : "min({x})", output,
          StrCat("The ", is_max ? "largest" : "smallest", " is ", output, ".")};
}

Program Sorted(CorpusRandom& /*random*/, const std::vector<int64_t>& numbers) {
  std::vector<int64_t> sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  return {"sorted({x})", ListText(sorted), "From small to large."};
}

Program FirstItems(CorpusRandom& random, const std::vector<int64_t>& numbers) {
  const size_t end = 1 + random.Below(numbers.size() - 1);
  return {StrCat("{x}[:", end, "]"), ListText({numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(end)}),
          StrCat("The first ", end, ".")};
}

using ListWriter = Program (*)(CorpusRandom&, const std::vector<int64_t>&);
constexpr ListWriter kListWriters[] = {OneItem, OneItem, LastItem, Length, SumOfAll, Extreme, Sorted, FirstItems};

Program List(CorpusRandom& random) {
  std::vector<int64_t> numbers(3 + random.Below(3));
  for (int64_t& number : numbers) number = random.Between(0, 30);
  const std::string variable = ListVariable(random);
  const std::string assignment = StrCat(variable, " = ", ListText(numbers), "\n");
  const size_t form = random.Below(std::size(kListWriters) + 1);
  if (form == std::size(kListWriters)) {
    const int64_t added = random.Between(0, 30);
    numbers.push_back(added);
    return {StrCat(assignment, variable, ".append(", added, ")\nprint(", variable, ")"), ListText(numbers),
            StrCat("append puts ", added, " at the end.")};
  }
  Program program = kListWriters[form](random, numbers);
  program.code = StrCat(assignment, "print(", Fill(program.code, {{"x", variable}}), ")");
  return program;
}

Program Branch(CorpusRandom& random) {
  constexpr std::string_view kWords = "yes no|big small|high low|A B|hot cold|left right|true false|old young|up down";
  const std::string words = Alternative(random, kWords);
  const size_t space = words.find(' ');
  const std::string variable = Variable(random);
  const int64_t value = random.Between(0, 30);
  const uint64_t form = random.Below(4);
  // Equal by chance they are hardly ever.
  const int64_t limit = form == 2 && random.Chance(0.5) ? value : random.Between(0, 30);
  const int64_t divisor = random.Between(2, 5);
  const std::string condition = form == 0   ? StrCat(variable, " > ", limit)
                                : form == 1 ? StrCat(variable, " < ", limit)
                                : form == 2 ? StrCat(variable, " == ", limit)
                                            : StrCat(variable, " % ", divisor, " == 0");
  const bool holds = form == 0   ? value > limit
                     : form == 1 ? value < limit
                     : form == 2 ? value == limit
                                 : value % divisor == 0;
  Program program;
  program.code =
      Fill("{v} = {n}\nif {c}:\n    print(\"{a}\")\nelse:\n    print(\"{b}\")", {{"v", variable},
                                                                                 {"n", StrCat(value)},
                                                                                 {"c", condition},
                                                                                 {"a", words.substr(0, space)},
                                                                                 {"b", words.substr(space + 1)}});
  program.output = holds ? words.substr(0, space) : words.substr(space + 1);
  program.thought = StrCat(variable, " is ", value, ", so ", condition, " is ", holds ? "True." : "False.");
  return program;
}

Program Call(CorpusRandom& random) {
  const std::string name = random.Chance(0.5) ? Alternative(random, "f|g|h|calc|go") : Lower(MadeUpName(random));
  const std::string x = Alternative(random, "x|n|a");
  int64_t argument;
  int64_t factor;
  int64_t added;
  do {
    argument = random.Between(0, 12);
    factor = random.Between(2, 6);
    added = random.Between(1, 10);
  } while (IsHeldOutPair("+", argument, added) || IsHeldOutPair("+", argument * factor, added));
  std::string body;
  std::string thought;
  int64_t value = 0;
  switch (random.Below(4)) {
    case 0:
      body = StrCat(x, " * ", factor);
      value = argument * factor;
      thought = StrCat(argument, " * ", factor, " = ", value);
      break;
    case 1:
      body = StrCat(x, " + ", added);
      value = argument + added;
      thought = StrCat(argument, " + ", added, " = ", value);
      break;
    case 2:
      body = StrCat(x, " * ", factor, " + ", added);
      value = argument * factor + added;
      thought = StrCat(argument, " * ", factor, " = ", argument * factor, ", ", argument * factor, " + ", added, " = ",
                       value);
      break;
    default:
      body = StrCat(x, " * ", x);
      value = argument * argument;
      thought = StrCat(argument, " * ", argument, " = ", value);
  }
  return {StrCat("def ", name, "(", x, "):\n    return ", body, "\nprint(", name, "(", argument, "))"), StrCat(value),
          thought};
}

Program WhileLoop(CorpusRandom& random) {
  const std::string variable = Alternative(random, "n|x|i|k");
  const int64_t step = random.Between(1, 3);
  const int64_t start = step * random.Between(2, 4) + random.Between(0, 1);
  Program program;
  program.code = Fill("{v} = {n}\nwhile {v} > 0:\n    print({v})\n    {v} -= {s}",
                      {{"v", variable}, {"n", StrCat(start)}, {"s", StrCat(step)}});
  for (int64_t value = start; value > 0; value -= step) AddLine(&program.output, StrCat(value));
  program.thought = StrCat(variable, " starts at ", start, " and falls by ", step, ".");
  return program;
}

Program Formatted(CorpusRandom& random) {
  const std::string name = PersonName(random, Language::kEn);
  const std::string number = StrCat(random.Between(2, 99));
  const std::string variable = Alternative(random, "name|who|user");
  switch (random.Below(3)) {
    case 0:
      return {StrCat(variable, " = ", Quoted(name), "\nprint(\"Hello, \" + ", variable, ")"), StrCat("Hello, ", name),
              StrCat(variable, " is ", name, ".")};
    case 1:
      return {StrCat("print(", Quoted(name), ", ", number, ")"), StrCat(name, " ", number),
              "print puts a space between."};
    default:
      return {StrCat(variable, " = ", Quoted(name), "\nn = ", number, "\nprint(f\"{", variable, "} has {n}\")"),
              StrCat(name, " has ", number), StrCat(variable, " is ", name, " and n is ", number, ".")};
  }
}

using Writer = Program (*)(CorpusRandom&);
constexpr Writer kWriters[] = {PrintSum, PrintSum, RangeLoop, TotalLoop, Text,      Text,
                               List,     List,     Branch,    Call,      WhileLoop, Formatted};

}  // namespace

Draft DraftPythonPrints(CorpusRandom& random) {
  constexpr ByLanguage kAsk = {
      "What does this print?|What is the output?|What does this program print?|Output of this code?|"
      "What does this Python code print?|Run this in your head:",
      "这段代码输出什么？|这个程序打印什么？",
      "Was gibt dieses Programm aus?|Was ist die Ausgabe?",
      "Qu'affiche ce programme ?",
      "¿Qué imprime este programa?",
      "このプログラムは何を出力しますか？"};
  const Language language = PickLanguage(random);
  const Writer writer = random.Pick(kWriters);
  const Program program = writer(random);
  const std::string question = Alternative(random, In(kAsk, language));
  const std::string prompt = random.Chance(0.75) ? StrCat(question, "\n```python\n", program.code, "\n```")
                                                 : StrCat(question, "\n\n", program.code);
  Draft draft;
  draft.key = program.code;
  draft.dialogue = QuestionAndAnswer(language, prompt, program.output);
  draft.dialogue.expected = program.output;
  MaybeThink(random, 0.5, program.thought, &draft.dialogue);
  return draft;
}

}  // namespace fathom
