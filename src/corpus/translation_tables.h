// translation_tables.h - words and inflected pieces of sentences in six languages, for the translation subjects.
#ifndef FATHOM_CORPUS_TRANSLATION_TABLES_H_
#define FATHOM_CORPUS_TRANSLATION_TABLES_H_

#include <span>
#include <string_view>

#include "corpus/phrases.h"

namespace fathom {

// Single words as a dictionary has them: nouns without article, verbs in the infinitive. Of alternatives parted by '|'
// the first is the translation, the others may be asked about ("eat|to eat"). No word stands twice in one language.
std::span<const ByLanguage> TranslationWords();

// What fits into "the X is big" and "I have two X".
struct TranslationNoun {
  ByLanguage definite;  // with its article, in lower case; the plain word in Chinese and Japanese
  bool feminine_fr;
  bool feminine_es;
  ByLanguage counted;  // what follows a number: the plural; in Chinese measure word and noun, in Japanese the
                       // counter; empty for things
};
std::span<const TranslationNoun> TranslationAnimals();
std::span<const TranslationNoun> TranslationThings();

// What follows "the X is": in Chinese with 很 or 是...的, in Japanese what stands before です.
struct TranslationAdjective {
  ByLanguage masculine;
  std::string_view feminine_fr;
  std::string_view feminine_es;
};
std::span<const TranslationAdjective> TranslationAdjectives();

struct TranslationFood {
  ByLanguage liked;  // "I like ...": French with the article, Spanish with the verb
  std::string_view eaten_fr;
  std::string_view eaten_es;
};
std::span<const TranslationFood> TranslationFoods();

struct TranslationPlace {
  ByLanguage definite;
  ByLanguage towards;  // "to the station"
};
std::span<const TranslationPlace> TranslationPlaces();

struct TranslationPerson {
  ByLanguage drinks;
  ByLanguage goes;
};
std::span<const TranslationPerson> TranslationPersons();

std::span<const ByLanguage> TranslationInside();  // "in the house"
std::span<const ByLanguage> TranslationDrinks();  // as objects
std::span<const ByLanguage> TranslationFamily();  // "My mother"
std::span<const ByLanguage> TranslationDays();    // days of the week
std::span<const ByLanguage> TranslationCities();
std::span<const ByLanguage> TranslationNames();    // given names and how Chinese and Japanese write them
std::span<const ByLanguage> TranslationNumbers();  // 2 to 10 before a counted noun
std::span<const ByLanguage> TranslationPhrases();  // whole sentences

}  // namespace fathom

#endif  // FATHOM_CORPUS_TRANSLATION_TABLES_H_
