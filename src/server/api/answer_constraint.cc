#include "server/api/answer_constraint.h"

#include <utility>

#include "base/strings.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/tool_grammar.h"

namespace fathom {
namespace {

// An automaton is at most about 10 MB, mostly far less.
constexpr size_t kMaxAutomata = 64;

// A named tool has to be one of the request's.
Status CheckNamedTool(const ChatRequest& request) {
  if (request.tool_choice != ToolChoice::kNamed) return {};
  std::string names;
  for (const Json& tool : request.tools) {
    const Json* name = tool.Find("name");
    if (name == nullptr || !name->is_string()) continue;
    if (name->string() == request.tool_name) return {};
    names += StrCat(names.empty() ? "" : ", ", Printable(name->string()));
  }
  return InvalidArgument(
      StrCat("tool_choice is '", Printable(request.tool_name), "'; accepted are the names of the tools: ", names));
}

}  // namespace

Result<AutomatonCache::Automaton> AutomatonCache::Get(const std::string& key,
                                                      const std::function<Result<ByteAutomaton>()>& compile) {
  const auto find = [&]() -> Automaton {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->key != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->automaton;
    }
    return nullptr;
  };
  {
    const std::lock_guard lock(mutex_);
    if (Automaton known = find()) return known;
  }
  Result<ByteAutomaton> compiled = compile();
  if (!compiled.ok()) return compiled.status();
  auto automaton = std::make_shared<const ByteAutomaton>(std::move(*compiled));
  const std::lock_guard lock(mutex_);
  if (Automaton known = find()) return known;  // somebody else's, compiled meanwhile
  entries_.push_front({key, automaton});
  if (entries_.size() > kMaxAutomata) entries_.pop_back();
  return Automaton(automaton);
}

size_t AutomatonCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

Result<AutomatonCache::Automaton> ConstraintCompiler::FormAutomaton(const AnswerForm& form) {
  if (form.kind == AnswerForm::Kind::kJsonObject) return cache_.Get("object", [] { return CompileJsonObject(); });
  const std::string text = form.schema.Dump();
  if (text.size() > kMaxSchemaBytes) {
    return InvalidArgument(StrCat(form.path, " is ", HumanBytes(text.size()), "; accepted are schemas of at most ",
                                  HumanBytes(kMaxSchemaBytes)));
  }
  return cache_.Get("schema" + text, [&] { return CompileJsonSchema(form.schema, form.path); });
}

Result<AutomatonCache::Automaton> ConstraintCompiler::ToolAutomaton(const ChatRequest& request, bool begun) {
  ToolGrammarOptions options;
  options.dialect = dialect_;
  options.only = request.tool_choice == ToolChoice::kNamed ? request.tool_name : "";
  options.dsml_token = tokenizer_.FindAddedToken(kDsmlText).has_value();
  options.begun = begun;
  options.one_call = !request.parallel_tool_calls;
  std::string key = StrCat("tools", begun ? "b" : "-", options.one_call ? "1" : "*", options.only, "\n");
  for (const Json& tool : request.tools) key += tool.Dump();
  return cache_.Get(key, [&] { return CompileToolGrammar(request.tools, "tools", options); });
}

Status ConstraintCompiler::BeginAfterThinking(ThinkingMode mode, Constraint* constraint) const {
  if (mode != ThinkingMode::kThinking) return {};
  constraint->begin_after_token = tokenizer_.FindAddedToken(kThinkEndText);
  if (constraint->begin_after_token) return {};
  return InvalidArgument(
      "this model's tokenizer has no token </think>, behind which the form would count; disable thinking");
}

Result<Constraint> ConstraintCompiler::CompileForm(const AnswerForm& form, ThinkingMode mode) {
  Constraint constraint;
  if (form.kind == AnswerForm::Kind::kText) return constraint;
  FATHOM_ASSIGN_OR_RETURN(constraint.automaton, FormAutomaton(form));
  FATHOM_RETURN_IF_ERROR(BeginAfterThinking(mode, &constraint));
  return constraint;
}

Result<AnswerRule> ConstraintCompiler::Compile(const ChatRequest& request, ThinkingMode mode) {
  AnswerRule rule;
  const bool forced = request.tool_choice == ToolChoice::kRequired || request.tool_choice == ToolChoice::kNamed;
  if (forced && request.tools.empty()) {
    return InvalidArgument("tool_choice asks for a tool call, but tools is empty");
  }
  FATHOM_RETURN_IF_ERROR(CheckNamedTool(request));
  const bool has_form = request.form.kind != AnswerForm::Kind::kText;
  if (request.continues_last && (forced || has_form)) {
    return InvalidArgument(StrCat(forced ? "tool_choice" : "response_format",
                                  " cannot be combined with an assistant message that is continued"));
  }
  if (request.tools.empty() || request.tool_choice == ToolChoice::kNone) {
    rule.forbid_tools = true;
    FATHOM_ASSIGN_OR_RETURN(rule.constraint, CompileForm(request.form, mode));
    return rule;
  }
  rule.parse_tools = true;
  if (!forced && !has_form) {
    // Text is free; once the model begins a block of calls, it is held to the grammar.
    FATHOM_ASSIGN_OR_RETURN(rule.constraint.automaton, ToolAutomaton(request, true));
    rule.constraint.begin_after_text = ToolBlockMark();
    return rule;
  }
  FATHOM_ASSIGN_OR_RETURN(const AutomatonCache::Automaton calls, ToolAutomaton(request, false));
  rule.constraint.automaton = calls;
  if (!forced) {
    FATHOM_ASSIGN_OR_RETURN(const AutomatonCache::Automaton form, FormAutomaton(request.form));
    Result<ByteAutomaton> either = EitherOf(*calls, *form);
    if (!either.ok()) return either.status();
    rule.constraint.automaton = std::make_shared<const ByteAutomaton>(std::move(*either));
  }
  FATHOM_RETURN_IF_ERROR(BeginAfterThinking(mode, &rule.constraint));
  return rule;
}

}  // namespace fathom
