// batch_feed.h - the dialogues of each step, written and tokenised on a thread of its own while the step before
// computes.
#ifndef FATHOM_TRAIN_TORCH_BATCH_FEED_H_
#define FATHOM_TRAIN_TORCH_BATCH_FEED_H_

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "corpus/corpus.h"
#include "tokenizer/tokenizer.h"
#include "train/torch/train_model.h"
#include "train/train_config.h"

namespace fathom {

// Where dialogues come from: the corpus's rules, or a user's file.
class DialogueSource {
 public:
  // `own` is empty for the corpus. A twentieth of a user's dialogues, at least one, is held out. Takes from the
  // configuration the seed and what the corpus begins with.
  DialogueSource(const TrainConfig& config, std::vector<Dialogue> own);

  // Number `index` of the training dialogues: the same for the same seed. A user's are shuffled anew every round.
  Dialogue Training(uint64_t index) const;
  // Number `index` of the held-out ones.
  Dialogue HeldOut(uint64_t index) const;

 private:
  const uint64_t seed_;
  const std::vector<OpeningPart> opening_;
  std::vector<Dialogue> training_;
  std::vector<Dialogue> held_out_;
};

struct FedBatch {
  TrainBatch batch;
  uint64_t next_dialogue = 0;  // where the next step goes on
};

class BatchFeed {
 public:
  // Borrows source and tokenizer. `first` is the number of the first dialogue.
  BatchFeed(const TrainConfig& config, const DialogueSource& source, const Tokenizer& tokenizer, uint64_t first);
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // The next step's dialogues. An error if a dialogue cannot be rendered, or none is short enough.
  Result<FedBatch> Next();

 private:
  void Work();

  const TrainConfig config_;
  const DialogueSource& source_;
  const Tokenizer& tokenizer_;
  uint64_t next_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<FedBatch>> ready_;
  bool stopping_ = false;
  std::thread thread_;
};

// A step's dialogues from number `*next` on, which is moved forward: at least `tokens` tokens; those longer than the
// config's limit, or too short to learn from, are left out.
Result<TrainBatch> FillBatch(const TrainConfig& config, const DialogueSource& source, const Tokenizer& tokenizer,
                             bool held_out, int64_t tokens, uint64_t* next);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_BATCH_FEED_H_
