#include "engine/grammar/constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/grammar/json_schema.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/synthetic_tokenizer.h"

namespace fathom {
namespace {

class ConstraintTest : public testing::Test {
 protected:
  ConstraintTest() {
    Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(*SyntheticTokenizerJson(2000), "synthetic");
    EXPECT_TRUE(tokenizer.ok());
    tokenizer_ = std::move(*tokenizer);
    trie_ = std::make_unique<TokenTrie>(*tokenizer_);
    eos_ = *tokenizer_->FindAddedToken(kEosText);
    think_end_ = *tokenizer_->FindAddedToken(kThinkEndText);
  }

  static Constraint Schema(const std::string& text) {
    Result<ByteAutomaton> automaton = CompileJsonSchema(*ParseJson(text), "schema");
    EXPECT_TRUE(automaton.ok()) << automaton.status().message();
    return {.automaton = std::make_shared<const ByteAutomaton>(std::move(*automaton))};
  }
  ConstraintState State(Constraint constraint) { return {std::move(constraint), *trie_, {eos_}}; }
  std::vector<int32_t> Allowed(ConstraintState& state) {
    const std::span<const uint64_t> mask = state.AllowedTokens();
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      if (MaskHas(mask, id)) ids.push_back(id);
    }
    return ids;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<TokenTrie> trie_;
  int32_t eos_ = 0;
  int32_t think_end_ = 0;
};

// The mask is what trying every token by itself gives.
TEST_F(ConstraintTest, MasksAreExact) {
  Constraint constraint = Schema(
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":9},"k":{"enum":["abc","abd",12]}},"required":["k"]})");
  AutomatonWalker walker(*constraint.automaton);
  ConstraintState state = State(constraint);
  std::mt19937 random(5);
  int32_t at = walker.start();
  for (int step = 0; step < 200 && !state.finished(); ++step) {
    std::vector<int32_t> expected;
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      const std::string_view bytes = tokenizer_->token_bytes(id);
      const bool text = !tokenizer_->is_added(id) && !bytes.empty();
      if (text && walker.StepText(at, bytes) != AutomatonWalker::kDead) expected.push_back(id);
      if (id == eos_ && walker.complete(at)) expected.push_back(id);
    }
    ASSERT_EQ(Allowed(state), expected) << "step " << step;
    ASSERT_EQ(Allowed(state), expected);  // from the cache
    const int32_t id = expected[random() % expected.size()];
    ASSERT_NE(id, eos_);
    at = walker.StepText(at, tokenizer_->token_bytes(id));
    state.Accept(id);
  }
  EXPECT_TRUE(state.finished());
  EXPECT_EQ(Allowed(state), std::vector<int32_t>{eos_});
}

TEST_F(ConstraintTest, StopTokensOnlyWhereTheTextIsComplete) {
  ConstraintState state = State(Schema(R"({"type":"integer"})"));
  EXPECT_FALSE(MaskHas(state.AllowedTokens(), eos_));
  state.Accept(tokenizer_->Encode("1", AddedTokens::kIgnore)[0]);
  EXPECT_TRUE(MaskHas(state.AllowedTokens(), eos_));
  EXPECT_FALSE(state.finished());  // more digits may follow
}

TEST_F(ConstraintTest, BeginsAfterThinking) {
  Constraint constraint = Schema(R"({"const":"x"})");
  constraint.begin_after_token = think_end_;
  ConstraintState state = State(constraint);
  const int32_t letter = tokenizer_->Encode("q", AddedTokens::kIgnore)[0];
  EXPECT_TRUE(MaskHas(state.AllowedTokens(), letter));
  EXPECT_TRUE(MaskHas(state.AllowedTokens(), think_end_));
  EXPECT_FALSE(MaskHas(state.AllowedTokens(), eos_));
  state.Accept(letter);
  state.Accept(think_end_);
  EXPECT_FALSE(MaskHas(state.AllowedTokens(), letter));
  EXPECT_FALSE(MaskHas(state.AllowedTokens(), think_end_));
  EXPECT_TRUE(MaskHas(state.AllowedTokens(), tokenizer_->Encode("\"", AddedTokens::kIgnore)[0]));
}

TEST_F(ConstraintTest, BeginsAfterAText) {
  Constraint constraint = Schema(R"({"const":1})");
  constraint.begin_after_text = "<go>";
  ConstraintState state = State(constraint);
  for (const char* text : {"a", "<", "g", "<", "g", "o"}) {
    state.Accept(tokenizer_->Encode(text, AddedTokens::kIgnore)[0]);
    EXPECT_TRUE(state.AllowedTokens().empty());
  }
  state.Accept(tokenizer_->Encode(">", AddedTokens::kIgnore)[0]);
  EXPECT_EQ(Allowed(state), tokenizer_->Encode("1", AddedTokens::kIgnore));
}

// Many states at once in random order, from several threads, with and without room for what they find.
TEST_F(ConstraintTest, SharedMemoryChangesNothing) {
  const Constraint constraint = Schema(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}},"b":{"type":"number"}},
          "required":["a","b"]})");
  for (const size_t max_bytes : {size_t{70} << 10, size_t{500} << 10, ConstraintMemory::kMaxBytes}) {
    ConstraintPool pool(max_bytes);
    std::vector<std::thread> threads;
    for (uint32_t seed = 0; seed < 4; ++seed) {
      threads.emplace_back([&, seed] {
        std::minstd_rand random(seed / 2 + 1);  // two of each walk the same way
        ConstraintState shared(constraint, *trie_, {eos_}, &pool);
        ConstraintState alone(constraint, *trie_, {eos_});
        for (int step = 0; step < 60 && !alone.finished(); ++step) {
          const std::span<const uint64_t> mask = alone.AllowedTokens();
          const std::span<const uint64_t> same = shared.AllowedTokens();
          ASSERT_TRUE(std::ranges::equal(mask, same)) << step;
          std::vector<int32_t> ids;
          for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
            if (id != eos_ && MaskHas(mask, id)) ids.push_back(id);
          }
          if (ids.empty()) break;
          const int32_t id = ids[random() % ids.size()];
          alone.Accept(id);
          shared.Accept(id);
          ASSERT_EQ(alone.finished(), shared.finished());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// Each character is reached by a thousand stacks, so a position takes many times its own size.
TEST_F(ConstraintTest, MemoryIsBoundedByAllThatPositionsHold) {
  const std::string any = R"({"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"},{"$ref":"#/$defs/e"}]})";
  const Constraint constraint = Schema(R"({"$ref":"#/$defs/a","$defs":{"a":)" + any + R"(,"b":)" + any +
                                       R"(,"e":{"type":"string","maxLength":300}}})");
  constexpr size_t kMaxBytes = size_t{256} << 10;
  ConstraintPool pool(kMaxBytes);
  ConstraintState bounded(constraint, *trie_, {eos_}, &pool);
  ConstraintState alone = State(constraint);
  const int32_t letter = tokenizer_->Encode("a", AddedTokens::kIgnore)[0];
  size_t most = 0;
  for (int step = 0; step < 12; ++step) {
    const std::vector<int32_t> ids = Allowed(alone);
    ASSERT_EQ(Allowed(bounded), ids) << step;
    ASSERT_FALSE(ids.empty());
    const size_t bytes = pool.Get(constraint.automaton, {eos_})->walker.bytes();
    most = std::max(most, bytes);
    const int32_t id = std::ranges::binary_search(ids, letter) ? letter : ids[0];
    alone.Accept(id);
    bounded.Accept(id);
  }
  EXPECT_GT(most, kMaxBytes / 2);
  // Beyond the bound at most what a mask begins with and one step.
  EXPECT_LT(most, 4 * kMaxBytes);
}

TEST(ConstraintPool, OneMemoryForOneGrammarAndANewOneWhenItIsFull) {
  const auto automaton = std::make_shared<const ByteAutomaton>(*CompileJsonObject());
  ConstraintPool pool;
  const auto memory = pool.Get(automaton, {1});
  EXPECT_EQ(pool.Get(automaton, {1}), memory);
  EXPECT_NE(pool.Get(automaton, {1, 2}), memory);
  const auto next = pool.Replace(*memory);
  EXPECT_NE(next, memory);
  EXPECT_EQ(pool.Replace(*memory), next);
  EXPECT_EQ(pool.Get(automaton, {1}), next);
}

}  // namespace
}  // namespace fathom
