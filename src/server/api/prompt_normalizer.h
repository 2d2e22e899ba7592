// prompt_normalizer.h - lines of the system text that change from request to request, taken out of the way of the
// prefix cache. Off unless asked for: it changes what the model reads.
//
// What is changed, in system and developer messages before the first other message, line by line:
//
//   1. Header lines: a line that begins with "x-anthropic-billing-header:" (any case) is removed.
//   2. Date lines: a line of at most 200 bytes that names the time and gives one. It names the time if it has one of
//   the
//      words date, datetime, time, timestamp, today, today's or now (any case); it gives one if it has a date with year
//      (2026-11-25, 2026/11/25, 11/25/2026, November 25, 2026, 25 November 2026, Wed Nov 25 2026) or a time of day with
//      seconds (14:03:59). It is dropped or moved, as asked.
//
// Moved lines keep their order and text and stand, behind an empty line, at the end of a user message: the first one,
// so that conversations share their system text and a new day costs one conversation's prefix; or the last one, for
// lines that change with every request, which costs what follows the last user message but one. Without a user message
// they stay. Nothing else is changed. Deterministic.
#ifndef FATHOM_SERVER_API_PROMPT_NORMALIZER_H_
#define FATHOM_SERVER_API_PROMPT_NORMALIZER_H_

#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/chat_message.h"

namespace fathom {

enum class DateLines { kKeep, kFirstUser, kLastUser, kDrop };

struct PromptNormalization {
  bool remove_headers = false;
  DateLines dates = DateLines::kKeep;
};

// "off", "headers" (rule 1 only), "first-user", "last-user", "drop" (both rules).
Result<PromptNormalization> ParsePromptNormalization(std::string_view name);

void NormalizePrompt(const PromptNormalization& normalization, std::vector<ChatMessage>* messages);

// Rule 2's condition.
bool IsDateLine(std::string_view line);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_PROMPT_NORMALIZER_H_
