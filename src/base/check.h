// check.h - assertions for our own faults. FATHOM_CHECK is always on, FATHOM_DCHECK only without NDEBUG.
// A failed check prints file, line and condition and aborts: a wrong answer is worse than no answer.
#ifndef FATHOM_BASE_CHECK_H_
#define FATHOM_BASE_CHECK_H_

namespace fathom {

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace fathom

#define FATHOM_CHECK(condition)                                              \
  do {                                                                       \
    if (!(condition)) ::fathom::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#ifdef NDEBUG
#define FATHOM_DCHECK(condition) \
  do {                           \
  } while (false)
#else
#define FATHOM_DCHECK(condition) FATHOM_CHECK(condition)
#endif

#endif  // FATHOM_BASE_CHECK_H_
