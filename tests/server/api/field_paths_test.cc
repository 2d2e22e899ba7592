#include "server/api/field_paths.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(FieldPaths, TheLongestFieldCountsAndOfEqualOnesTheLast) {
  FieldPaths paths;
  EXPECT_EQ(paths.Of("tools[0].function.name is missing"), "tools[0].function.name is missing");
  paths.Add("tools[0].function.parameters", "tools[2].input_schema");
  paths.Add("tools[0].function", "tools[1]");
  paths.Add("tools[0].function", "tools[2]");
  paths.Add("messages", "input");
  EXPECT_EQ(paths.Of("tools[0].function.name is missing"), "tools[2].name is missing");
  EXPECT_EQ(paths.Of("tools[0].function.parameters.a: bad"), "tools[2].input_schema.a: bad");
  EXPECT_EQ(paths.Of("messages[3].role is \"x\""), "input[3].role is \"x\"");
  EXPECT_EQ(paths.Of("messages"), "input");
  FieldPaths more;
  more.Add("messages[3]", "input[7]");
  paths.Add(more);
  EXPECT_EQ(paths.Of("messages[3].role is \"x\""), "input[7].role is \"x\"");
}

TEST(FieldPaths, OnlyWholeNamesAtTheBeginning) {
  FieldPaths paths;
  paths.Add("tool", "other");
  paths.Add("tools[1]", "other");
  for (const char* text : {"tools is a number", "tool_choice is 7", "tools[10] is 7", "the tool is wrong", ""}) {
    EXPECT_EQ(paths.Of(text), text);
  }
}

TEST(FieldPaths, AnErrorKeepsItsKind) {
  FieldPaths paths;
  paths.Add("max_tokens", "max_output_tokens");
  const Status status = paths.Translate(NotFound("max_tokens is gone"));
  EXPECT_EQ(status.code(), ErrorCode::kNotFound);
  EXPECT_EQ(status.message(), "max_output_tokens is gone");
}

}  // namespace
}  // namespace fathom
