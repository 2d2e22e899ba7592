#include "corpus/subjects.h"

namespace fathom {

std::span<const Subject> MultiTurnSubjects() { return {}; }

}  // namespace fathom
