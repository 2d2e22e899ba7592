// eval_items.h - the questions of an examination: which ones, in which mode, and as what prompt.
//
//   const EvalSuite* suite = FindEvalSuite("nano");
//   FATHOM_ASSIGN_OR_RETURN(std::vector<EvalItem> items, SelectEvalItems(suite->subjects(), {.items = 40}, dialect));
#ifndef FATHOM_APPS_EVAL_ITEMS_H_
#define FATHOM_APPS_EVAL_ITEMS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "corpus/corpus.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct EvalSuite {
  std::string_view name;
  std::span<const Subject> (*subjects)();
};

std::span<const EvalSuite> EvalSuites();
// Null if there is none of this name.
const EvalSuite* FindEvalSuite(std::string_view name);

// In which modes each question is asked.
enum class EvalThinking : uint8_t {
  kAsWritten,  // as its dialogue says; arithmetic and word problems both ways, to show what thinking is worth
  kOn,
  kOff,
  kBoth,
};

struct EvalSelection {
  int64_t items = 40;        // of each subject, before modes; fewer where a subject has no more different questions
  std::string subject = {};  // only subjects whose names begin with it
  uint64_t seed = 1;
  EvalThinking thinking = EvalThinking::kAsWritten;
  // Only questions whose LookupDistance() is at least this, of the subjects that have distances; 0: all questions.
  int64_t min_distance = 0;
};

struct EvalItem {
  Dialogue dialogue;    // `mode` is the one it is asked in, with the effort that belongs to it
  uint64_t number = 0;  // WriteDialogue's index
  RenderedPrompt prompt;
};

// Held-out dialogues of every subject, no prompt twice, subjects taking turns: a part of them is a fair sample. An
// error if no subject has that name, RenderChat refuses a dialogue, or nothing has `min_distance`, for which alone
// `tokenizer` is needed; kCancelled after Ctrl-C. Says on stderr where `min_distance` leaves fewer than were asked for.
Result<std::vector<EvalItem>> SelectEvalItems(std::span<const Subject> subjects, const EvalSelection& selection,
                                              Dialect dialect, const Tokenizer* tokenizer = nullptr);

// "arithmetic" of "arithmetic.add3".
std::string_view EvalGroup(std::string_view subject);

// For questions about one place in a long text: how many tokens follow after the last place where the prompt has the
// right answer's sentence, or else what is expected. Nothing for other subjects and where that does not occur.
std::optional<int64_t> LookupDistance(const EvalItem& item, const Tokenizer& tokenizer);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_ITEMS_H_
