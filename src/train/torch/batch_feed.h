// batch_feed.h - the dialogues of each step, written and tokenised on a thread of its own while the step before
// computes.
#ifndef FATHOM_TRAIN_TORCH_BATCH_FEED_H_
#define FATHOM_TRAIN_TORCH_BATCH_FEED_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "corpus/training_sequence.h"
#include "tokenizer/tokenizer.h"
#include "train/torch/train_model.h"
#include "train/train_config.h"

namespace fathom {

// Where dialogues come from: the corpus's rules, or a user's file.
class DialogueSource {
 public:
  // Reads and tokenises the config's `jsonl` if there is one. Dialogues of a length that no step takes are left out,
  // with a line on stderr; an error if none remains, or one cannot be rendered; kCancelled after Ctrl-C. Every
  // twentieth of the others is held out, of two to ten the last one. Borrows the tokenizer.
  static Result<std::unique_ptr<DialogueSource>> Open(const TrainConfig& config, const Tokenizer& tokenizer);

  // Number `index` of the training dialogues: the same for the same seed. A user's are shuffled anew every round. For
  // one thread at a time. Weights are 1 for what the assistant writes and 0 for the rest, as TrainBatch::Add takes
  // them.
  Result<TrainingSequence> Training(uint64_t index);
  // Number `index` of the held-out ones, likewise; also while another thread is in Training().
  Result<TrainingSequence> HeldOut(uint64_t index) const;
  // How many of these there are: the corpus has no end.
  uint64_t held_out_count() const { return training_.empty() ? UINT64_MAX : held_out_.size(); }
  // Tokens of all of these, likewise.
  uint64_t held_out_tokens() const;
  // False if the user has one dialogue only, which is for training.
  bool has_held_out() const { return held_out_count() > 0; }

 private:
  DialogueSource(const TrainConfig& config, const Tokenizer& tokenizer) : config_(config), tokenizer_(tokenizer) {}
  Status ReadOwn();

  const TrainConfig config_;
  const Tokenizer& tokenizer_;
  // A user's; both are empty for the corpus.
  std::vector<TrainingSequence> training_;
  std::vector<TrainingSequence> held_out_;
  // The order of training_ in a round.
  std::vector<size_t> order_;
  uint64_t round_ = 0;
};

struct FedBatch {
  TrainBatch batch;
  uint64_t next_dialogue = 0;  // where the next step goes on
};

class BatchFeed {
 public:
  // Makes a step's dialogues from number `*next` on, which it moves forward.
  using Fill = std::function<Result<TrainBatch>(uint64_t* next)>;

  // Calls `fill` on the feed's thread until it returns an error or the feed ends. `first` is the number of the first
  // dialogue.
  BatchFeed(Fill fill, uint64_t first);
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // The next step's dialogues; when those that were ready have been taken, the error of `fill`. An exception in it is
  // one, too.
  Result<FedBatch> Next();

 private:
  void Work();
  Result<TrainBatch> CallFill();

  const Fill fill_;
  uint64_t next_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Result<FedBatch>> ready_;
  bool stopping_ = false;
  std::thread thread_;
};

// A step's dialogues from number `*next` on, which is moved forward: at least batch_tokens tokens, or the last held-out
// ones; those longer than the config's limit, or too short to learn from, are left out. An error if a dialogue cannot
// be rendered, or none fits (a long search has progress on stderr); kCancelled after Ctrl-C.
Result<TrainBatch> FillBatch(const TrainConfig& config, DialogueSource& source, bool held_out, uint64_t* next);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_BATCH_FEED_H_
