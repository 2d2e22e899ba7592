#include "corpus/subjects.h"

namespace fathom {

std::span<const Subject> SmallTalkSubjects() { return {}; }

}  // namespace fathom
