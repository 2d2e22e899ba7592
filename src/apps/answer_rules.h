// answer_rules.h - the flags that say what form an answer has, and the constraint they mean.
#ifndef FATHOM_APPS_ANSWER_RULES_H_
#define FATHOM_APPS_ANSWER_RULES_H_

#include <memory>
#include <span>
#include <string>

#include "apps/model_options.h"
#include "base/json.h"
#include "base/result.h"
#include "engine/grammar/constraint.h"
#include "tokenizer/chat_dialect.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
class Option;
}  // namespace CLI

namespace fathom {

struct AnswerRuleFlags {
  std::string schema;  // a file
  bool json_object = false;
  std::string tool_choice = "auto";  // auto, required or a tool's name

  bool constrains() const { return !schema.empty() || json_object || tool_choice != "auto"; }
};

// --schema, --json-object, --tool-choice (which needs `tools`).
void AddAnswerRuleFlags(CLI::App& app, CLI::Option* tools, AnswerRuleFlags* flags);

struct AnswerRules {
  std::shared_ptr<const ByteAutomaton> automaton;  // null: the answer is free
  Json response_format;                            // for the system message; null if there is none
  bool only_tool_blocks = false;                   // it counts only for tool blocks, once one begins
};

// Reads the schema and compiles what the flags ask for. Errors name the file and the place in it.
Result<AnswerRules> ReadAnswerRules(const AnswerRuleFlags& flags, std::span<const Json> tools,
                                    const LoadedModel& model);

// The rules for an answer that begins in `mode`: reasoning stays free. An error if the tokenizer has no </think> then.
Result<Constraint> ConstraintFor(const AnswerRules& rules, ThinkingMode mode, const Tokenizer& tokenizer);

}  // namespace fathom

#endif  // FATHOM_APPS_ANSWER_RULES_H_
