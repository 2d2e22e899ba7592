// lookup_filler.h - sentences that tell nothing anybody asks for.
#ifndef FATHOM_CORPUS_LOOKUP_FILLER_H_
#define FATHOM_CORPUS_LOOKUP_FILLER_H_

#include <string>

#include "corpus/phrases.h"

namespace fathom {

// "On Monday Mira bought 12 apples in Oslo.": so many different ones that a text hardly repeats itself.
std::string FillerSentence(CorpusRandom& random, Language language);

}  // namespace fathom

#endif  // FATHOM_CORPUS_LOOKUP_FILLER_H_
