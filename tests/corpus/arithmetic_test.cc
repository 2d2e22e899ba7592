// The sums of the corpus, computed once more from what the dialogues say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <regex>
#include <set>

#include "base/strings.h"
#include "corpus/column_sums.h"
#include "corpus/corpus.h"
#include "corpus/keys.h"

namespace fathom {
namespace {

constexpr uint64_t kPerSubject = 2000;

// Calls `check` on training and held-out dialogues of the subjects whose names begin with `group`.
template <typename Check>
void ForEachDialogue(std::string_view group, Check check) {
  size_t subjects = 0;
  for (const Subject& subject : Subjects()) {
    if (!subject.name.starts_with(group)) continue;
    ++subjects;
    for (const Split split : {Split::kTrain, Split::kHeldOut}) {
      for (uint64_t index = 0; index < kPerSubject; ++index) {
        const Dialogue dialogue = WriteDialogue(subject, split, 3, index);
        SCOPED_TRACE(StrCat(subject.name, " ", index));
        check(dialogue);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
  EXPECT_GT(subjects, 0u);
}

const std::string& Question(const Dialogue& dialogue) {
  return dialogue.messages[dialogue.messages.size() - 2].content;
}

std::vector<int64_t> NumbersIn(const std::string& text) {
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    if (end > at) numbers.push_back(std::stoll(text.substr(at, end - at)));
    at = end + 1;
  }
  return numbers;
}

bool HasAny(const std::string& text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

// Which number a comparison asks for, by its answer, whose words have no slips. The question must not ask for the other
// one.
int64_t Compared(const Dialogue& dialogue, int64_t a, int64_t b) {
  const std::string& answer = dialogue.messages.back().content;
  const bool larger = HasAny(answer, {"larger", "较大", "größere", "grand", "mayor", "大きい"});
  const bool smaller = HasAny(answer, {"smaller", "较小", "kleinere", "petit", "menor", "小さい"});
  EXPECT_NE(larger, smaller) << answer;
  const bool asks_other =
      larger ? HasAny(Question(dialogue), {"smaller", "less", "小", "kleiner", "petit", "menor"})
             : HasAny(Question(dialogue), {"larger", "bigger", "greater", "大", "größer", "grand", "mayor"});
  EXPECT_FALSE(asks_other) << Question(dialogue) << " " << answer;
  return larger ? std::max(a, b) : std::min(a, b);
}

// What the number after the last mark `before` is, without leading zeros.
int64_t LastAfter(const std::string& text, std::string_view before) {
  return std::stoll(text.substr(text.rfind(before) + before.size()));
}

TEST(Arithmetic, AnswersAreTheQuestionsResults) {
  ForEachDialogue("arithmetic.", [](const Dialogue& dialogue) {
    std::vector<int64_t> n = NumbersIn(Question(dialogue));
    const std::string kind = dialogue.subject.substr(dialogue.subject.find('.') + 1, 3);
    const auto expect = [&](int64_t result) { EXPECT_EQ(dialogue.expected, StrCat(result)) << Question(dialogue); };
    if (kind == "cha") return;
    ASSERT_EQ(n.size(), 2u) << Question(dialogue);
    if (kind == "add") return expect(n[0] + n[1]);
    if (kind == "mul") return expect(n[0] * n[1]);
    if (kind == "com") {
      EXPECT_NE(n[0], n[1]);
      return expect(Compared(dialogue, n[0], n[1]));
    }
    if (kind == "div") {
      const std::vector<int64_t> parts = NumbersIn(dialogue.expected);
      EXPECT_EQ(parts[0], n[0] / n[1]);
      EXPECT_EQ(parts.size() > 1 ? parts[1] : 0, n[0] % n[1]);
      return;
    }
    // "Subtract 3 from 8" names the numbers the other way round; the answer has them in order.
    const std::vector<int64_t> answered = NumbersIn(dialogue.messages.back().content);
    std::vector<int64_t> in_order = {answered[0], answered[1]};
    EXPECT_TRUE(std::is_permutation(n.begin(), n.end(), in_order.begin()));
    expect(answered[0] - answered[1]);
  });
}

TEST(Arithmetic, ChainsAreComputedFromLeftToRight) {
  ForEachDialogue("arithmetic.chain", [](const Dialogue& dialogue) {
    const std::string& question = Question(dialogue);
    const std::vector<int64_t> n = NumbersIn(question);
    ASSERT_EQ(n.size(), 3u) << question;
    std::string signs;
    for (const char c : question) {
      if (c == '+' || c == '-' || c == '*') signs += c;
    }
    if (question.find("×") != std::string::npos) signs.insert(0, 1, '*');
    ASSERT_EQ(signs.size(), 2u) << question;
    const int64_t first = signs[0] == '*' ? n[0] * n[1] : signs[0] == '+' ? n[0] + n[1] : n[0] - n[1];
    EXPECT_EQ(dialogue.expected, StrCat(signs[1] == '+' ? first + n[2] : first - n[2])) << question;
  });
}

TEST(Arithmetic, ThinkingEndsWithTheResult) {
  ForEachDialogue("arithmetic.", [](const Dialogue& dialogue) {
    const std::string& thought = dialogue.messages.back().reasoning_content;
    if (dialogue.mode == ThinkingMode::kChat || dialogue.effort == "max" || dialogue.check != AnswerCheck::kNumber)
      return;
    if (dialogue.subject == "arithmetic.compare") {  // the larger one, whichever is asked for
      const std::vector<int64_t> n = NumbersIn(Question(dialogue));
      ASSERT_EQ(n.size(), 2u) << Question(dialogue);
      EXPECT_TRUE(thought.ends_with(StrCat(", ", std::max(n[0], n[1]), " is larger"))) << thought;
      return;
    }
    if (thought.find("-0=") != std::string::npos || dialogue.subject == "arithmetic.div") return;
    const std::string_view mark = thought.find("→") != std::string::npos ? "→" : "=";
    // Below zero the columns are those of the turned difference.
    EXPECT_EQ(std::abs(LastAfter(thought, mark)), std::abs(std::stoll(dialogue.expected))) << thought;
  });
}

TEST(Arithmetic, HeldOutSummandsAreTrainedInNoOrderWordingOrStory) {
  const auto pair_of = [](const Dialogue& dialogue) {
    std::vector<int64_t> n = NumbersIn(Question(dialogue));
    n.resize(2);
    std::sort(n.begin(), n.end());
    return std::pair<int64_t, int64_t>(n[0], n[1]);
  };
  std::set<std::pair<int64_t, int64_t>> trained;
  std::set<std::pair<int64_t, int64_t>> held_out;
  for (const Subject& subject : Subjects()) {
    if (!subject.name.starts_with("arithmetic.add") && subject.name != "word_problem.gain") continue;
    for (uint64_t index = 0; index < 5'000; ++index) {
      trained.insert(pair_of(WriteDialogue(subject, Split::kTrain, 3, index)));
      held_out.insert(pair_of(WriteDialogue(subject, Split::kHeldOut, 3, index)));
    }
  }
  for (const auto& pair : held_out) {
    // A sum of two digits is an entry of a table: some wordings of it are held out.
    if (pair.second < 10) continue;
    EXPECT_FALSE(trained.contains(pair)) << pair.first << " " << pair.second;
  }
  EXPECT_GT(held_out.size(), 1000u);
}

// "34 + 27 = 61" anywhere in what is answered or thought, and the sums and differences that are done column by column.
TEST(Arithmetic, HeldOutPairsAreWrittenNowhereElse) {
  const std::regex equation("([0-9]+) ?([+*-]|×) ?([0-9]+) ?= ?(-?[0-9]+)");
  const std::regex columns("(?:^|\\n|Check: )([0-9]+)([+-])([0-9]+)(?=\\n)");
  size_t pairs = 0;
  const auto look = [&](const std::string& text, const std::regex& pattern) {
    for (std::sregex_iterator found(text.begin(), text.end(), pattern); found != std::sregex_iterator(); ++found) {
      const std::smatch& match = *found;
      // Not the end of something longer: "4+7+0=11", "2 * 3 + 4 = 10".
      std::string before = text.substr(0, static_cast<size_t>(match.position(1)));
      before.erase(before.find_last_not_of(' ') + 1);
      const bool goes_on =
          before.ends_with("×") ||
          (!before.empty() && std::string_view("0123456789+-*/%.").find(before.back()) != std::string_view::npos);
      if (goes_on) continue;
      ++pairs;
      EXPECT_FALSE(IsHeldOutPair(match[2].str(), std::stoll(match[1]), std::stoll(match[3]))) << text;
    }
  };
  constexpr uint64_t kAnyEffort = 1'000;
  for (const Subject& subject : Subjects()) {
    for (uint64_t index = 0; index < 10 * kAnyEffort; ++index) {
      const Dialogue dialogue = WriteDialogue(subject, Split::kTrain, 9, index);
      // Checks are written at the highest effort, which is rare, and by these two only.
      if (index >= kAnyEffort && !subject.name.starts_with("arithmetic.sub") && subject.name != "arithmetic.div") break;
      if (index >= kAnyEffort && dialogue.effort != "max") continue;
      SCOPED_TRACE(StrCat(subject.name, " ", index));
      for (const ChatMessage& message : dialogue.messages) {
        if (message.role == "user") continue;
        look(message.content, equation);
        // In the columns of a product two digits and a carry are added: "4×6=24 24+4=28".
        if (message.reasoning_content.find("×") == std::string::npos) look(message.reasoning_content, equation);
        look(message.reasoning_content, columns);
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(pairs, 10'000u);
}

// What a story's numbers make: its subject says what is done with them, and of ages the words say it.
int64_t ResultOfStory(const std::string& kind, const std::string& question, const std::vector<int64_t>& n) {
  if (kind == "three") return n[0] + n[1] + n[2];
  if (kind == "gain") return n[0] + n[1];
  if (kind == "loss") return n[0] - n[1];
  if (kind == "price" || kind == "distance") return n[0] * n[1];
  if (kind == "share") return std::max(n[0], n[1]) / std::min(n[0], n[1]);  // some stories name the people first
  EXPECT_EQ(kind, "age");
  static const std::regex kEarlier(" ago|younger|年前|小[0-9]| vor |jünger|il y a|de moins| hace | menos|年下");
  return std::regex_search(question, kEarlier) ? n[0] - n[1] : n[0] + n[1];
}

TEST(WordProblems, AnswersFollowFromTheStories) {
  ForEachDialogue("word_problem.", [](const Dialogue& dialogue) {
    const std::string& question = Question(dialogue);
    const std::string kind = dialogue.subject.substr(dialogue.subject.find('.') + 1);
    std::vector<int64_t> n = NumbersIn(question);
    // Japanese says "1個5円" and "1時間に", "1人何個".
    if (dialogue.language == "ja") n.erase(std::remove(n.begin(), n.end(), 1), n.end());
    ASSERT_EQ(n.size(), kind == "three" ? 3u : 2u) << question;
    EXPECT_EQ(dialogue.expected, StrCat(ResultOfStory(kind, question, n))) << question;
  });
}

TEST(ColumnSums, AddWithCarriesAndMissingDigits) {
  EXPECT_EQ(ThinkSum(347, 285), "347+285\n7+5+0=12→2\n4+8+1=13→32\n3+2+1=6→632");
  EXPECT_EQ(ThinkSum(95, 8), "95+8\n5+8+0=13→3\n9+0+1=10→103");
  EXPECT_EQ(ThinkSum(9, 8), "9+8=17");
}

TEST(ColumnSums, SubtractWithBorrowsAndBelowZero) {
  EXPECT_EQ(ThinkDifference(632, 285), "632-285\n2-5-0=-3→7\n3-8-1=-6→47\n6-2-1=3→347");
  EXPECT_EQ(ThinkDifference(100, 1), "100-1\n0-1-0=-1→9\n0-0-1=-1→99\n1-0-1=0→099");
  EXPECT_EQ(ThinkDifference(5, 12), "5-12=-(12-5)\n12-5\n2-5-0=-3→7\n1-0-1=0→07");
  EXPECT_EQ(ThinkDifference(3, 8), "3-8=-5");
}

TEST(ColumnSums, MultiplyByOneDigit) {
  EXPECT_EQ(ThinkProduct(47, 6), "47×6\n7×6=42 42+0=42→2\n4×6=24 24+4=28→282");
  EXPECT_EQ(ThinkProduct(7, 6), "7×6=42");
}

TEST(ColumnSums, EndWithTheResultForAllSmallNumbers) {
  for (int64_t a = 10; a < 330; ++a) {
    for (int64_t b = 0; b < 330; ++b) {
      EXPECT_EQ(LastAfter(ThinkSum(a, b), "→"), a + b);
      EXPECT_EQ(LastAfter(ThinkDifference(a, b), "→"), std::abs(a - b));
      if (b < 10) {
        EXPECT_EQ(LastAfter(ThinkProduct(a, b), "→"), a * b);
      }
    }
  }
}

}  // namespace
}  // namespace fathom
