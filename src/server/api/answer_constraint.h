// answer_constraint.h - what a chat request allows its answer to be, as a constraint on tokens.
//
// Reasoning stays free: a form counts behind </think>. Compiled automata are kept, because clients send the same tools
// and schemas with every turn.
#ifndef FATHOM_SERVER_API_ANSWER_CONSTRAINT_H_
#define FATHOM_SERVER_API_ANSWER_CONSTRAINT_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/grammar/constraint.h"
#include "server/api/chat_request.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// The least recently used are dropped. Thread-safe.
class AutomatonCache {
 public:
  using Automaton = std::shared_ptr<const ByteAutomaton>;
  // The automaton of that key, compiled if it is not known. Errors are not kept.
  Result<Automaton> Get(const std::string& key, const std::function<Result<ByteAutomaton>()>& compile);
  size_t size() const;

 private:
  struct Entry {
    std::string key;
    Automaton automaton;
  };
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
};

// How an answer is generated and read.
struct AnswerRule {
  Constraint constraint;
  bool parse_tools = false;  // DSML markup is tool calls
  // No call may begin: the token of the markup is to be forbidden.
  bool forbid_tools = false;
};

class ConstraintCompiler {
 public:
  ConstraintCompiler(const Tokenizer& tokenizer, Dialect dialect) : tokenizer_(tokenizer), dialect_(dialect) {}

  // For an answer that begins in `mode`. Errors name the field: a choice without tools, an unknown tool, a schema with
  // something unsupported. Thread-safe.
  Result<AnswerRule> Compile(const ChatRequest& request, ThinkingMode mode);
  Result<Constraint> CompileForm(const AnswerForm& form, ThinkingMode mode);

 private:
  Result<AutomatonCache::Automaton> FormAutomaton(const AnswerForm& form);
  Result<AutomatonCache::Automaton> ToolAutomaton(const ChatRequest& request, bool begun);
  Status BeginAfterThinking(ThinkingMode mode, Constraint* constraint) const;

  const Tokenizer& tokenizer_;
  const Dialect dialect_;
  AutomatonCache cache_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANSWER_CONSTRAINT_H_
