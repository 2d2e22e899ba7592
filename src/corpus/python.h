// python.h - the two kinds of Python questions, each in a file of its own.
#ifndef FATHOM_CORPUS_PYTHON_H_
#define FATHOM_CORPUS_PYTHON_H_

#include "corpus/phrases.h"

namespace fathom {

// "Write a function add(a, b) that returns the sum of a and b.": answered by a code block.
Draft DraftPythonFunction(CorpusRandom& random);

// "What does this print?": a program of one to five lines, answered by its output.
Draft DraftPythonPrints(CorpusRandom& random);

}  // namespace fathom

#endif  // FATHOM_CORPUS_PYTHON_H_
