// tokenizer_training.h - the vocabulary of a model that learns from the corpus: learnt from the corpus's dialogues.
#ifndef FATHOM_CORPUS_TOKENIZER_TRAINING_H_
#define FATHOM_CORPUS_TOKENIZER_TRAINING_H_

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/chat_template.h"

namespace fathom {

struct TrainedTokenizer {
  std::string tokenizer_json;  // texts of the files of these names
  std::string tokenizer_config_json;
};

// Learns `vocab_size` tokens from the prompts' text of CorpusDialogue(seed, 0 .. dialogues - 1). The same arguments
// give the same files on every machine.
Result<TrainedTokenizer> TrainTokenizer(uint64_t seed, int64_t dialogues, int64_t vocab_size);

// Adds what the prompt holds beside control tokens, cut as Tokenizer::EncodeSpans cuts it.
void AddPrompt(const RenderedPrompt& prompt, BpeTrainer* trainer);

}  // namespace fathom

#endif  // FATHOM_CORPUS_TOKENIZER_TRAINING_H_
