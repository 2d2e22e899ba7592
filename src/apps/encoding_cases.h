// encoding_cases.h - does this program render and parse chats as a document of cases says?
#ifndef FATHOM_APPS_ENCODING_CASES_H_
#define FATHOM_APPS_ENCODING_CASES_H_

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

struct EncodingFailure {
  std::string name;
  std::string reason;  // a few lines: what differs, expected and found
};

// The cases of one operation (encode, parse_strict, parse_stream) and dialect.
struct EncodingTally {
  std::string op;
  std::string dialect;
  int passed = 0;
  int failed = 0;
};

struct EncodingReport {
  std::vector<EncodingTally> tallies;  // in the order of first appearance
  std::vector<EncodingFailure> failures;

  bool ok() const { return failures.empty(); }
  int cases() const;
};

// Runs a document shaped like the specification's chat_encoding_cases.json: {"cases": [{name, op, dialect, ...}]}.
// Stream cases run under every piece size and every cut in two (long ones under a sample). A case that isn't understood
// or has no expectation is an error naming it.
Result<EncodingReport> RunEncodingCases(const Json& document);

}  // namespace fathom

#endif  // FATHOM_APPS_ENCODING_CASES_H_
