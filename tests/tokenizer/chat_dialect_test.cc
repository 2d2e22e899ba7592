#include "tokenizer/chat_dialect.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(ChatDialect, ConfigTellsTheDialect) {
  const auto of = [](std::string_view text) { return DialectOf(*ParseJson(text)); };
  EXPECT_EQ(of(R"({"model_type": "deepseek_v4", "hc_mult": 4})"), Dialect::kV4);
  EXPECT_EQ(of(R"({"model_type": "deepseek_v4", "dspark_block_size": 5})"), Dialect::kV40731);
  EXPECT_EQ(of(R"({"architectures": ["DeepseekV41ForCausalLM"], "dspark_block_size": 5})"), Dialect::kV41);
  EXPECT_EQ(of("{}"), Dialect::kV4);
  EXPECT_EQ(of("[]"), Dialect::kV4);
}

TEST(ChatDialect, NamesRoundTrip) {
  for (const Dialect dialect : {Dialect::kV4, Dialect::kV40731, Dialect::kV41}) {
    EXPECT_EQ(*ParseDialect(DialectName(dialect)), dialect);
  }
  EXPECT_FALSE(ParseDialect("v3").ok());
  EXPECT_EQ(*ParseThinkingMode("chat"), ThinkingMode::kChat);
  EXPECT_FALSE(ParseThinkingMode("").ok());
}

TEST(ChatDialect, EffortIsCheckedInChatModeAndRenderedOnlyInThinking) {
  EXPECT_EQ(*EffortPrefix(Dialect::kV4, ThinkingMode::kChat, "max"), "");
  EXPECT_NE(*EffortPrefix(Dialect::kV4, ThinkingMode::kThinking, "max"), "");
  const Result<std::string> bad = EffortPrefix(Dialect::kV4, ThinkingMode::kChat, "low");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(), "reasoning_effort is \"low\"; v4 accepts high or max");
}

TEST(ChatDialect, HighOf0731IsMaxOfApril) {
  EXPECT_EQ(*EffortPrefix(Dialect::kV40731, ThinkingMode::kThinking, "high"),
            *EffortPrefix(Dialect::kV4, ThinkingMode::kThinking, "max"));
  EXPECT_NE(*EffortPrefix(Dialect::kV40731, ThinkingMode::kThinking, "max"),
            *EffortPrefix(Dialect::kV4, ThinkingMode::kThinking, "max"));
}

struct Mapping {
  Dialect dialect;
  EffortRequest request;
  ThinkingMode mode;
  std::optional<std::string> effort;
};

TEST(ChatDialect, RequestsMapToEncoderInputs) {
  using enum Dialect;
  using enum ThinkingMode;
  const Mapping kMappings[] = {
      {kV4, {}, kThinking, "high"},
      {kV4, {.thinking = false}, kChat, std::nullopt},
      {kV4, {.thinking = false, .effort = "max"}, kChat, std::nullopt},
      {kV4, {.thinking = true}, kThinking, "high"},
      {kV4, {.effort = "none"}, kChat, std::nullopt},
      {kV4, {.effort = "minimal"}, kThinking, std::nullopt},
      {kV4, {.effort = "low"}, kThinking, std::nullopt},
      {kV40731, {.effort = "low"}, kThinking, "low"},
      {kV40731, {.effort = "medium"}, kThinking, "high"},
      {kV40731, {.effort = "xhigh"}, kThinking, "high"},
      {kV40731, {.effort = "max"}, kThinking, "max"},
      {kV40731, {.effort = "ultra"}, kThinking, "max"},
      {kV41, {.effort = "37"}, kThinking, "37"},
  };
  for (const Mapping& mapping : kMappings) {
    const Result<EffortChoice> choice = MapEffort(mapping.dialect, mapping.request);
    ASSERT_TRUE(choice.ok()) << choice.status().message();
    EXPECT_EQ(choice->mode, mapping.mode) << mapping.request.effort.value_or("-");
    EXPECT_EQ(choice->effort, mapping.effort) << mapping.request.effort.value_or("-");
    EXPECT_TRUE(EffortPrefix(mapping.dialect, choice->mode, choice->effort).ok());
  }
}

TEST(ChatDialect, UnknownEffortsAreRefusedEvenWithoutThinking) {
  EXPECT_FALSE(MapEffort(Dialect::kV4, {.effort = "extreme"}).ok());
  EXPECT_FALSE(MapEffort(Dialect::kV4, {.thinking = false, .effort = ""}).ok());
  EXPECT_FALSE(MapEffort(Dialect::kV4, {.effort = "37"}).ok());
  for (const char* effort : {"0", "101", "-1", "1.0", "07", " 7", "+7"}) {
    EXPECT_FALSE(MapEffort(Dialect::kV41, {.effort = effort}).ok()) << effort;
  }
}

}  // namespace
}  // namespace fathom
