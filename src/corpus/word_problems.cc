#include "corpus/subjects.h"

namespace fathom {

std::span<const Subject> WordProblemSubjects() { return {}; }

}  // namespace fathom
