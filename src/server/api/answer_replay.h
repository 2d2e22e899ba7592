// answer_replay.h - what clients lose of an answer between two turns, remembered.
//
// Clients drop reasoning_content, and text that was sampled as tokens [a, b] may be tokenised as [ab] when it comes
// back: either would end the prefix that a kept sequence matches. So the exact tokens and the reasoning of recent
// answers are kept, found by the scope (who asked) and by what the client must send back: its tool calls' ids, or its
// content. Bounded in memory; with a file, appended to it so that a restart keeps them (a torn last line is ignored).
// Thread-safe.
#ifndef FATHOM_SERVER_API_ANSWER_REPLAY_H_
#define FATHOM_SERVER_API_ANSWER_REPLAY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/chat_message.h"

namespace fathom {

struct AnswerReplayOptions {
  int64_t max_bytes = int64_t{64} << 20;
  std::string file = {};  // empty: memory only
};

class AnswerReplay {
 public:
  static Result<std::unique_ptr<AnswerReplay>> Open(const AnswerReplayOptions& options);
  ~AnswerReplay();

  // An answer as the client got it: content, reasoning, tool calls with ids; and its sampled tokens, from the first one
  // after the prompt to the end-of-sentence token inclusive.
  void Remember(std::string_view scope, const ChatMessage& message, std::vector<int32_t> tokens);

  // Fills the reasoning_content of assistant messages that came without it, where it is known. The number of them.
  int64_t RestoreReasoning(std::string_view scope, std::vector<ChatMessage>* messages) const;

  // The sampled tokens of an assistant message that comes back unchanged (reasoning, content, names and arguments of
  // calls as they were sent); nothing if it is unknown or was changed.
  std::optional<std::vector<int32_t>> TokensOf(std::string_view scope, const ChatMessage& message) const;

  // Among the scopes that begin with `prefix`, the one that knows most of the last answers; empty if none does.
  std::string ScopeThatKnows(std::string_view prefix, const std::vector<ChatMessage>& messages) const;

 private:
  AnswerReplay();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANSWER_REPLAY_H_
