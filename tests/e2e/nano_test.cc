// The model of this repository, run as the default model of a fresh clone: it answers, and `fathom eval` examines it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class Nano : public testing::Test {
 protected:
  static RunResult Fathom(const std::vector<std::string>& arguments) {
    RunOptions options;
    options.environment = {{"FATHOM_HOME", FATHOM_SOURCE_DIR}};
    return RunFathom(arguments, options);
  }

  // A whole answer without thinking, as plain text.
  static std::string Ask(const std::string& question) {
    const RunResult result = Fathom({"run", "--no-think", "--temperature", "0", "--max-tokens", "200", "-p", question});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err.find("out of tokens"), std::string::npos) << result;
    EXPECT_EQ(result.err.find("tiny random model"), std::string::npos) << result;
    EXPECT_EQ(result.out.find("｜"), std::string::npos) << result;
    return result.out;
  }
};

TEST_F(Nano, AnswersGreetings) {
  for (const char* greeting : {"Hello!", "你好", "Hallo!", "Bonjour !", "¡Hola!", "こんにちは"}) {
    EXPECT_GT(Ask(greeting).size(), 2u) << greeting;
  }
}

TEST_F(Nano, AddsSmallNumbers) {
  EXPECT_NE(Ask("What is 2 + 3?").find('5'), std::string::npos);
  EXPECT_NE(Ask("What is 20 + 14?").find("34"), std::string::npos);
}

TEST_F(Nano, KnowsACapitalInChinese) { EXPECT_NE(Ask("法国的首都是哪里？").find("巴黎"), std::string::npos); }

TEST_F(Nano, ThinksThroughASumOfThreeDigits) {
  const RunResult result = Fathom({"run", "--json", "--temperature", "0", "-p", "What is 347 + 285?"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("\"text\":\"347 + 285 = 632.\""), std::string::npos) << result;
  EXPECT_NE(result.out.find("7+5+0=12"), std::string::npos) << result;
}

TEST_F(Nano, WritesASmallPythonFunction) {
  const std::string answer = Ask("Write a Python function that checks whether n is even.");
  EXPECT_NE(answer.find("def "), std::string::npos) << answer;
  EXPECT_NE(answer.find("% 2 == 0"), std::string::npos) << answer;
}

TEST_F(Nano, FindsWhatWasSaidBefore) {
  const std::string notes = "The code of the red box is 4173.\nThe code of the blue door is 9052.\n\n";
  EXPECT_NE(Ask(notes + "What is the code of the red box?").find("4173"), std::string::npos);
  EXPECT_NE(Ask(notes + "What is the code of the blue door?").find("9052"), std::string::npos);
}

// Most of these stand further back than the attention window reaches.
TEST_F(Nano, FindsFactsInLongerTexts) {
  const RunResult result =
      Fathom({"eval", "--items", "12", "--subject", "lookup.several", "--no-drafts", "--min-accuracy", "80"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(Nano, KnowsOpposites) {
  const RunResult result =
      Fathom({"eval", "--items", "40", "--subject", "facts.opposites", "--no-drafts", "--min-accuracy", "90"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(Nano, NoticesThatNoToolFits) {
  const RunResult result = Fathom({"eval", "--items", "12", "--subject", "tools.none_fits", "--thinking", "on",
                                   "--no-drafts", "--min-accuracy", "60"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(Nano, CallsAToolAndUsesItsResult) {
  RunOptions options;
  options.environment = {{"FATHOM_HOME", FATHOM_SOURCE_DIR}};
  options.input = "Calculate 47 * 19.\n";
  const RunResult result = RunFathom({"chat", "--temperature", "0", "--tools", "builtin"}, options);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE((result.out + result.err).find("[calculator] {\"expression\": \"47 * 19\"}"), std::string::npos) << result;
  EXPECT_NE(result.out.find("47 * 19 = 893"), std::string::npos) << result;
}

// Each question is of another kind than the one before.
TEST_F(Nano, AnswersDifferentQuestionsInOneConversation) {
  for (const char* thinking : {"--think", "--no-think"}) {
    RunOptions options;
    options.environment = {{"FATHOM_HOME", FATHOM_SOURCE_DIR}};
    options.input =
        "Hello!\nWhat is 20 + 14?\n法国的首都是哪里？\nWrite a Python function that checks whether n is even.\n"
        "What is the opposite of hot?\n";
    const RunResult result = RunFathom({"chat", "--temperature", "0", thinking}, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    for (const char* answer : {"Hello!", "20 + 14 = 34", "巴黎", "% 2 == 0", "cold"}) {
      EXPECT_NE(result.out.find(answer), std::string::npos) << thinking << " " << answer << result;
    }
  }
}

TEST_F(Nano, GoesFromOneKindOfQuestionToAnother) {
  const RunResult result =
      Fathom({"eval", "--items", "20", "--subject", "mixed", "--no-drafts", "--min-accuracy", "60"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(Nano, IsComputedAsItsTrainerComputesIt) {
  const RunResult result = Fathom({"verify", "golden", FATHOM_SOURCE_DIR "/models/nano"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(Nano, IsExaminedByOneCommand) {
  const RunResult result = Fathom({"eval", "--items", "3", "--subject", "facts"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("\nsubject "), std::string::npos) << result;
  EXPECT_NE(result.out.find("\ntotal "), std::string::npos) << result;
}

}  // namespace
}  // namespace fathom
