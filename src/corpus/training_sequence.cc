#include "corpus/training_sequence.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"

namespace fathom {
namespace {

ChatOptions OptionsOf(const Dialogue& dialogue) {
  return {.dialect = Dialect::kV4, .thinking_mode = dialogue.mode, .reasoning_effort = dialogue.effort};
}

// Hands out a prompt's text from its beginning, as spans.
class SpanCutter {
 public:
  explicit SpanCutter(const RenderedPrompt& prompt) : spans_(prompt.spans()) {}

  // From where the last call ended up to byte `end` of the prompt.
  std::vector<TextSpan> Until(size_t end) {
    std::vector<TextSpan> out;
    while (at_ < end) {
      const PromptSpan& span = spans_[span_];
      const std::string_view rest = std::string_view{span.text}.substr(at_ - span_begin_, end - at_);
      out.push_back({rest, span.markup});
      at_ += rest.size();
      if (at_ == span_begin_ + span.text.size()) {
        span_begin_ = at_;
        ++span_;
      }
    }
    return out;
  }

 private:
  const std::vector<PromptSpan>& spans_;
  size_t at_ = 0;          // bytes handed out
  size_t span_ = 0;        // the span that holds the next one
  size_t span_begin_ = 0;  // where it begins in the prompt
};

Status CheckFields(const Json& line) {
  if (!line.is_object()) {
    return InvalidArgument(StrCat("the line is ", Printable(line.Dump(), 40), "; a JSON object is expected"));
  }
  const Json* messages = line.Find("messages");
  if (messages == nullptr) return InvalidArgument("messages is missing; a list is expected");
  const auto check = [&line](const char* key, Json::Type type, std::string_view expected) -> Status {
    const Json* value = line.Find(key);
    if (value == nullptr || value->is_null() || value->type() == type) return {};
    return InvalidArgument(StrCat(key, " is ", Printable(value->Dump(), 40), "; expected ", expected));
  };
  FATHOM_RETURN_IF_ERROR(check("thinking", Json::Type::kBool, "true or false"));
  return check("reasoning_effort", Json::Type::kString, "a string");
}

Result<Dialogue> ParseDialogue(std::string_view text) {
  FATHOM_ASSIGN_OR_RETURN(const Json line, ParseJson(text));
  FATHOM_RETURN_IF_ERROR(CheckFields(line));
  Dialogue dialogue;
  dialogue.language = "-";
  FATHOM_ASSIGN_OR_RETURN(dialogue.messages, ParseChatMessages(*line.Find("messages")));
  if (dialogue.messages.empty() || dialogue.messages.back().role != "assistant") {
    return InvalidArgument("messages does not end with the assistant's answer");
  }
  if (const Json* tools = line.Find("tools"); tools != nullptr) {
    FATHOM_ASSIGN_OR_RETURN(dialogue.tools, ParseTools(*tools, "tools"));
  }
  bool thinking = std::any_of(dialogue.messages.begin(), dialogue.messages.end(), [](const ChatMessage& message) {
    return message.role == "assistant" && !message.reasoning_content.empty();
  });
  if (const Json* value = line.Find("thinking"); value != nullptr && value->is_bool()) thinking = value->boolean();
  dialogue.mode = thinking ? ThinkingMode::kThinking : ThinkingMode::kChat;
  if (const Json* effort = line.Find("reasoning_effort"); effort != nullptr && effort->is_string()) {
    if (!thinking) return InvalidArgument("reasoning_effort is given, but the dialogue has no thinking");
    dialogue.effort = effort->string();
  }
  // What only the prompt format refuses is an error of this line, too, and not one in the middle of a training.
  if (const Result<RenderedPrompt> prompt = RenderDialogue(dialogue); !prompt.ok()) return prompt.status();
  return dialogue;
}

}  // namespace

Result<RenderedPrompt> RenderDialogue(const Dialogue& dialogue) {
  return RenderChat(dialogue.messages, dialogue.tools, OptionsOf(dialogue));
}

Result<TrainingSequence> MakeTrainingSequence(const Dialogue& dialogue, const Tokenizer& tokenizer,
                                              float prompt_weight) {
  FATHOM_ASSIGN_OR_RETURN(const RenderedPrompt prompt, RenderDialogue(dialogue));
  TrainingSequence sequence;
  SpanCutter cutter(prompt);
  const auto append_until = [&](size_t end, float weight) {
    const std::vector<int32_t> ids = tokenizer.EncodeSpans(cutter.Until(end));
    sequence.tokens.insert(sequence.tokens.end(), ids.begin(), ids.end());
    sequence.weights.resize(sequence.tokens.size(), weight);
  };
  // Answers are encoded by themselves, as the model writes them after its prompt. That changes no id: control tokens
  // stand on both sides of the borders, except after a latest_reminder and in turns left open.
  for (const RenderedAnswer& answer : prompt.answers()) {
    append_until(answer.begin, prompt_weight);
    append_until(answer.end, answer.as_written ? 1.0f : prompt_weight);
  }
  append_until(prompt.bytes(), prompt_weight);
  if (!sequence.weights.empty()) sequence.weights[0] = 0;
  return sequence;
}

Result<std::vector<int32_t>> MakePrompt(const Dialogue& dialogue, const Tokenizer& tokenizer) {
  if (dialogue.messages.empty() || dialogue.messages.back().role != "assistant") {
    return InvalidArgument("the dialogue does not end with the assistant's answer");
  }
  const std::span<const ChatMessage> asked(dialogue.messages.data(), dialogue.messages.size() - 1);
  FATHOM_ASSIGN_OR_RETURN(const RenderedPrompt prompt, RenderChat(asked, dialogue.tools, OptionsOf(dialogue)));
  return tokenizer.EncodeSpans(prompt.text_spans());
}

Result<std::vector<Dialogue>> ReadDialogues(const std::string& jsonl_path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(jsonl_path, kMaxDialogueFileBytes));
  std::vector<Dialogue> dialogues;
  Progress progress(StrCat("reading ", jsonl_path), text.size(), Progress::Unit::kBytes);
  std::string_view rest = text;
  for (int64_t number = 1; !rest.empty(); ++number) {
    if (InterruptRequested()) return Cancelled(StrCat("stopped while ", jsonl_path, " was read"));
    progress.Update(text.size() - rest.size());
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto error = [&](const Status& status) {
      return Status(status.code(), StrCat(jsonl_path, ":", number, ": ", status.message()));
    };
    if (line.size() > kMaxDialogueLineBytes) {
      return error(InvalidArgument(StrCat("the line has ", HumanBytes(line.size()), "; at most ",
                                          HumanBytes(kMaxDialogueLineBytes), " are accepted")));
    }
    Result<Dialogue> dialogue = ParseDialogue(line);
    if (!dialogue.ok()) return error(dialogue.status());
    dialogues.push_back(std::move(*dialogue));
  }
  progress.Update(text.size());
  progress.Finish();
  if (dialogues.empty())
    return InvalidArgument(StrCat(jsonl_path, " has no dialogue; one JSON object a line is expected"));
  return dialogues;
}

}  // namespace fathom
