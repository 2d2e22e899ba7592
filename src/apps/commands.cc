#include "apps/apps.h"
#include "apps/bench.h"
#include "apps/chat.h"
#include "apps/eval.h"
#include "apps/inspect.h"
#include "apps/run.h"
#include "apps/serve.h"
#include "apps/synth.h"
#include "apps/tokenize.h"
#include "apps/verify.h"

namespace fathom {

std::span<const Command> Commands() {
  static constexpr Command kCommands[] = {
      {"run", "answer one prompt", RunMain},
      {"chat", "talk with a model in the terminal", ChatMain},
#ifdef FATHOM_HAVE_SERVER
      {"serve", "answer HTTP clients of the OpenAI, Anthropic and DeepSeek APIs", ServeMain},
#endif
      {"bench", "measure the speed of a model on this machine", BenchMain},
      {"eval", "examine a model with held-out questions", EvalMain},
      {"inspect", "say what a checkpoint is, costs and needs; check its data", InspectMain},
      {"synth", "write a made-up checkpoint of true shapes with random weights", SynthMain},
      {"tokenize", "show how text becomes tokens, or turn token ids into text", TokenizeMain},
      {"verify", "compare this program with published reference data", VerifyMain},
  };
  return kCommands;
}

}  // namespace fathom
