#include "train/torch/batch_feed.h"

#include <utility>

#include "base/strings.h"
#include "corpus/training_sequence.h"

namespace fathom {
namespace {

constexpr size_t kReady = 2;  // steps ahead
constexpr uint64_t kHeldOutOneIn = 20;
constexpr int64_t kGiveUpAfter = 100000;  // dialogues in a row that are too long

}  // namespace

DialogueSource::DialogueSource(const TrainConfig& config, std::vector<Dialogue> own)
    : seed_(config.seed), opening_(config.opening) {
  for (size_t i = 0; i < own.size(); ++i) {
    (i % kHeldOutOneIn == kHeldOutOneIn / 2 ? held_out_ : training_).push_back(std::move(own[i]));
  }
  if (!training_.empty() && held_out_.empty()) held_out_.push_back(training_.back());
}

Dialogue DialogueSource::Training(uint64_t index) const {
  if (training_.empty()) {
    uint64_t end = 0;  // of the parts so far
    for (const OpeningPart& part : opening_) {
      end += static_cast<uint64_t>(part.dialogues);
      if (index < end) return CorpusDialogue(seed_, index, part.subjects);
    }
    return CorpusDialogue(seed_, index);
  }
  std::vector<size_t> order(training_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  CorpusRandom random(seed_ + index / order.size());
  random.Shuffle(order);
  return training_[order[index % order.size()]];
}

Dialogue DialogueSource::HeldOut(uint64_t index) const {
  if (!held_out_.empty()) return held_out_[index % held_out_.size()];
  const std::span<const Subject> subjects = Subjects();
  return WriteDialogue(subjects[index % subjects.size()], Split::kHeldOut, seed_, index / subjects.size());
}

Result<TrainBatch> FillBatch(const TrainConfig& config, const DialogueSource& source, const Tokenizer& tokenizer,
                             bool held_out, int64_t tokens, uint64_t* next) {
  constexpr int64_t kShortest = 2;
  TrainBatch batch;
  int64_t left_out = 0;
  while (static_cast<int64_t>(batch.tokens.size()) < tokens) {
    const Dialogue dialogue = held_out ? source.HeldOut(*next) : source.Training(*next);
    ++*next;
    FATHOM_ASSIGN_OR_RETURN(const TrainingSequence sequence,
                            MakeTrainingSequence(dialogue, tokenizer, config.prompt_weight));
    const auto length = static_cast<int64_t>(sequence.tokens.size());
    if (length >= kShortest && length <= config.max_sequence_tokens) {
      batch.Add(sequence);
      left_out = 0;
    } else if (++left_out >= kGiveUpAfter) {
      return InvalidArgument(StrCat("no dialogue of ", kGiveUpAfter, " has between ", kShortest, " and ",
                                    config.max_sequence_tokens, " tokens (config key data.max_sequence_tokens)"));
    }
  }
  return batch;
}

BatchFeed::BatchFeed(const TrainConfig& config, const DialogueSource& source, const Tokenizer& tokenizer,
                     uint64_t first)
    : config_(config), source_(source), tokenizer_(tokenizer), next_(first), thread_([this] { Work(); }) {}

BatchFeed::~BatchFeed() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BatchFeed::Work() {
  for (;;) {
    FedBatch fed;
    Result<TrainBatch> batch = FillBatch(config_, source_, tokenizer_, false, config_.batch_tokens, &next_);
    const bool failed = !batch.ok();
    std::unique_lock lock(mutex_);
    if (failed) {
      ready_.emplace_back(batch.status());
    } else {
      fed.batch = std::move(*batch);
      fed.next_dialogue = next_;
      ready_.emplace_back(std::move(fed));
    }
    changed_.notify_all();
    if (failed) return;
    changed_.wait(lock, [&] { return stopping_ || ready_.size() < kReady; });
    if (stopping_) return;
  }
}

Result<FedBatch> BatchFeed::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty(); });
  Result<FedBatch> out = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return out;
}

}  // namespace fathom
