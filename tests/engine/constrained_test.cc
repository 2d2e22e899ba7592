// Answers of a model without sense that obey a grammar all the same.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "engine/grammar/json_schema.h"
#include "engine/grammar/tool_grammar.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/grammar/schema_checker.h"

namespace fathom {
namespace {

class ConstrainedTest : public EngineTest {
 protected:
  static Constraint Compiled(Result<ByteAutomaton> automaton) {
    EXPECT_TRUE(automaton.ok()) << automaton.status().message();
    return {.automaton = std::make_shared<const ByteAutomaton>(std::move(*automaton))};
  }
  static Json Parse(const char* text) {
    Result<Json> json = ParseJson(text);
    EXPECT_TRUE(json.ok()) << text;
    return *json;
  }
};

TEST_F(ConstrainedTest, DocumentsAreValidBySchema) {
  Start();
  const char* const schemas[] = {
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":150},
          "tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":4}},"required":["name","age","tags"],"additionalProperties":false})",
      R"({"type":"string","format":"date-time"})",
      R"({"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"v":{"type":"number"},
          "kids":{"type":"array","maxItems":2,"items":{"$ref":"#/$defs/tree"}}},"required":["v"]}}})",
  };
  int complete = 0;
  for (const char* text : schemas) {
    const Json schema = Parse(text);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      GenerateRequest request = Request(Prompt(5), 200, seed);
      request.constraint = Compiled(CompileJsonSchema(schema, "schema"));
      request.sampling.temperature = seed == 1 ? 0 : 1;
      const Answer answer = Run(std::move(request));
      ASSERT_NE(answer.finished.reason, FinishReason::kError) << answer.finished.status.message();
      if (answer.finished.reason != FinishReason::kStop) continue;
      ++complete;
      const Result<Json> value = ParseJson(answer.text());
      ASSERT_TRUE(value.ok()) << answer.text();
      EXPECT_TRUE(SchemaChecker(schema).Valid(schema, *value)) << answer.text();
    }
  }
  EXPECT_GE(complete, 6);
}

TEST_F(ConstrainedTest, SameSeedSameAnswerBesideOthersAndAfterPreemption) {
  const Json schema = Parse(R"({"type":"array","items":{"type":"integer"},"minItems":12,"maxItems":12})");
  const auto request = [&](uint64_t seed) {
    GenerateRequest made = Request(Prompt(140, static_cast<int32_t>(seed)), 300, seed);
    made.constraint = Compiled(CompileJsonSchema(schema, "schema"));
    made.use_prefix_cache = false;
    return made;
  };
  Start();
  std::vector<Answer> alone;
  for (uint64_t seed = 1; seed <= 3; ++seed) alone.push_back(Run(request(seed)));
  // Room for about one sequence and a half: the others are sent back and start over.
  const int64_t bytes = CacheBytes(model_->cache_layout(), 480);
  Start({.cache_bytes = bytes});
  std::vector<EventQueue> queues(3);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    ASSERT_TRUE(engine_->Submit(request(seed), queues[seed - 1].handler()).ok());
  }
  for (size_t index = 0; index < 3; ++index) {
    const Answer together = Collect(queues[index]);
    EXPECT_EQ(together.ids, alone[index].ids);
    EXPECT_TRUE(ParseJson(together.text()).ok()) << together.text();
  }
}

TEST_F(ConstrainedTest, LogprobsAreTheModels) {
  Start();
  GenerateRequest request = Request(Prompt(5), 4);
  request.constraint = Compiled(CompileJsonSchema(Parse(R"({"const":true})"), "schema"));
  request.sampling.logprobs = 2;
  const Answer answer = Run(std::move(request));
  EXPECT_EQ(answer.text(), "true");
  EXPECT_LT(answer.logprobs.at(0), 0);  // not the certainty that the grammar makes it
}

TEST_F(ConstrainedTest, AnImpossibleTokenIsAnErrorOfThisRequestOnly) {
  Start();
  GenerateRequest request = Request(Prompt(5), 9);
  request.constraint = Compiled(CompileJsonSchema(Parse(R"({"const":1})"), "schema"));
  const int32_t one = tokenizer_->Encode("1", AddedTokens::kIgnore)[0];
  request.sampling.logit_bias = {{one, -std::numeric_limits<float>::infinity()}};
  const Answer answer = Run(std::move(request));
  EXPECT_EQ(answer.finished.reason, FinishReason::kError);
  EXPECT_NE(answer.finished.status.message().find("no token is possible"), std::string::npos);
  EXPECT_EQ(Run(Request(Prompt(5), 3)).ids.size(), 3u);
}

}  // namespace
}  // namespace fathom
