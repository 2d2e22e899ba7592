// phrases.h - the tools that the subjects share: patterns with slots, alternatives, names, and the draw of a key.
//
//   constexpr ByLanguage kAsk = {"What is my name?|Who am I?", "我叫什么名字?", ...};  // en, zh, de, fr, es, ja
//   std::string question = Alternative(random, In(kAsk, language));
//   Fill("{name} lives in {city}.", {{"name", "Mira"}, {"city", "Oslo"}})
#ifndef FATHOM_CORPUS_PHRASES_H_
#define FATHOM_CORPUS_PHRASES_H_

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corpus/corpus.h"
#include "corpus/random.h"

namespace fathom {

enum class Language : uint8_t { kEn, kZh, kDe, kFr, kEs, kJa };
inline constexpr size_t kLanguages = 6;

// One text per language, in the order of Language.
using ByLanguage = std::array<std::string_view, kLanguages>;
inline std::string_view In(const ByLanguage& texts, Language language) { return texts[static_cast<size_t>(language)]; }

// English for 45 of 100, the others about equally often.
Language PickLanguage(CorpusRandom& random);
std::string_view LanguageCode(Language language);
// Whether words are written without spaces between them.
bool IsCjk(Language language);

// The pieces of "one|two|three", and one of them by chance. (Of several draws in one expression the order would be the
// compiler's choice and the corpus no longer the same everywhere: each draw has a statement of its own, or stands in
// one braced list, which is evaluated from left to right.)
std::vector<std::string_view> Alternatives(std::string_view joined);
std::string Alternative(CorpusRandom& random, std::string_view joined);

// `pattern` with each {slot} replaced by its value; braces that name no slot stay.
struct Slot {
  std::string_view name;
  std::string_view value;
};
std::string Fill(std::string_view pattern, std::initializer_list<Slot> slots);

// Change only ASCII letters.
std::string Lower(std::string_view text);
std::string Upper(std::string_view text);

// `text` as people type it: sometimes in lower case, without the last mark, or with one slip in a longer word.
std::string AsTyped(CorpusRandom& random, Language language, std::string text);

// Lower case without punctuation and spaces at the ends: equal for all typings of one phrasing but slips.
std::string Plain(std::string_view text);

// A given name usual in the language; one in four is made up, so that names have to be read rather than known.
std::string PersonName(CorpusRandom& random, Language language);
// A capitalised made-up word in Latin letters.
std::string MadeUpName(CorpusRandom& random);
std::string CityName(CorpusRandom& random, Language language);
std::string Digits(CorpusRandom& random, int count);

// A dialogue together with the key of what it asks.
struct Draft {
  Dialogue dialogue;
  std::string key;
};

// A Subject's writer out of a function that drafts: draws until the key belongs to the split.
template <Draft (*kDraft)(CorpusRandom&)>
Dialogue WriteFrom(CorpusRandom& random, Split split) {
  while (true) {
    Draft draft = kDraft(random);
    if (BelongsTo(split, draft.key)) return std::move(draft.dialogue);
  }
}

// A dialogue of one question and its answer.
Dialogue QuestionAndAnswer(Language language, std::string question, std::string answer);

// Turns the dialogue into a thinking one with this probability: `thought` goes before the last answer. Two of a hundred
// such dialogues name an effort.
void MaybeThink(CorpusRandom& random, double probability, std::string thought, Dialogue* dialogue);

// With this probability puts a system prompt in front that changes nothing ("You are a helpful assistant.").
void MaybeSystem(CorpusRandom& random, double probability, Language language, Dialogue* dialogue);

}  // namespace fathom

#endif  // FATHOM_CORPUS_PHRASES_H_
