#include "corpus/training_sequence.h"

namespace fathom {
namespace {

ChatOptions OptionsOf(const Dialogue& dialogue) {
  return {.dialect = Dialect::kV4, .thinking_mode = dialogue.mode, .reasoning_effort = dialogue.effort};
}

}  // namespace

Result<RenderedPrompt> RenderDialogue(const Dialogue& dialogue) {
  return RenderChat(dialogue.messages, dialogue.tools, OptionsOf(dialogue));
}

}  // namespace fathom
