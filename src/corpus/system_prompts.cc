#include "corpus/subjects.h"

namespace fathom {

std::span<const Subject> SystemPromptSubjects() { return {}; }

}  // namespace fathom
