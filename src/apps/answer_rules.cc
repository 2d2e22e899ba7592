#include "apps/answer_rules.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/strings.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/tool_grammar.h"

namespace fathom {

void AddAnswerRuleFlags(CLI::App& app, CLI::Option* tools, AnswerRuleFlags* flags) {
  CLI::Option* schema =
      app.add_option("--schema", flags->schema, "The answer is JSON that is valid by this JSON Schema")
          ->type_name("FILE");
  CLI::Option* object = app.add_flag("--json-object", flags->json_object, "The answer is a JSON object");
  CLI::Option* choice = app.add_option("--tool-choice", flags->tool_choice,
                                       "auto (default), required (the answer is tool calls), or the tool to call");
  choice->type_name("CHOICE");
  choice->needs(tools);
  schema->excludes(object);
  schema->excludes(tools);
  object->excludes(tools);
}

Result<AnswerRules> ReadAnswerRules(const AnswerRuleFlags& flags, std::span<const Json> tools,
                                    const LoadedModel& model) {
  AnswerRules rules;
  std::optional<Result<ByteAutomaton>> automaton;
  if (!flags.schema.empty()) {
    FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.schema, kMaxSchemaBytes));
    const Result<Json> schema = ParseJson(text);
    if (!schema.ok()) return InvalidArgument(StrCat(flags.schema, ": ", schema.status().message()));
    automaton = CompileJsonSchema(*schema, flags.schema);
    rules.response_format = *schema;
  } else if (flags.json_object) {
    automaton = CompileJsonObject();
  } else if (!tools.empty()) {
    ToolGrammarOptions options;
    options.dialect = model.dialect();
    // The placeholder's answers have no control tokens (sampling_options.cc).
    options.dsml_token = model.tokenizer().FindAddedToken(kDsmlText).has_value() && !model.placeholder();
    options.begun = rules.only_tool_blocks = flags.tool_choice == "auto";
    if (flags.tool_choice != "auto" && flags.tool_choice != "required") options.only = flags.tool_choice;
    automaton = CompileToolGrammar(tools, "tools", options);
  }
  if (!automaton) return rules;
  if (!automaton->ok()) return automaton->status();
  rules.automaton = std::make_shared<const ByteAutomaton>(std::move(**automaton));
  return rules;
}

Result<Constraint> ConstraintFor(const AnswerRules& rules, ThinkingMode mode, const Tokenizer& tokenizer) {
  Constraint constraint;
  constraint.automaton = rules.automaton;
  if (rules.automaton == nullptr) return constraint;
  if (rules.only_tool_blocks) {
    constraint.begin_after_text = ToolBlockMark();
  } else if (mode == ThinkingMode::kThinking) {
    constraint.begin_after_token = tokenizer.FindAddedToken(kThinkEndText);
    if (!constraint.begin_after_token) {
      return InvalidArgument("the tokenizer has no token </think>, behind which the form would count; use --no-think");
    }
  }
  return constraint;
}

}  // namespace fathom
