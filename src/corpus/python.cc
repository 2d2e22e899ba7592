#include "corpus/subjects.h"

namespace fathom {

std::span<const Subject> PythonSubjects() { return {}; }

}  // namespace fathom
