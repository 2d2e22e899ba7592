// verify_encoding.h - `fathom verify encoding FILE`: does this build encode and parse chats as a file of cases says?
#ifndef FATHOM_APPS_VERIFY_ENCODING_H_
#define FATHOM_APPS_VERIFY_ENCODING_H_

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

// The command. argv[0] is "encoding". Exit code 0: all passed, 1: a case failed, 2: bad arguments or file.
int VerifyEncodingMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_VERIFY_ENCODING_H_
