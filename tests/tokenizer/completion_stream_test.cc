// Events, ends and tolerance. What the texts become is in tests/cases/chat_encoding.json, under every cut.
#include "tokenizer/completion_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/utf8.h"

namespace fathom {
namespace {

constexpr std::string_view kCall =
    "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">x"
    "</｜DSML｜parameter>\n</｜DSML｜invoke>\n";
constexpr std::string_view kEnd = "</｜DSML｜tool_calls>";

// Events as text: "r:..." reasoning, "c:..." content, "0=name" start, "0+..." arguments, neighbours joined.
std::string Show(const std::vector<CompletionEvent>& events) {
  std::string out;
  std::string last;
  for (const CompletionEvent& event : events) {
    std::string head;
    switch (event.type) {
      case CompletionEventType::kReasoning:
        head = "r:";
        break;
      case CompletionEventType::kContent:
        head = "c:";
        break;
      case CompletionEventType::kToolCallStart:
        head = std::to_string(event.index) + "=";
        break;
      case CompletionEventType::kToolCallArguments:
        head = std::to_string(event.index) + "+";
        break;
    }
    if (head != last) out += (out.empty() ? "" : "|") + head;
    out += event.text;
    last = head;
  }
  return out;
}

std::string ReadAll(const CompletionStreamOptions& options, std::string_view text,
                    CompletionFinish cause = CompletionFinish::kStop) {
  CompletionStream stream(options);
  std::vector<CompletionEvent> events = stream.Push(text);
  const CompletionTail tail = stream.Finish(cause);
  events.insert(events.end(), tail.events.begin(), tail.events.end());
  return Show(events) + " " + std::string(FinishName(tail.finish));
}

std::string Chat(std::string_view text) { return ReadAll({.mode = ThinkingMode::kChat}, text); }

TEST(CompletionStream, TextIsShownAsSoonAsItIsDecided) {
  CompletionStream stream({.mode = ThinkingMode::kThinking});
  EXPECT_EQ(Show(stream.Push("plan")), "r:plan");
  EXPECT_EQ(Show(stream.Push("\n\n")), "");
  EXPECT_EQ(Show(stream.Push("more")), "r:\n\nmore");
  EXPECT_EQ(Show(stream.Push("</thi")), "");
  EXPECT_EQ(Show(stream.Push("s")), "r:</this");
  EXPECT_EQ(Show(stream.Push("</think>\n")), "");
  EXPECT_EQ(Show(stream.Push("\nHi<")), "c:Hi");
  EXPECT_EQ(Show(stream.Push("b>")), "c:<b>");
}

TEST(CompletionStream, ArgumentsArriveWhileTheyAreWritten) {
  CompletionStream stream({.mode = ThinkingMode::kChat});
  EXPECT_EQ(Show(stream.Push("<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get")), "");
  EXPECT_EQ(Show(stream.Push("_it\">\n<｜DSML｜parameter name=\"a")), "0=get_it|0+{\"a");
  EXPECT_EQ(Show(stream.Push("b\" string=\"true\">one\ntwo")), "0+b\": \"one\\ntwo");
  EXPECT_EQ(Show(stream.Push("</｜DSML｜parameter>\n<｜DSML｜parameter name=\"n\" string=\"false\">4")),
            "0+\", \"n\": 4");
  EXPECT_EQ(Show(stream.Push("2</｜DSML｜parameter>\n</｜DSML｜invoke>\n")), "0+2}");
  EXPECT_FALSE(stream.ended());
  EXPECT_EQ(stream.tool_calls(), 1);
  EXPECT_EQ(Show(stream.Push(kEnd)), "");
  EXPECT_TRUE(stream.ended());
  EXPECT_EQ(Show(stream.Push("after")), "");
}

TEST(CompletionStream, FinishReasons) {
  const CompletionStreamOptions chat{.mode = ThinkingMode::kChat};
  const std::string call(kCall);
  EXPECT_EQ(ReadAll(chat, "a", CompletionFinish::kStop), "c:a stop");
  EXPECT_EQ(ReadAll(chat, "a", CompletionFinish::kLength), "c:a length");
  EXPECT_EQ(ReadAll(chat, "a", CompletionFinish::kContentFilter), "c:a content_filter");
  EXPECT_EQ(ReadAll(chat, call, CompletionFinish::kStop), "0=f|0+{\"a\": \"x\"} tool_calls");
  EXPECT_EQ(ReadAll(chat, call, CompletionFinish::kLength), "0=f|0+{\"a\": \"x\"} length");
  EXPECT_EQ(ReadAll(chat, call + std::string(kEnd), CompletionFinish::kLength), "0=f|0+{\"a\": \"x\"} tool_calls");
  EXPECT_EQ(ReadAll(chat, call.substr(0, call.find("x</") + 1), CompletionFinish::kLength), "0=f|0+{\"a\": \"x length");
}

// A call with values of all kinds, one that is no JSON, and a call without parameters.
constexpr std::string_view kTwoCalls =
    "Yes.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">x \"y\"\n"
    "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">{\"c\": [1, \"d\"]}</｜DSML｜parameter>\n"
    "<｜DSML｜parameter name=\"e\" string=\"false\">2026-01-01</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

// What the server reads with.
const CompletionStreamOptions kServed{
    .mode = ThinkingMode::kChat, .tolerant_tags = true, .quote_bad_json = true, .close_calls = true};

struct ReadCalls {
  std::vector<std::string> arguments;
  CompletionFinish finish = CompletionFinish::kStop;
};
ReadCalls CallsOf(const CompletionStreamOptions& options, std::string_view text, CompletionFinish cause) {
  CompletionStream stream(options);
  std::vector<CompletionEvent> events = stream.Push(text);
  const CompletionTail tail = stream.Finish(cause);
  events.insert(events.end(), tail.events.begin(), tail.events.end());
  ReadCalls calls;
  calls.finish = tail.finish;
  for (const CompletionEvent& event : events) {
    if (event.type == CompletionEventType::kToolCallStart) calls.arguments.emplace_back();
    if (event.type == CompletionEventType::kToolCallArguments) calls.arguments.back() += event.text;
  }
  return calls;
}
// All of them, if the client is told that there are calls.
void ExpectWholeCalls(const ReadCalls& calls, std::string_view text) {
  if (calls.finish != CompletionFinish::kToolCalls) return;
  EXPECT_FALSE(calls.arguments.empty()) << text;
  for (const std::string& arguments : calls.arguments) {
    const Result<Json> json = ParseJson(arguments);
    EXPECT_TRUE(json.ok() && json->is_object()) << arguments << " of " << text;
  }
}

TEST(CompletionStream, CallsOfAnyCutAreWholeOrSaidToBeCutOff) {
  const ReadCalls whole = CallsOf(kServed, kTwoCalls, CompletionFinish::kStop);
  EXPECT_EQ(whole.finish, CompletionFinish::kToolCalls);
  EXPECT_EQ(whole.arguments,
            (std::vector<std::string>{R"({"a": "x \"y\"\n", "b": {"c": [1, "d"]}, "e": "2026-01-01"})", "{}"}));
  int cut_off = 0;
  int closed = 0;
  for (size_t size = 0; size < kTwoCalls.size(); ++size) {
    const std::string_view text = kTwoCalls.substr(0, size);
    const ReadCalls ended = CallsOf(kServed, text, CompletionFinish::kStop);
    ExpectWholeCalls(ended, text);
    cut_off += ended.finish == CompletionFinish::kLength ? 1 : 0;
    closed += ended.finish == CompletionFinish::kToolCalls ? 1 : 0;
    // The token limit: always said, whatever was whole.
    EXPECT_EQ(CallsOf(kServed, text, CompletionFinish::kLength).finish, CompletionFinish::kLength) << text;
  }
  EXPECT_GT(cut_off, 50);
  EXPECT_GT(closed, 50);
}

TEST(CompletionStream, ValuesThatAreNoJsonStayAsTheyAreOrBecomeStrings) {
  for (const std::string value : {"{broken", "", "NaN", "True", "hello \"w\""}) {
    const std::string text =
        "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"calc\">\n<｜DSML｜parameter name=\"expr\" "
        "string=\"false\">" +
        value + "</｜DSML｜parameter>\n</｜DSML｜invoke>\n";
    EXPECT_EQ(Chat(text), "0=calc|0+{\"expr\": " + value + "} tool_calls");
    std::string quoted;
    AppendJsonString(value, &quoted);
    EXPECT_EQ(CallsOf(kServed, text, CompletionFinish::kStop).arguments,
              std::vector<std::string>{"{\"expr\": " + quoted + "}"});
  }
}

TEST(CompletionStream, OtherSpellingsAreTextInABlockThatBeganWithTheRightOne) {
  const std::string text =
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">see "
      "</|DSML|invoke> there</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">[\"</||DSML||x\", "
      "\"</｜｜DSML｜｜\"]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
  const ReadCalls calls = CallsOf(kServed, text, CompletionFinish::kStop);
  EXPECT_EQ(calls.arguments,
            std::vector<std::string>{R"({"a": "see </|DSML|invoke> there", "b": ["</||DSML||x", "</｜｜DSML｜｜"]})"});
  EXPECT_EQ(calls.finish, CompletionFinish::kToolCalls);
}

TEST(CompletionStream, TheModelsEndInsideACall) {
  const CompletionStreamOptions options{.mode = ThinkingMode::kChat, .close_calls = true};
  const std::string call(kCall);
  const auto up_to = [&](std::string_view end) { return call.substr(0, call.find(end) + end.size()); };
  EXPECT_EQ(ReadAll(options, up_to("name=\"f")), " length");
  EXPECT_EQ(ReadAll(options, up_to("name=\"f\">")), "0=f|0+{} tool_calls");
  EXPECT_EQ(ReadAll(options, up_to("parameter name=\"a")), "0=f|0+{\"a length");
  EXPECT_EQ(ReadAll(options, up_to("true\">x")), "0=f|0+{\"a\": \"x length");
  EXPECT_EQ(ReadAll(options, up_to("</｜DSML｜parameter>")), "0=f|0+{\"a\": \"x\"} tool_calls");
  EXPECT_EQ(ReadAll(options, "no call"), "c:no call stop");
}

TEST(CompletionStream, StopSequenceEndsAndIsNamed) {
  CompletionStream stream({.mode = ThinkingMode::kChat, .stop = {"", "END", "STOP"}});
  EXPECT_EQ(Show(stream.Push("go S")), "c:go ");
  EXPECT_EQ(Show(stream.Push("TOP on")), "");
  EXPECT_TRUE(stream.ended());
  EXPECT_EQ(stream.matched_stop(), "STOP");
  EXPECT_EQ(FinishName(stream.Finish(CompletionFinish::kStop).finish), "stop");
}

TEST(CompletionStream, ContinuedAnswerKeepsItsFirstNewlines) {
  EXPECT_EQ(ReadAll({.mode = ThinkingMode::kChat, .continued = true}, "\n\na"), "c:\n\na stop");
  EXPECT_EQ(ReadAll({.mode = ThinkingMode::kThinking, .continued = true}, "\na</think>\nb"), "r:\na|c:b stop");
}

TEST(CompletionStream, WithoutToolsMarkupIsText) {
  const CompletionStreamOptions options{.mode = ThinkingMode::kChat, .parse_tools = false};
  EXPECT_EQ(ReadAll(options, "\n\n<｜DSML｜tool_calls>\n"), "c:<｜DSML｜tool_calls>\n stop");
}

TEST(CompletionStream, MisspelledTagsOnlyWhenAskedFor) {
  for (const std::string spelling : {"｜｜DSML｜｜", "|DSML|", "||DSML||"}) {
    std::string text = std::string(kCall) + std::string(kEnd) + "x";
    for (size_t at = 0; (at = text.find(kDsmlText, at)) != std::string::npos; at += spelling.size()) {
      text.replace(at, kDsmlText.size(), spelling);
    }
    EXPECT_EQ(ReadAll({.mode = ThinkingMode::kChat, .tolerant_tags = true}, text), "0=f|0+{\"a\": \"x\"} tool_calls");
    EXPECT_EQ(Chat(text), "c:" + text.substr(2) + " stop");
  }
}

TEST(CompletionStream, CallWithoutItsEndTag) {
  const std::string text =
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜invoke name=\"g\">\n"
      "<｜DSML｜parameter name=\"a\" string=\"false\">1</｜DSML｜parameter>\n<｜DSML｜invoke "
      "name=\"h\">\n</｜DSML｜invoke>\n" +
      std::string(kEnd);
  EXPECT_EQ(ReadAll({.mode = ThinkingMode::kChat, .tolerant_tags = true}, text),
            "0=f|0+{}|1=g|1+{\"a\": 1}|2=h|2+{} tool_calls");
}

TEST(CompletionStream, HoldsBackLittle) {
  CompletionStream stream({.mode = ThinkingMode::kChat});
  const std::string newlines(100000, '\n');
  stream.Push("a");
  EXPECT_EQ(Show(stream.Push(newlines)), "");
  EXPECT_EQ(Show(stream.Push("b")), "c:" + newlines + "b");
  // A name without end is cut, not collected.
  stream.Push("<｜DSML｜invoke name=\"");
  for (int i = 0; i < 20; ++i) stream.Push(std::string(10000, 'n'));
  const std::vector<CompletionEvent> events = stream.Push("\"");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text.size(), 65536u);
}

TEST(CompletionStream, WholeCharactersInWholeCharactersOut) {
  // 〈 begins with a byte of ｜, so the bytes after < are held back and given up in the middle of the character.
  const std::vector<std::string> pieces = {"<", "〈", "<", "｜", "D", "é", "\n", "<｜DSM", "😀"};
  CompletionStream stream({.mode = ThinkingMode::kChat, .stop = {"😀😀"}});
  const auto check = [](const std::vector<CompletionEvent>& events) {
    for (const CompletionEvent& event : events) {
      ASSERT_FALSE(event.text.empty());
      EXPECT_NE(static_cast<unsigned char>(event.text.front()) & 0xC0, 0x80) << event.text;
    }
  };
  for (const std::string& piece : pieces) check(stream.Push(piece));
  check(stream.Finish(CompletionFinish::kStop).events);
}

// Any cut of any text gives the same; the texts are random strings of markers and their parts.
TEST(CompletionStream, RandomTextsAndCuts) {
  const std::vector<std::string> parts = {"a",
                                          "\n",
                                          "<",
                                          "</think>",
                                          "<｜DSML｜",
                                          "</｜DSML｜",
                                          "tool_calls>",
                                          "invoke name=\"",
                                          "f\">",
                                          "\"",
                                          " ",
                                          "parameter name=\"",
                                          "string=\"true\">",
                                          "false\">",
                                          "STOP",
                                          "<｜｜DSML｜｜",
                                          "</thi",
                                          "｜",
                                          "<|DSML|",
                                          " calls>",
                                          "\xEF",
                                          "ST",
                                          "é",
                                          "||DSML||"};
  std::mt19937 random(20260401);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t i = random() % 30; i > 0; --i) text += parts[random() % parts.size()];
    const CompletionStreamOptions options{.mode = random() % 2 ? ThinkingMode::kChat : ThinkingMode::kThinking,
                                          .stop = {"STOP", "a\n", "<｜"},
                                          .tolerant_tags = random() % 2 == 0,
                                          .quote_bad_json = random() % 2 == 0};
    const std::string whole = ReadAll(options, text);
    if (text.find('\xEF') == std::string::npos || IsValidUtf8(text)) {
      CompletionStreamOptions closing = options;
      closing.quote_bad_json = true;
      closing.close_calls = true;
      ExpectWholeCalls(CallsOf(closing, text, CompletionFinish::kStop), text);
    }
    CompletionStream stream(options);
    std::vector<CompletionEvent> events;
    for (size_t at = 0; at < text.size();) {
      const size_t size = random() % 7;
      for (CompletionEvent& event : stream.Push(std::string_view(text).substr(at, size))) events.push_back(event);
      at += size;
    }
    const CompletionTail tail = stream.Finish(CompletionFinish::kStop);
    events.insert(events.end(), tail.events.begin(), tail.events.end());
    ASSERT_EQ(Show(events) + " " + std::string(FinishName(tail.finish)), whole) << text;
  }
}

}  // namespace
}  // namespace fathom
