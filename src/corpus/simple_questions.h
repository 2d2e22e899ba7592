// simple_questions.h - questions that have one known answer in all six languages, for subjects that ask about something
// else: a system prompt's wish, or what was said before.
#ifndef FATHOM_CORPUS_SIMPLE_QUESTIONS_H_
#define FATHOM_CORPUS_SIMPLE_QUESTIONS_H_

#include <string>

#include "corpus/phrases.h"

namespace fathom {

struct SimpleQuestion {
  enum class Kind : uint8_t { kCapital, kColor, kOpposite };
  Kind kind;
  size_t thing;  // index of the country, thing or word in its table
};

inline constexpr size_t kSimpleKinds = 3;

// One that can be asked in the language by phrasings that facts.cc does not hold out.
SimpleQuestion PickSimpleQuestion(CorpusRandom& random, Language language);
SimpleQuestion PickSimpleQuestion(CorpusRandom& random, Language language, SimpleQuestion::Kind kind);

// "What is the capital of Japan?", in one of those phrasings; the language is that of PickSimpleQuestion.
std::string AskFully(CorpusRandom& random, const SimpleQuestion& question, Language language);
// "And of Japan?": after a question of the same kind.
std::string AskAlso(CorpusRandom& random, const SimpleQuestion& question, Language language);
// "The capital of Japan is Tokyo."
std::string AnswerFully(const SimpleQuestion& question, Language language);
// "Tokyo"
std::string AnswerShortly(const SimpleQuestion& question, Language language);

}  // namespace fathom

#endif  // FATHOM_CORPUS_SIMPLE_QUESTIONS_H_
