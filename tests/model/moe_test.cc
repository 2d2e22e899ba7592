#include "model/moe.h"

#include <gtest/gtest.h>

#include <vector>

namespace fathom {
namespace {

// A model of two hash layers with tables of 3 tokens x 2 experts, 4 experts.
struct HashModel {
  ModelConfig config;
  ModelWeights weights;
  std::vector<int64_t> first = {0, 1, 2, 3, 0, 3};
  std::vector<int64_t> second = {3, 2, 1, 0, 2, 1};

  HashModel() {
    config.vocab_size = 3;
    config.experts = 4;
    config.experts_per_token = 2;
    weights.layers.resize(3);  // the last one routes by score
    weights.layers[0].tid2eid = reinterpret_cast<const uint8_t*>(first.data());
    weights.layers[1].tid2eid = reinterpret_cast<const uint8_t*>(second.data());
  }
};

TEST(HashTables, SoundTablesPass) {
  const HashModel model;
  EXPECT_TRUE(CheckHashTables(model.config, model.weights).ok());
}

TEST(HashTables, AnExpertTheModelDoesNotHaveIsNamed) {
  for (const int64_t bad : {int64_t{4}, int64_t{-1}, int64_t{1} << 40}) {
    HashModel model;
    model.second[3] = bad;
    const Status status = CheckHashTables(model.config, model.weights);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(), "tensor layers.1.ffn.gate.tid2eid sends token 1 to expert " + std::to_string(bad) +
                                    "; the model has experts 0 to 3");
  }
}

}  // namespace
}  // namespace fathom
