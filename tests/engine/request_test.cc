#include "engine/request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fathom {
namespace {

std::string ErrorOf(void (*change)(GenerateRequest*)) {
  GenerateRequest request;
  request.prompt = {1, 2, 3};
  change(&request);
  const Status status = ValidateRequest(request, {.vocab_size = 100, .context = 10});
  EXPECT_TRUE(status.ok() || status.code() == ErrorCode::kInvalidArgument);
  return status.message();
}

TEST(ValidateRequest, DefaultsAreValid) {
  EXPECT_EQ(ErrorOf([](GenerateRequest*) {}), "");
}

TEST(ValidateRequest, PromptLength) {
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->prompt.clear(); }), "the prompt is empty; it needs at least one token");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->prompt.assign(9, 1); }), "");
  EXPECT_EQ(
      ErrorOf([](GenerateRequest* r) { r->prompt.assign(10, 1); }),
      "the prompt is too long: it has 10 tokens, and the model's context holds 10 for prompt and answer together");
}

TEST(ValidateRequest, IdsOutOfRange) {
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->prompt[1] = 100; }),
            "prompt[1] is token 100; this model has tokens 0 to 99");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) {
              r->stop_tokens = {1, -1};
            }),
            "stop_tokens[1] is token -1; this model has tokens 0 to 99");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) {
              r->sampling.logit_bias = {{100, 0.0f}};
            }),
            "logit_bias has token 100; this model has tokens 0 to 99");
}

TEST(ValidateRequest, NumbersOutOfRange) {
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->max_tokens = 0; }), "");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->max_tokens = -1; }), "max_tokens is -1; accepted is 0 or more");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->prompt_logprobs = 1001; }),
            "prompt_logprobs is 1001; accepted is 0 to 1000");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.temperature = std::nan(""); }),
            "temperature is nan; accepted is 0 to 100");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.temperature = -0.5; }),
            "temperature is -0.5; accepted is 0 to 100");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.top_p = 0; }), "top_p is 0; accepted is 1e-06 to 1");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.min_p = 1.5; }), "min_p is 1.5; accepted is 0 to 1");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.top_k = -1; }),
            "top_k is -1; accepted is 0 (off) or a positive number");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.presence_penalty = 3; }),
            "presence_penalty is 3; accepted is -2 to 2");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.frequency_penalty = -INFINITY; }),
            "frequency_penalty is -inf; accepted is -2 to 2");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.repetition_penalty = 0; }),
            "repetition_penalty is 0; accepted is 1e-06 to 100");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.logprobs = -1; }), "logprobs is -1; accepted is 0 to 1000");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) {
              r->sampling.logit_bias = {{1, std::nanf("")}};
            }),
            "logit_bias of token 1 is nan; accepted is -1000 to 1000, or -infinity");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->sampling.logit_bias = {{1, -INFINITY}}; }), "");
}

TEST(ValidateRequest, StopStrings) {
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->stop = {"a", ""}; }), "stop[1] has 0 bytes; accepted are 1 to 4096");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->stop = {std::string(4097, 'x')}; }),
            "stop[0] has 4097 bytes; accepted are 1 to 4096");
  EXPECT_EQ(ErrorOf([](GenerateRequest* r) { r->stop.assign(65, "x"); }),
            "stop has 65 strings; accepted are at most 64");
}

}  // namespace
}  // namespace fathom
