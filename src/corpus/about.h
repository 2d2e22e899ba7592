// about.h - fixed questions with a fixed answer each: small talk, and what the model says about itself and Fathom.
#ifndef FATHOM_CORPUS_ABOUT_H_
#define FATHOM_CORPUS_ABOUT_H_

#include <span>
#include <string>
#include <string_view>

#include "corpus/phrases.h"

namespace fathom {

struct Exchange {
  Language language;
  std::string_view asked;    // phrasings, parted by '|'
  std::string_view answer;   // one
  std::string_view sign;     // a word of every right answer
  std::string_view thought;  // before the answer, when thinking
};

// Greetings, how-are-yous, thanks and farewells: one exchange a language, in the order of Language.
std::span<const Exchange, kLanguages> Greetings();
std::span<const Exchange, kLanguages> HowAreYous();
std::span<const Exchange, kLanguages> ThankYous();
std::span<const Exchange, kLanguages> Farewells();

std::span<const Exchange> ExchangesAboutSelf();
std::span<const Exchange> ExchangesAboutFathom();

// A phrasing that DraftExchange does not hold out: for dialogues that ask about something else.
std::string AskAlongTheWay(CorpusRandom& random, const Exchange& exchange);

// One of the exchanges in a language drawn by PickLanguage, as a user types it; the key is language and phrasing.
// The list has exchanges in all languages.
Draft DraftExchange(CorpusRandom& random, std::span<const Exchange> exchanges);

}  // namespace fathom

#endif  // FATHOM_CORPUS_ABOUT_H_
