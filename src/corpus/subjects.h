// subjects.h - the writers of the corpus, one function a subject; corpus.cc lists them with their shares.
#ifndef FATHOM_CORPUS_SUBJECTS_H_
#define FATHOM_CORPUS_SUBJECTS_H_

#include <span>

#include "corpus/corpus.h"

namespace fathom {

// Each file of subjects exports one list.
std::span<const Subject> ArithmeticSubjects();    // arithmetic.cc
std::span<const Subject> WordProblemSubjects();   // word_problems.cc
std::span<const Subject> FactSubjects();          // facts.cc
std::span<const Subject> TranslationSubjects();   // translation.cc
std::span<const Subject> StringSubjects();        // strings.cc
std::span<const Subject> SmallTalkSubjects();     // small_talk.cc
std::span<const Subject> SystemPromptSubjects();  // system_prompts.cc
std::span<const Subject> MultiTurnSubjects();     // multi_turn.cc
std::span<const Subject> PythonSubjects();        // python.cc
std::span<const Subject> LookupSubjects();        // lookup.cc
std::span<const Subject> JsonSubjects();          // json_answers.cc
std::span<const Subject> ToolSubjects();          // tools.cc
std::span<const Subject> MixedSubjects();         // mixed_conversations.cc

}  // namespace fathom

#endif  // FATHOM_CORPUS_SUBJECTS_H_
