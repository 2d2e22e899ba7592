// random_id.h - names of answers, items and calls.
#ifndef FATHOM_SERVER_API_RANDOM_ID_H_
#define FATHOM_SERVER_API_RANDOM_ID_H_

#include <string>
#include <string_view>

namespace fathom {

// `prefix` and 24 random letters and digits, from the operating system's random numbers: nobody guesses another's.
std::string RandomId(std::string_view prefix);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RANDOM_ID_H_
