// The Python that the corpus teaches, run by Python itself where there is one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/json.h"
#include "base/strings.h"
#include "corpus/corpus.h"

namespace fathom {
namespace {

bool HavePython() { return std::system("python3 -c pass >/dev/null 2>&1") == 0; }

// Runs a script with the items as JSON in argv[1]; returns what it prints.
std::string RunPython(std::string_view script, const Json& items) {
  const std::string stem = testing::TempDir() + "corpus_python_" + std::to_string(getpid());
  std::ofstream(stem + ".py") << script;
  std::ofstream(stem + ".json") << items.Dump();
  FILE* pipe = popen(StrCat("python3 ", stem, ".py ", stem, ".json 2>&1").c_str(), "r");
  std::string printed;
  std::array<char, 4096> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) printed.append(buffer.data(), got);
  printed += StrCat("exit status ", pclose(pipe));
  std::remove((stem + ".py").c_str());
  std::remove((stem + ".json").c_str());
  return printed;
}

const Subject& SubjectNamed(std::string_view name) {
  for (const Subject& subject : Subjects()) {
    if (subject.name == name) return subject;
  }
  ADD_FAILURE() << "no subject " << name;
  return Subjects()[0];
}

// The program of a prompt: a fenced block, or what follows the empty line.
std::string ProgramIn(const std::string& prompt) {
  constexpr std::string_view kFence = "```python\n";
  const size_t fence = prompt.find(kFence);
  if (fence == std::string::npos) return prompt.substr(prompt.find("\n\n") + 2);
  const size_t start = fence + kFence.size();
  return prompt.substr(start, prompt.find("\n```", start) - start);
}

TEST(PythonPrograms, PrintWhatTheAnswerSays) {
  if (!HavePython()) GTEST_SKIP() << "no python3";
  Json items = Json::Array();
  for (uint64_t index = 0; index < 5000; ++index) {
    const Dialogue dialogue = WriteDialogue(SubjectNamed("python.prints"), Split::kTrain, 3, index);
    const std::string prompt = dialogue.messages[dialogue.messages.size() - 2].content;
    items.items().push_back(Json::Array({Json::String(ProgramIn(prompt)), Json::String(dialogue.expected)}));
  }
  EXPECT_EQ(RunPython(R"(
import contextlib, io, json, sys
for program, expected in json.load(open(sys.argv[1])):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program, {})
    if out.getvalue() != expected + "\n":
        print(program, "printed", repr(out.getvalue()), "instead of", repr(expected))
)",
                      items),
            "exit status 0");
}

// Every function compiles, has the wished-for name and runs on small arguments of the kinds its parameters have.
TEST(PythonPrograms, FunctionsRun) {
  if (!HavePython()) GTEST_SKIP() << "no python3";
  Json items = Json::Array();
  for (uint64_t index = 0; index < 3000; ++index) {
    const Dialogue dialogue = WriteDialogue(SubjectNamed("python.write"), Split::kTrain, 3, index);
    items.items().push_back(Json::String(dialogue.expected));
  }
  EXPECT_EQ(RunPython(R"(
import contextlib, io, itertools, json, sys
for code in json.load(open(sys.argv[1])):
    names = {}
    exec(code, names)
    function = names[code[4:code.index("(")]]
    count = function.__code__.co_argcount
    ran = False
    for arguments in itertools.product([3, "abc", [1, 2]], repeat=count):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                result = function(*arguments)
            ran = ran or result is not None or "print(" in code
        except (TypeError, AttributeError):
            pass
    if not ran:
        print("does not run:", code)
)",
                      items),
            "exit status 0");
}

}  // namespace
}  // namespace fathom
