#include "server/api/answer_replay.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "server/api/record_log.h"
#include "server/api/record_writer.h"

namespace fathom {

namespace {

constexpr uint32_t kMaxRecordBytes = 32 << 20;
constexpr size_t kMaxQueuedBytes = size_t{32} << 20;
// Of answers with the same words: more are not told apart by their order any more, and each lookup walks them.
constexpr size_t kMaxAlike = 64;
// Users of one key among whom a conversation is looked for, and how many of its last answers tell them apart.
constexpr int kMaxScopes = 1024;
constexpr size_t kMaxCompared = 8;
// What a node of each map and the list costs beside the bytes of its strings, rounded up.
constexpr int64_t kNodeBytes = 128;

using Digest = std::string;  // 16 bytes

void AppendSized(std::string_view text, std::string* out) {
  const uint64_t size = text.size();
  out->append(reinterpret_cast<const char*>(&size), sizeof size);
  out->append(text);
}

// JSON of one meaning has one text: members sorted, numbers in their shortest form. Clients parse arguments and write
// them again.
void AppendCanonical(const Json& value, std::string* out) {
  if (value.is_object()) {
    std::vector<const Json::Member*> members;
    for (const Json::Member& member : value.members()) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    out->push_back('{');
    for (const Json::Member* member : members) {
      AppendJsonString(member->first, out);
      out->push_back(':');
      AppendCanonical(member->second, out);
      out->push_back(',');
    }
    out->push_back('}');
  } else if (value.is_array()) {
    out->push_back('[');
    for (const Json& item : value.items()) {
      AppendCanonical(item, out);
      out->push_back(',');
    }
    out->push_back(']');
  } else if (value.is_number()) {
    if (const std::optional<int64_t> integer = value.AsInt()) {
      out->append(std::to_string(*integer));
    } else if (const std::optional<double> number = value.AsDouble(); number && !value.is_integer()) {
      out->append(Json::Double(*number).Dump());
    } else {
      out->append(value.number_text());
    }
  } else {
    out->append(value.Dump());
  }
}

std::string CanonicalArguments(const std::string& arguments) {
  if (arguments.empty()) return "{}";
  const Result<Json> parsed = ParseJson(arguments);
  if (!parsed.ok()) return arguments;
  std::string out;
  AppendCanonical(*parsed, &out);
  return out;
}

// Of what a client has to send back unchanged: content, and names and arguments of calls.
Digest DigestOf(const ChatMessage& message) {
  std::string text;
  AppendSized(message.content, &text);
  for (const ToolCall& call : message.tool_calls) {
    AppendSized(call.name, &text);
    AppendSized(CanonicalArguments(call.arguments), &text);
  }
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits(text.data(), text.size()));
  return {reinterpret_cast<const char*>(digest.digest), sizeof digest.digest};
}

std::string KeyOf(std::string_view scope, std::string_view name) { return StrCat(scope.size(), ":", scope, name); }

bool IsAnswer(const ChatMessage& message) {
  return message.role == "assistant" && !(message.content.empty() && message.tool_calls.empty());
}

struct Answer {
  std::string scope;
  Digest digest;
  std::string reasoning;
  std::vector<std::string> call_ids;
  std::vector<int32_t> tokens;

  int64_t bytes() const {
    size_t text = sizeof(Answer) + 3 * scope.size() + 2 * digest.size() + reasoning.size() + tokens.size() * 4;
    for (const std::string& id : call_ids) text += 2 * id.size() + scope.size() + sizeof(std::string);
    return static_cast<int64_t>(text) + kNodeBytes * static_cast<int64_t>(4 + call_ids.size());
  }
};

std::string Serialized(const Answer& answer) {
  std::string out;
  AppendSized(answer.scope, &out);
  AppendSized(answer.digest, &out);
  AppendSized(answer.reasoning, &out);
  AppendSized({reinterpret_cast<const char*>(answer.tokens.data()), answer.tokens.size() * sizeof(int32_t)}, &out);
  for (const std::string& id : answer.call_ids) AppendSized(id, &out);
  return out;
}

bool TakeSized(std::string_view* in, std::string_view* out) {
  uint64_t size = 0;
  if (in->size() < sizeof size) return false;
  std::memcpy(&size, in->data(), sizeof size);
  in->remove_prefix(sizeof size);
  if (in->size() < size) return false;
  *out = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

std::optional<Answer> Deserialized(std::string_view record) {
  std::string_view scope;
  std::string_view digest;
  std::string_view reasoning;
  std::string_view tokens;
  if (!TakeSized(&record, &scope) || !TakeSized(&record, &digest) || !TakeSized(&record, &reasoning) ||
      !TakeSized(&record, &tokens) || digest.size() != sizeof(XXH128_canonical_t) ||
      tokens.size() % sizeof(int32_t) != 0) {
    return std::nullopt;
  }
  Answer answer{std::string(scope), Digest(digest), std::string(reasoning), {}, {}};
  answer.tokens.resize(tokens.size() / sizeof(int32_t));
  if (!tokens.empty()) std::memcpy(answer.tokens.data(), tokens.data(), tokens.size());
  while (!record.empty()) {
    std::string_view id;
    if (!TakeSized(&record, &id)) return std::nullopt;
    answer.call_ids.emplace_back(id);
  }
  return answer;
}

// Shared with the writer while it rewrites the file; never changed.
using AnswerPtr = std::shared_ptr<const Answer>;

}  // namespace

struct AnswerReplay::State {
  struct Slot {
    AnswerPtr answer;
    int64_t number = 0;  // order of Insert()
  };
  using Position = std::list<Slot>::iterator;

  int64_t max_bytes = 0;
  std::mutex mutex;
  std::list<Slot> slots;  // the most recently used first
  std::unordered_map<std::string, Position> by_call_id;
  std::unordered_map<std::string, std::vector<Position>> by_digest;  // oldest first
  std::map<std::string, int64_t, std::less<>> scopes;                // to the number of their answers
  int64_t bytes = 0;
  int64_t inserted = 0;

  std::unique_ptr<RecordWriter> writer;  // with `file` only; the last member, as it reads the others

  void Touch(Position slot) { slots.splice(slots.begin(), slots, slot); }

  void Erase(Position slot) {
    const Answer& answer = *slot->answer;
    for (const std::string& id : answer.call_ids) {
      const auto found = by_call_id.find(KeyOf(answer.scope, id));
      if (found != by_call_id.end() && found->second == slot) by_call_id.erase(found);
    }
    const auto alike = by_digest.find(KeyOf(answer.scope, answer.digest));
    alike->second.erase(std::find(alike->second.begin(), alike->second.end(), slot));
    if (alike->second.empty()) by_digest.erase(alike);
    bytes -= answer.bytes();
    const auto scope = scopes.find(answer.scope);
    if (--scope->second == 0) scopes.erase(scope);
    slots.erase(slot);
  }

  // False if the answer is larger than all that may be kept.
  bool Insert(AnswerPtr answer) {
    if (answer->bytes() > max_bytes) return false;
    const std::string key = KeyOf(answer->scope, answer->digest);
    if (const auto found = by_digest.find(key); found != by_digest.end()) {
      const auto same = std::find_if(found->second.begin(), found->second.end(), [&](Position slot) {
        const Answer& known = *slot->answer;
        return known.reasoning == answer->reasoning && known.tokens == answer->tokens &&
               known.call_ids == answer->call_ids;
      });
      if (same != found->second.end()) {
        Erase(*same);
      } else if (found->second.size() >= kMaxAlike) {
        Erase(found->second.front());
      }
    }
    bytes += answer->bytes();
    ++scopes[answer->scope];
    slots.push_front({std::move(answer), inserted++});
    const Position slot = slots.begin();
    for (const std::string& id : slot->answer->call_ids) by_call_id[KeyOf(slot->answer->scope, id)] = slot;
    by_digest[key].push_back(slot);
    while (bytes > max_bytes) Erase(std::prev(slots.end()));
    return true;
  }

  std::optional<Position> FindByCall(std::string_view scope, const ChatMessage& message) const {
    for (const ToolCall& call : message.tool_calls) {
      if (call.id.empty()) continue;
      const auto found = by_call_id.find(KeyOf(scope, call.id));
      if (found != by_call_id.end()) return found->second;
    }
    return std::nullopt;
  }

  const std::vector<Position>* FindAlike(std::string_view scope, const Digest& digest) const {
    const auto found = by_digest.find(KeyOf(scope, digest));
    return found == by_digest.end() ? nullptr : &found->second;
  }

  // Which of the answers with these words the `occurrence`-th of `occurrences` messages with them was. Nothing if that
  // cannot be told and makes a difference.
  static std::optional<Position> Choose(const std::vector<Position>& alike, size_t occurrence, size_t occurrences) {
    if (alike.size() == occurrences) return alike[occurrence];
    const std::string& reasoning = alike.front()->answer->reasoning;
    const bool all_same =
        std::all_of(alike.begin(), alike.end(), [&](Position slot) { return slot->answer->reasoning == reasoning; });
    return all_same ? std::optional(alike.back()) : std::nullopt;
  }

  Status Compact(RecordLog* log) {
    std::vector<AnswerPtr> answers;
    {
      const std::lock_guard lock(mutex);
      for (const Slot& slot : slots) answers.push_back(slot.answer);
    }
    return log->Rewrite([&]() -> std::optional<std::string> {  // the least recently used first
      if (answers.empty()) return std::nullopt;
      std::string record = Serialized(*answers.back());
      answers.pop_back();
      return record;
    });
  }
};

AnswerReplay::AnswerReplay() : state_(std::make_unique<State>()) {}

AnswerReplay::~AnswerReplay() = default;

Result<std::unique_ptr<AnswerReplay>> AnswerReplay::Open(const AnswerReplayOptions& options) {
  if (options.max_bytes < 0) {
    return InvalidArgument(StrCat("the memory for answers is ", options.max_bytes, " bytes; expected 0 or more"));
  }
  std::unique_ptr<AnswerReplay> replay(new AnswerReplay);
  State& state = *replay->state_;
  state.max_bytes = options.max_bytes;
  if (options.file.empty()) return replay;
  FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<RecordLog> log,
                          RecordLog::Open(options.file, kMaxRecordBytes, [&](std::string_view record) {
                            if (std::optional<Answer> answer = Deserialized(record)) {
                              state.Insert(std::make_shared<const Answer>(*std::move(answer)));
                            }
                          }));
  if (log->torn_bytes() > 0) {
    Log(LogLevel::kWarning, "the file of remembered answers had a damaged end, which was cut off",
        {{"file", options.file}, {"bytes", log->torn_bytes()}});
  }
  if (log->damaged_bytes() > 0) {
    Log(LogLevel::kWarning, "the file of remembered answers has damaged records, which were left out",
        {{"file", options.file}, {"bytes", log->damaged_bytes()}});
  }
  if (log->size_bytes() > 2 * state.max_bytes) FATHOM_RETURN_IF_ERROR(state.Compact(log.get()));
  state.writer = std::make_unique<RecordWriter>(
      std::move(log), RecordWriterOptions{.what = "remembered answers",
                                          .max_queued_bytes = kMaxQueuedBytes,
                                          .max_file_bytes = 2 * state.max_bytes,
                                          .rewrite = [&state](RecordLog* file) { return state.Compact(file); }});
  return replay;
}

void AnswerReplay::Remember(std::string_view scope, const ChatMessage& message, std::vector<int32_t> tokens) {
  if (!IsAnswer(message)) return;
  auto answer = std::make_shared<Answer>();
  answer->scope = scope;
  answer->digest = DigestOf(message);
  answer->reasoning = message.reasoning_content;
  answer->tokens = std::move(tokens);
  for (const ToolCall& call : message.tool_calls) {
    if (!call.id.empty()) answer->call_ids.push_back(call.id);
  }
  const std::lock_guard lock(state_->mutex);
  if (!state_->Insert(answer) || state_->writer == nullptr) return;
  // One that is too long for a record, or that a disk cannot keep up with, is lost after a restart; memory is not.
  std::string record = Serialized(*answer);
  if (record.size() <= kMaxRecordBytes) state_->writer->Add(std::move(record));
}

int64_t AnswerReplay::RestoreReasoning(std::string_view scope, std::vector<ChatMessage>* messages) const {
  // Messages with the same words, in order: their place among these tells which answer they were.
  std::unordered_map<Digest, size_t> occurrences;
  std::vector<std::pair<Digest, size_t>> places(messages->size());  // digest and occurrence
  for (size_t i = 0; i < messages->size(); ++i) {
    const ChatMessage& message = (*messages)[i];
    if (!IsAnswer(message)) continue;
    places[i].first = DigestOf(message);
    places[i].second = occurrences[places[i].first]++;
  }
  int64_t restored = 0;
  const std::lock_guard lock(state_->mutex);
  for (size_t i = 0; i < messages->size(); ++i) {
    ChatMessage& message = (*messages)[i];
    if (!IsAnswer(message) || !message.reasoning_content.empty()) continue;
    std::optional<State::Position> slot = state_->FindByCall(scope, message);
    if (!slot) {
      const auto& [digest, occurrence] = places[i];
      const std::vector<State::Position>* alike = state_->FindAlike(scope, digest);
      if (alike != nullptr) slot = State::Choose(*alike, occurrence, occurrences[digest]);
    }
    if (!slot || (*slot)->answer->reasoning.empty()) continue;
    message.reasoning_content = (*slot)->answer->reasoning;
    state_->Touch(*slot);
    ++restored;
  }
  return restored;
}

std::optional<std::vector<int32_t>> AnswerReplay::TokensOf(std::string_view scope, const ChatMessage& message) const {
  if (!IsAnswer(message)) return std::nullopt;
  const Digest digest = DigestOf(message);
  const std::lock_guard lock(state_->mutex);
  const auto unchanged = [&](State::Position slot) {
    return slot->answer->digest == digest && slot->answer->reasoning == message.reasoning_content;
  };
  std::optional<State::Position> slot = state_->FindByCall(scope, message);
  if (slot && !unchanged(*slot)) slot.reset();
  if (const std::vector<State::Position>* alike = state_->FindAlike(scope, digest); !slot && alike != nullptr) {
    const auto found = std::find_if(alike->rbegin(), alike->rend(), unchanged);
    if (found != alike->rend()) slot = *found;
  }
  if (!slot || (*slot)->answer->tokens.empty()) return std::nullopt;
  state_->Touch(*slot);
  return (*slot)->answer->tokens;
}

std::string AnswerReplay::ScopeThatKnows(std::string_view prefix, const std::vector<ChatMessage>& messages) const {
  std::vector<std::pair<const ChatMessage*, Digest>> answers;
  for (auto message = messages.rbegin(); message != messages.rend() && answers.size() < kMaxCompared; ++message) {
    if (IsAnswer(*message)) answers.emplace_back(&*message, DigestOf(*message));
  }
  std::string best;
  size_t most = 0;
  int looked_at = 0;
  const std::lock_guard lock(state_->mutex);
  for (auto scope = state_->scopes.lower_bound(prefix);
       scope != state_->scopes.end() && scope->first.starts_with(prefix) && looked_at < kMaxScopes;
       ++scope, ++looked_at) {
    const auto known = std::count_if(answers.begin(), answers.end(), [&](const auto& answer) {
      return state_->FindByCall(scope->first, *answer.first) ||
             state_->FindAlike(scope->first, answer.second) != nullptr;
    });
    if (static_cast<size_t>(known) <= most) continue;
    most = static_cast<size_t>(known);
    best = scope->first;
  }
  return best;
}

}  // namespace fathom
