#include "tokenizer/completion_parser.h"

#include <optional>
#include <set>

#include "base/json.h"
#include "base/strings.h"

namespace fathom {

namespace {

constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

// A cursor over the text. Tags are looked up the way the official parser does: the earliest occurrence counts.
class Parser {
 public:
  Parser(std::string_view text, Dialect dialect) : text_(text) {
    const DsmlTags tags = TagsOf(dialect);
    block_start_ = StrCat("\n\n<", kDsmlText, tags.block);
    block_end_ = StrCat("</", kDsmlText, tags.block, ">");
    invoke_start_ = StrCat("<", kDsmlText, tags.invoke);
    invoke_end_ = StrCat("</", kDsmlText, tags.invoke);
    parameter_start_ = StrCat("<", kDsmlText, tags.parameter);
    parameter_end_ = StrCat("/", kDsmlText, tags.parameter);
  }

  Result<ParsedCompletion> Parse(ThinkingMode mode) {
    ParsedCompletion out;
    if (mode == ThinkingMode::kThinking) {
      const Stop stop = ReadUntil(kThinkEndText, block_start_);
      if (stop.which != 1) return Malformed("reasoning without </think> after it");
      out.reasoning_content = stop.before;
    }
    const Stop stop = ReadUntil(kEosText, block_start_);
    if (stop.which == 0) return Malformed("content without the end-of-sentence marker after it");
    out.content = stop.before;
    if (stop.which == 2) {
      FATHOM_RETURN_IF_ERROR(ParseBlock(&out.tool_calls));
      if (text_.substr(at_).starts_with(kEosText)) at_ += kEosText.size();
    }
    if (at_ != text_.size()) return Malformed("text after the end of the answer");
    FATHOM_RETURN_IF_ERROR(CheckPlain(out.content, "content"));
    FATHOM_RETURN_IF_ERROR(CheckPlain(out.reasoning_content, "reasoning_content"));
    return out;
  }

 private:
  struct Stop {
    std::string_view before;
    int which = 0;  // 1: the first mark, 2: the second, 0: neither was found and everything was read
  };

  Status Malformed(std::string_view what) const {
    return InvalidArgument(StrCat("completion is malformed at byte ", at_, ": ", what));
  }

  // Reads up to and over the earlier of two marks (the second may be empty: none).
  Stop ReadUntil(std::string_view first, std::string_view second = {}) {
    size_t found = text_.find(first, at_);
    int which = 1;
    if (!second.empty()) {
      const size_t other = text_.find(second, at_);
      if (other < found) {
        found = other;
        which = 2;
      }
    }
    const size_t begin = at_;
    if (found == std::string_view::npos) {
      at_ = text_.size();
      return {text_.substr(begin), 0};
    }
    at_ = found + (which == 1 ? first.size() : second.size());
    return {text_.substr(begin, found - begin), which};
  }

  static Status CheckPlain(std::string_view text, std::string_view field) {
    for (const std::string_view marker : {kBosText, kEosText, kThinkText, kThinkEndText, kDsmlText}) {
      if (text.find(marker) != std::string_view::npos) {
        return InvalidArgument(StrCat("completion is malformed: ", field, " contains the marker ", marker));
      }
    }
    return {};
  }

  // From behind the block's start tag to behind its end tag.
  Status ParseBlock(std::vector<ToolCall>* calls) {
    while (true) {
      const Stop stop = ReadUntil(invoke_start_, block_end_);
      if (stop.which == 0) return Malformed("tool block without its end tag");
      if (stop.before != ">\n") return Malformed("expected only '>' and a newline before the next invoke or end tag");
      if (stop.which == 2) return {};
      ToolCall call;
      FATHOM_RETURN_IF_ERROR(ParseInvoke(&call));
      calls->push_back(std::move(call));
    }
  }

  // From behind "<...invoke" to behind "</...invoke".
  Status ParseInvoke(ToolCall* call) {
    Stop stop = ReadUntil(parameter_start_, invoke_end_);
    const std::optional<std::string_view> name = InvokeName(stop.before);
    if (!name) return Malformed("expected an invoke tag with a name, ended by '>' and a newline");
    call->name = *name;
    std::set<std::string_view> names;
    std::string members;
    while (stop.which == 1) {
      FATHOM_RETURN_IF_ERROR(ParseParameter(&names, &members));
      stop = ReadUntil(parameter_start_, invoke_end_);
      if (stop.before != ">\n") return Malformed("expected '>' and a newline after a parameter");
    }
    if (stop.which == 0) return Malformed("invoke without its end tag");
    call->arguments = StrCat("{", members, "}");
    return {};
  }

  // The name in ` name="NAME">` + newline; one empty line may follow (an invoke without parameters is encoded so).
  static std::optional<std::string_view> InvokeName(std::string_view head) {
    constexpr std::string_view kOpen = "name=\"";
    constexpr std::string_view kClose = "\">\n";
    head.remove_prefix(std::min(head.find_first_not_of(kWhiteSpace), head.size()));
    if (!head.starts_with(kOpen)) return std::nullopt;
    head.remove_prefix(kOpen.size());
    if (head.ends_with("\">\n\n")) head.remove_suffix(1);
    if (!head.ends_with(kClose)) return std::nullopt;
    head.remove_suffix(kClose.size());
    return head;
  }

  // From behind "<...parameter" to behind "</...parameter"; appends the JSON member.
  Status ParseParameter(std::set<std::string_view>* names, std::string* members) {
    const Stop stop = ReadUntil(parameter_end_);
    std::string_view text = stop.before;
    if (stop.which == 0 || !text.ends_with('<')) return Malformed("parameter without its end tag");
    text.remove_suffix(1);
    constexpr std::string_view kOpen = " name=\"";
    constexpr std::string_view kString = "\" string=\"true\">";
    constexpr std::string_view kOther = "\" string=\"false\">";
    if (!text.starts_with(kOpen)) return Malformed("parameter without a name");
    text.remove_prefix(kOpen.size());
    const size_t string_at = text.find(kString);
    const size_t other_at = text.find(kOther);
    if (string_at == other_at) return Malformed("parameter without string=\"true\" or string=\"false\"");
    const bool is_string = string_at < other_at;
    const std::string_view name = text.substr(0, is_string ? string_at : other_at);
    const std::string_view value = text.substr(name.size() + (is_string ? kString.size() : kOther.size()));
    if (!names->insert(name).second) return Malformed(StrCat("second parameter \"", Printable(name), "\""));
    if (!members->empty()) members->append(", ");
    AppendJsonString(name, members);
    members->append(": ");
    if (is_string) {
      AppendJsonString(value, members);
    } else {
      members->append(value);
    }
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string block_start_, block_end_, invoke_start_, invoke_end_, parameter_start_, parameter_end_;
};

}  // namespace

Result<ParsedCompletion> ParseCompletion(std::string_view text, ThinkingMode mode, Dialect dialect) {
  return Parser(text, dialect).Parse(mode);
}

}  // namespace fathom
