#include "corpus/tokenizer_training.h"

#include "base/progress.h"
#include "corpus/corpus.h"
#include "corpus/training_sequence.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/tokenizer_json_writer.h"

namespace fathom {

void AddPrompt(const RenderedPrompt& prompt, BpeTrainer* trainer) {
  static const AddedTokenMatcher* const kControls = new AddedTokenMatcher(ControlTokens(kMinVocab));
  std::string text;  // since the last control token
  for (const PromptSpan& span : prompt.spans()) {
    size_t done = 0;
    if (span.markup) {
      for (auto match = kControls->FindNext(span.text, 0); match; match = kControls->FindNext(span.text, match->end)) {
        text.append(span.text, done, match->begin - done);
        trainer->Add(text);
        text.clear();
        done = match->end;
      }
    }
    text.append(span.text, done);
  }
  trainer->Add(text);
}

Result<TrainedTokenizer> TrainTokenizer(uint64_t seed, int64_t dialogues, int64_t vocab_size) {
  BpeTrainer trainer;
  Progress progress("counting pieces of dialogues", static_cast<uint64_t>(dialogues), Progress::Unit::kItems);
  for (int64_t index = 0; index < dialogues; ++index) {
    const Dialogue dialogue = CorpusDialogue(seed, static_cast<uint64_t>(index));
    FATHOM_ASSIGN_OR_RETURN(const RenderedPrompt prompt, RenderDialogue(dialogue));
    AddPrompt(prompt, &trainer);
    progress.Update(static_cast<uint64_t>(index) + 1);
  }
  progress.Finish();
  FATHOM_ASSIGN_OR_RETURN(std::string tokenizer_json, trainer.Train(vocab_size));
  return TrainedTokenizer{std::move(tokenizer_json), TokenizerConfigJson()};
}

}  // namespace fathom
