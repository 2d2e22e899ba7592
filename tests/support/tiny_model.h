// tiny_model.h - a checkpoint of ../shared/reference/golden with a model on it, for tests.
#ifndef FATHOM_TESTS_SUPPORT_TINY_MODEL_H_
#define FATHOM_TESTS_SUPPORT_TINY_MODEL_H_

#define XXH_INLINE_ALL
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "model/workspace.h"

namespace fathom::testing {

inline std::unique_ptr<Checkpoint> OpenGolden(const std::string& preset) {
  Result<std::unique_ptr<Checkpoint>> checkpoint =
      Checkpoint::Open(std::string(FATHOM_SHARED_DIR) + "/reference/golden/" + preset);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  return checkpoint.ok() ? std::move(*checkpoint) : nullptr;
}

// The same, or the trained model of models/.
inline std::unique_ptr<Checkpoint> OpenGoldenOrNano(const std::string& name) {
  if (name != "nano") return OpenGolden(name);
  Result<std::unique_ptr<Checkpoint>> nano = Checkpoint::Open(FATHOM_SOURCE_DIR "/models/nano");
  EXPECT_TRUE(nano.ok()) << nano.status().message();
  return nano.ok() ? std::move(*nano) : nullptr;
}

// Token ids from a fixed generator.
inline std::vector<int32_t> RandomTokens(int64_t count, int64_t vocab, uint32_t seed) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    tokens.push_back(static_cast<int32_t>((seed >> 8) % static_cast<uint32_t>(vocab)));
  }
  return tokens;
}

// A model with its own pool and workspace.
class TinyModel {
 public:
  TinyModel(const Checkpoint& checkpoint, int threads, ModelOptions options = {}, int64_t max_tokens = 512)
      : pool_(threads),
        model_(checkpoint.config(), checkpoint.weights(), options, pool_),
        workspace_(model_, max_tokens) {}

  const Model& model() const { return model_; }
  Workspace& workspace() { return workspace_; }

  // Appends tokens to one sequence; their logits [tokens * V].
  std::vector<float> Append(std::span<const int32_t> tokens, SequenceCache* cache) {
    const Segment segment = {cache, static_cast<int64_t>(tokens.size())};
    return Step({tokens, {&segment, 1}});
  }

  // One step; the logits of all its tokens.
  std::vector<float> Step(const Batch& batch) {
    const MatView<const float> streams = model_.Forward(batch, workspace_);
    std::vector<float> logits(static_cast<size_t>(streams.rows * model_.config().vocab_size));
    model_.Logits(streams, workspace_, MatView<float>(logits.data(), streams.rows, model_.config().vocab_size));
    return logits;
  }

 private:
  ThreadPool pool_;
  Model model_;
  Workspace workspace_;
};

// The tokens of a test, which are read in pieces.
class TestTokens {
 protected:
  std::span<const int32_t> Slice(int64_t begin, int64_t end) const {
    return std::span<const int32_t>(tokens_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }
  // Reads on up to `end` in chunks; the logits of what was read.
  std::vector<float> ReadTo(int64_t end, int64_t chunk, TinyModel* tiny, SequenceCache* cache) const {
    std::vector<float> logits;
    while (cache->position() < end) {
      const std::vector<float> part =
          tiny->Append(Slice(cache->position(), std::min(end, cache->position() + chunk)), cache);
      logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
  }

  std::vector<int32_t> tokens_;
};

inline uint64_t Hash(const std::vector<float>& values) {
  return XXH3_64bits(values.data(), values.size() * sizeof(float));
}

}  // namespace fathom::testing

#endif  // FATHOM_TESTS_SUPPORT_TINY_MODEL_H_
