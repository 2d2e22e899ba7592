// facts_tables.h - what the subjects of facts.cc ask about, in all six languages.
#ifndef FATHOM_CORPUS_FACTS_TABLES_H_
#define FATHOM_CORPUS_FACTS_TABLES_H_

#include <span>

#include "corpus/phrases.h"

namespace fathom {

struct Fact {
  ByLanguage thing;
  ByLanguage answer;
};

struct ColorMixing {
  ByLanguage first;
  ByLanguage second;
  ByLanguage result;
};

// Country and capital. German, French and Spanish countries follow "Hauptstadt", "capitale", "capital" as they stand:
// "von Japan", "der Schweiz"; "du Japon"; "de los Países Bajos".
std::span<const Fact> CapitalFacts();
// A thing (with its article) and its colour.
std::span<const Fact> ColorFacts();
std::span<const ColorMixing> ColorMixings();
// Two words that are each other's opposites. In each language a word stands in one pair only.
std::span<const Fact> OppositeFacts();
// From Monday, from January, from 0 to 20.
std::span<const ByLanguage> Weekdays();
std::span<const ByLanguage> Months();
std::span<const ByLanguage> NumberWords();

}  // namespace fathom

#endif  // FATHOM_CORPUS_FACTS_TABLES_H_
