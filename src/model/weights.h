// weights.h - the parameters of a model as views into mapped shards. Nothing here owns memory: checkpoint/checkpoint.h
// fills it and must outlive it. Names are those of the reference README, section 5; every shape was checked against the
// config.
#ifndef FATHOM_MODEL_WEIGHTS_H_
#define FATHOM_MODEL_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "kernels/matrix.h"

namespace fathom {

// Mixing parameters of a hyper-connection (section 7.2): fn [rows, S*D], base [rows], scale [3] (or [1] for a head).
struct HyperConnectionWeights {
  Matrix fn;
  Vector base;
  Vector scale;
};

// Section 7.5. ape [m, c*w] F32; wkv, wgate [c*w, D] BF16; norm [w].
struct CompressorWeights {
  Matrix ape;
  Matrix wkv;
  Matrix wgate;
  Vector norm;
};

// Section 7.6. wq_b [Hi*di, q]; weights_proj [Hi, D].
struct IndexerWeights {
  Matrix wq_b;
  Matrix weights_proj;
  CompressorWeights compressor;
};

// Section 7.7. w1 (gate), w3 (up) [F, D]; w2 (down) [D, F].
struct ExpertWeights {
  Matrix w1;
  Matrix w2;
  Matrix w3;
};

struct LayerWeights {
  int64_t ratio = 0;  // 0, 4 or 128

  HyperConnectionWeights attn_mix;
  Vector attn_norm;
  Matrix wq_a;
  Vector q_norm;
  Matrix wq_b;
  Matrix wkv;
  Vector kv_norm;
  Vector sink;
  Matrix wo_a;
  Matrix wo_b;
  CompressorWeights compressor;  // ratio != 0
  IndexerWeights indexer;        // ratio == 4

  HyperConnectionWeights ffn_mix;
  Vector ffn_norm;
  Matrix gate;                       // [E, D]
  Vector gate_bias;                  // [E]; empty in hash layers
  const uint8_t* tid2eid = nullptr;  // [V, k] int64, unaligned; hash layers only
  std::vector<ExpertWeights> experts;
  ExpertWeights shared;
};

// Section 7.8.
struct MtpWeights {
  LayerWeights layer;
  Matrix e_proj;
  Matrix h_proj;
  Vector enorm;
  Vector hnorm;
  Vector norm;
  HyperConnectionWeights head_mix;
};

struct ModelWeights {
  Matrix embed;  // [V, D] BF16
  Matrix head;   // [V, D] BF16
  Vector norm;
  HyperConnectionWeights head_mix;
  std::vector<LayerWeights> layers;
  std::vector<MtpWeights> mtp;
};

}  // namespace fathom

#endif  // FATHOM_MODEL_WEIGHTS_H_
