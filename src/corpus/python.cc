#include "corpus/python.h"

#include "corpus/subjects.h"

namespace fathom {
namespace {

constexpr Subject kSubjects[] = {
    {"python.write", 4.0, WriteFrom<DraftPythonFunction>},
    {"python.prints", 3.0, WriteFrom<DraftPythonPrints>},
};

}  // namespace

std::span<const Subject> PythonSubjects() { return kSubjects; }

}  // namespace fathom
