#include "train/torch/batch_feed.h"

#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "corpus/corpus.h"
#include "corpus/random.h"

namespace fathom {
namespace {

constexpr size_t kReady = 2;  // steps ahead
constexpr size_t kHeldOutOneIn = 20;
constexpr int64_t kGiveUpAfter = 100000;  // dialogues in a row that are too long
constexpr int64_t kShortest = 2;          // the first token is only read
constexpr float kOnlyAnswers = 0;         // prompt_weight comes in with TrainBatch::Add

bool Fits(const TrainingSequence& sequence, const TrainConfig& config) {
  const auto length = static_cast<int64_t>(sequence.tokens.size());
  return length >= kShortest && length <= config.max_sequence_tokens;
}

// "between 2 and 8192 tokens (...)"
std::string AcceptedLengths(const TrainConfig& config) {
  return StrCat("between ", kShortest, " and ", config.max_sequence_tokens,
                " tokens (config key data.max_sequence_tokens)");
}

}  // namespace

Result<std::unique_ptr<DialogueSource>> DialogueSource::Open(const TrainConfig& config, const Tokenizer& tokenizer) {
  std::unique_ptr<DialogueSource> source(new DialogueSource(config, tokenizer));
  if (!config.jsonl.empty()) FATHOM_RETURN_IF_ERROR(source->ReadOwn());
  return source;
}

Status DialogueSource::ReadOwn() {
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Dialogue> dialogues, ReadDialogues(config_.jsonl));
  std::vector<TrainingSequence> own;
  Progress progress("tokenising dialogues", dialogues.size(), Progress::Unit::kItems);
  for (const Dialogue& dialogue : dialogues) {
    if (InterruptRequested()) return Cancelled("stopped before the first step");
    FATHOM_ASSIGN_OR_RETURN(TrainingSequence sequence, MakeTrainingSequence(dialogue, tokenizer_, kOnlyAnswers));
    if (Fits(sequence, config_)) own.push_back(std::move(sequence));
    progress.Add(1);
  }
  progress.Finish();
  if (own.empty()) return InvalidArgument(StrCat(config_.jsonl, ": no dialogue has ", AcceptedLengths(config_)));
  if (const size_t left_out = dialogues.size() - own.size(); left_out > 0) {
    WriteStderr(StrCat(config_.jsonl, ": ", left_out, " of ", dialogues.size(),
                       " dialogues are left out, since they do not have ", AcceptedLengths(config_), "\n"));
  }
  const bool few = own.size() <= kHeldOutOneIn / 2 && own.size() > 1;
  for (size_t i = 0; i < own.size(); ++i) {
    const bool held_out = few ? i + 1 == own.size() : i % kHeldOutOneIn == kHeldOutOneIn / 2;
    (held_out ? held_out_ : training_).push_back(std::move(own[i]));
  }
  return {};
}

Result<TrainingSequence> DialogueSource::Training(uint64_t index) {
  if (training_.empty()) {
    uint64_t end = 0;  // of the parts so far
    std::span<const std::string> among;
    for (const OpeningPart& part : config_.opening) {
      end += static_cast<uint64_t>(part.dialogues);
      if (index >= end) continue;
      among = part.subjects;
      break;
    }
    return MakeTrainingSequence(CorpusDialogue(config_.seed, index, among), tokenizer_, kOnlyAnswers);
  }
  const uint64_t wanted_round = index / training_.size();
  if (order_.empty() || wanted_round != round_) {
    round_ = wanted_round;
    order_.resize(training_.size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    CorpusRandom random(config_.seed + round_);
    random.Shuffle(order_);
  }
  return training_[order_[index % order_.size()]];
}

Result<TrainingSequence> DialogueSource::HeldOut(uint64_t index) const {
  if (!training_.empty()) {
    FATHOM_CHECK(index < held_out_.size());
    return held_out_[index];
  }
  const std::span<const Subject> subjects = Subjects();
  const Dialogue dialogue =
      WriteDialogue(subjects[index % subjects.size()], Split::kHeldOut, config_.seed, index / subjects.size());
  return MakeTrainingSequence(dialogue, tokenizer_, kOnlyAnswers);
}

uint64_t DialogueSource::held_out_tokens() const {
  if (training_.empty()) return UINT64_MAX;
  uint64_t tokens = 0;
  for (const TrainingSequence& sequence : held_out_) tokens += sequence.tokens.size();
  return tokens;
}

Result<TrainBatch> FillBatch(const TrainConfig& config, DialogueSource& source, bool held_out, uint64_t* next) {
  TrainBatch batch;
  int64_t left_out = 0;            // since the last one that fits
  std::optional<Progress> search;  // while that is not 0
  const uint64_t end = held_out ? source.held_out_count() : UINT64_MAX;
  while (static_cast<int64_t>(batch.tokens.size()) < config.batch_tokens && *next < end) {
    if (InterruptRequested()) return Cancelled("stopped");
    const uint64_t index = (*next)++;
    FATHOM_ASSIGN_OR_RETURN(const TrainingSequence sequence, held_out ? source.HeldOut(index) : source.Training(index));
    if (Fits(sequence, config)) {
      batch.Add(sequence, config.prompt_weight);
      left_out = 0;
      search.reset();
      continue;
    }
    if (++left_out >= kGiveUpAfter) {
      return InvalidArgument(StrCat("no dialogue of ", kGiveUpAfter, " has ", AcceptedLengths(config)));
    }
    if (!search) {
      search.emplace(StrCat("looking for a dialogue that has ", AcceptedLengths(config)),
                     static_cast<uint64_t>(kGiveUpAfter), Progress::Unit::kItems);
    }
    search->Update(static_cast<uint64_t>(left_out));
  }
  return batch;
}

BatchFeed::BatchFeed(Fill fill, uint64_t first) : fill_(std::move(fill)), next_(first), thread_([this] { Work(); }) {}

BatchFeed::~BatchFeed() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// An exception that left the thread would end the process, and with it the steps since the last checkpoint.
Result<TrainBatch> BatchFeed::CallFill() {
  try {
    return fill_(&next_);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory for the next step's dialogues");
  } catch (const std::exception& error) {
    return ResourceExhausted(StrCat("the next step's dialogues cannot be made: ", error.what()));
  }
}

void BatchFeed::Work() {
  for (;;) {
    FedBatch fed;
    Result<TrainBatch> batch = CallFill();
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
