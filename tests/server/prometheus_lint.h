// prometheus_lint.h - whether a text is in Prometheus' format, as `promtool check metrics` would ask.
#ifndef FATHOM_TESTS_SERVER_PROMETHEUS_LINT_H_
#define FATHOM_TESTS_SERVER_PROMETHEUS_LINT_H_

#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace fathom {

// The first fault, as a sentence; empty if there is none. Names and types, one HELP and TYPE before the samples of a
// name, no sample twice, counters that end in _total and are not negative, histogram buckets that ascend to +Inf.
inline std::string PrometheusFault(const std::string& text) {
  static const std::regex kSample(
      R"re(^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\"n])*",?)*\})? ([-+]?[0-9.]+([eE][-+]?[0-9]+)?|NaN|[-+]Inf)$)re");
  std::map<std::string, std::string> types;
  std::set<std::string> helped, closed, seen;
  std::string current;
  double last_bucket = 0;
  std::istringstream lines(text);
  if (!text.ends_with('\n')) return "no newline at the end";
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, kind, name;
    if (line.starts_with("# ")) {
      words >> hash >> kind >> name;
      if (kind == "HELP" && !helped.insert(name).second) return "two HELP lines of " + name;
      if (kind == "TYPE") {
        if (types.contains(name)) return "two TYPE lines of " + name;
        words >> types[name];
        closed.insert(current);
        current = name;
        last_bucket = 0;
      }
      continue;
    }
    std::smatch match;
    if (!std::regex_match(line, match, kSample)) return "malformed: " + line;
    const std::string sample = match[1];
    const std::string base = types[current] == "histogram" ? sample.substr(0, current.size()) : sample;
    if (base != current || !helped.contains(current)) return "no HELP and TYPE just before " + line;
    if (closed.contains(current)) return "samples apart: " + current;
    if (!seen.insert(line.substr(0, line.rfind(' '))).second) return "twice: " + line;
    const double value = std::stod(match[5].str() == "+Inf" ? "inf" : match[5].str());
    if (types[current] == "counter" && (!current.ends_with("_total") || value < 0)) return "bad counter: " + line;
    if (sample == current + "_bucket") {
      if (value < last_bucket) return "buckets descend: " + line;
      last_bucket = value;
    }
    if (sample == current + "_count" && value != last_bucket) return "the last bucket is not the count: " + line;
  }
  return "";
}

}  // namespace fathom

#endif  // FATHOM_TESTS_SERVER_PROMETHEUS_LINT_H_
