#include "engine/grammar/tool_grammar.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/schema_keywords.h"
#include "engine/grammar/text_rules.h"

namespace fathom {
namespace {

// What may stand in an attribute of a tag.
bool FitsInTag(const std::string& name) {
  for (const char byte : name) {
    if (static_cast<uint8_t>(byte) < 0x20 || byte == '"') return false;
  }
  return !name.empty() && name.find("\uFF5C") == std::string::npos;
}

bool IsStrict(const Json& function) {
  const Json* strict = function.Find("strict");
  return strict != nullptr && strict->is_bool() && strict->boolean();
}

// The schema of a tool's parameters.
const Json& ParametersOf(const Json& function) {
  static const Json kNothing = Json::Object({{"type", Json::String("object")}, {"properties", Json::Object()}});
  const Json* parameters = function.Find("parameters");
  return parameters == nullptr || parameters->is_null() ? kNothing : *parameters;
}

class ToolCompiler {
 public:
  // `loose`: parameters of tools that aren't strict take any values.
  ToolCompiler(const ToolGrammarOptions& options, bool loose, AutomatonBuilder* builder)
      : options_(options),
        tags_(TagsOf(options.dialect)),
        loose_(loose),
        builder_(*builder),
        rules_(builder, JsonPlace::kToolCall) {}

  AutomatonBuilder::Rule AddBlock() {
    const AutomatonBuilder::Rule root = builder_.AddRule();
    const int32_t begun = builder_.AddState();
    Text(options_.begun ? "" : "\n\n<｜DSML｜", root.start, begun);
    calls_ = builder_.AddState();
    Text(StrCat(tags_.block, ">\n"), begun, calls_);
    after_ = builder_.AddState();
    const int32_t next = builder_.AddState();
    builder_.AddSymbol(after_, '\n', next);
    // The end first: of very many places to be in only the first are kept (automaton_walker.h).
    Text(StrCat("</｜DSML｜", tags_.block, ">"), next, root.end);
    if (!options_.one_call) builder_.AddEpsilon(next, calls_);
    return root;
  }

  Status AddTool(const Json& function, const std::string& name, const std::string& path) {
    strict_ = IsStrict(function);
    // Half of what is left, so that one tool that costs too much leaves enough to the others.
    SchemaBudget budget{budget_.left / 2};
    budget_.left -= budget.left;
    SchemaCompiler compiler(ParametersOf(function), path, &budget, &rules_, &builder_);
    FATHOM_ASSIGN_OR_RETURN(const ObjectShape shape, ReadShape(ParametersOf(function), path, &compiler));
    const int32_t first = builder_.AddState();
    Text(StrCat("<｜DSML｜", tags_.invoke, " name=\"", name, "\">\n"), calls_, first);
    FATHOM_RETURN_IF_ERROR(AddParameters(shape, first, &compiler));
    FATHOM_RETURN_IF_ERROR(compiler.Finish(!strict_));
    budget_.left += std::max<int64_t>(budget.left, 0);
    return {};
  }

 private:
  // If the schema says more of the object than can be expressed, then without `strict` other parameters may come, too.
  Result<ObjectShape> ReadShape(const Json& parameters, const std::string& path, SchemaCompiler* compiler) const {
    Result<Json> combined = compiler->Combine(parameters, path);
    if (!combined.ok() && strict_) return combined.status();
    const Json& schema = combined.ok() ? *combined : parameters;
    const Status expressed = CheckShape(schema, path);
    if (!expressed.ok() && strict_) return expressed;
    Result<ObjectShape> shape = ShapeOf(schema, path);
    if (!shape.ok() && strict_) return shape.status();
    if (shape.ok() && expressed.ok()) return shape;
    if (!shape.ok()) shape = ObjectShape();
    shape->open = true;
    shape->other = Json::Bool(true);
    return shape;
  }

  // Whether ObjectShape has all that `schema` says.
  static Status CheckShape(const Json& schema, const std::string& path) {
    if (!schema.is_object()) return InvalidArgument(path + ": the schema of an object is expected");
    for (const auto& [key, value] : schema.members()) {
      if (!Constrains(key) || key == "type" || key == "properties" || key == "required" ||
          key == "additionalProperties") {
        continue;
      }
      return InvalidArgument(StrCat(path, ": the keyword '", Printable(key),
                                    "' is not supported for the parameters of a strict tool as a whole"));
    }
    return {};
  }

  // `text`, in which the mark of tool markup is its control token if there is one.
  void Text(std::string_view text, int32_t from, int32_t to) {
    const size_t at = options_.dsml_token ? text.find(kDsmlText) : std::string_view::npos;
    if (at == std::string_view::npos) return builder_.AddText(from, text, to);
    const int32_t before = builder_.AddState();
    const int32_t behind = builder_.AddState();
    builder_.AddText(from, text.substr(0, at), before);
    builder_.AddSymbol(before, kDsmlSymbol, behind);
    Text(text.substr(at + kDsmlText.size()), behind, to);
  }

  // From behind `string="`: both ways to write a value, of which one may be impossible.
  Status AddValue(const Json& schema, const std::string& path, SchemaCompiler* compiler, int32_t from, int32_t to) {
    for (const bool string : {true, false}) {
      const int32_t value = builder_.AddState();
      const int32_t end = builder_.AddState();
      builder_.AddText(from, string ? "true\">" : "false\">", value);
      Text(StrCat("</｜DSML｜", tags_.parameter, ">\n"), end, to);
      const ValueForm form = string ? ValueForm::kRawString : ValueForm::kJsonNoString;
      const bool any = loose_ && !strict_;
      const Status status = any ? Status() : compiler->Compile(schema, path, form, value, end);
      if (!status.ok() && strict_) return status;
      if (any || !status.ok()) compiler->CompileAny(form, value, end);
    }
    return {};
  }

  Status AddParameters(const ObjectShape& shape, int32_t first, SchemaCompiler* compiler) {
    int32_t none = first;  // no parameter yet
    int32_t some = builder_.AddState();
    const std::string open_tag = StrCat("<｜DSML｜", tags_.parameter, " name=");
    const auto open = [&]() {
      const int32_t key = builder_.AddState();
      for (const int32_t from : {none, some}) Text(open_tag, from, key);
      return key;
    };
    std::vector<std::string> names;
    for (const ObjectShape::Property& property : shape.properties) {
      names.push_back(property.name);
      if (!FitsInTag(property.name)) {
        if (!property.required || !strict_) continue;
        return InvalidArgument(StrCat(property.path, ": this name can't be written in a tool call"));
      }
      const int32_t value = builder_.AddState();
      const int32_t next_none = builder_.AddState();
      const int32_t next_some = builder_.AddState();
      builder_.AddText(open(), StrCat("\"", property.name, "\" string=\""), value);
      FATHOM_RETURN_IF_ERROR(AddValue(property.schema, property.path, compiler, value, next_some));
      if (!property.required) {
        builder_.AddEpsilon(none, next_none);
        builder_.AddEpsilon(some, next_some);
      }
      none = next_none;
      some = next_some;
    }
    if (shape.open) {
      const CodePoints key_characters = {{'-', '.'}, {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      const int32_t behind = builder_.AddState();
      const int32_t value = builder_.AddState();
      names.emplace_back();  // a key is not empty
      rules_.AddOtherKey(open(), names, key_characters, behind);
      builder_.AddText(behind, " string=\"", value);
      FATHOM_RETURN_IF_ERROR(AddValue(shape.other, shape.other_path, compiler, value, some));
    }
    const std::string end_tag = StrCat("</｜DSML｜", tags_.invoke, ">");
    Text("\n" + end_tag, none, after_);
    Text(end_tag, some, after_);
    return {};
  }

  const ToolGrammarOptions& options_;
  const DsmlTags tags_;
  const bool loose_;
  AutomatonBuilder& builder_;
  TextRules rules_;
  SchemaBudget budget_;
  bool strict_ = false;  // the tool being added is
  int32_t calls_ = 0;
  int32_t after_ = 0;
};

// A tool that may be called.
struct Callable {
  const Json* function = nullptr;
  std::string name;
  std::string path;  // of its parameters
};

Result<std::vector<Callable>> CallableTools(std::span<const Json> functions, const std::string& path,
                                            const std::string& only) {
  std::vector<Callable> tools;
  std::string names;
  for (size_t index = 0; index < functions.size(); ++index) {
    const Json* name = functions[index].Find("name");
    const std::string tool_path = StrCat(path, "[", index, "].function");
    if (name == nullptr || !name->is_string() || !FitsInTag(name->string())) {
      return InvalidArgument(StrCat(tool_path, ".name: a name without quotes and control characters is expected"));
    }
    names += StrCat(names.empty() ? "" : ", ", Printable(name->string()));
    if (!only.empty() && only != name->string()) continue;
    tools.push_back({&functions[index], name->string(), tool_path + ".parameters"});
    const size_t size = ParametersOf(functions[index]).Dump().size();
    if (size <= kMaxSchemaBytes) continue;
    return InvalidArgument(StrCat(tools.back().path, " of '", Printable(name->string()), "' is ", HumanBytes(size),
                                  "; accepted are schemas of at most ", HumanBytes(kMaxSchemaBytes)));
  }
  if (!tools.empty()) return tools;
  return InvalidArgument(only.empty() ? StrCat(path, ": a tool call needs at least one tool")
                                      : StrCat("no tool is called '", Printable(only), "'; the tools are ", names));
}

Result<ByteAutomaton> CompileCalls(std::span<const Callable> tools, const std::string& path,
                                   const ToolGrammarOptions& options, bool loose) {
  AutomatonBuilder builder;
  ToolCompiler compiler(options, loose, &builder);
  const AutomatonBuilder::Rule root = compiler.AddBlock();
  for (const Callable& tool : tools) FATHOM_RETURN_IF_ERROR(compiler.AddTool(*tool.function, tool.name, tool.path));
  Result<ByteAutomaton> automaton = builder.Finish(root);
  return automaton.ok() ? std::move(automaton) : InvalidArgument(StrCat(path, ": ", automaton.status().message()));
}

// Any text, which may end everywhere.
Result<ByteAutomaton> FreeText() {
  AutomatonBuilder builder;
  const AutomatonBuilder::Rule root = builder.AddRule();
  builder.AddRange(root.start, 0, kDsmlSymbol, root.start);
  builder.AddEpsilon(root.start, root.end);
  return builder.Finish(root);
}

}  // namespace

std::string ToolBlockMark() { return StrCat("<", kDsmlText); }

Result<ByteAutomaton> CompileToolGrammar(std::span<const Json> functions, const std::string& path,
                                         const ToolGrammarOptions& options) {
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Callable> tools, CallableTools(functions, path, options.only));
  const auto strict = std::ranges::count_if(tools, [](const Callable& tool) { return IsStrict(*tool.function); });
  Result<ByteAutomaton> exact = CompileCalls(tools, path, options, false);
  if (exact.ok() || strict == std::ssize(tools)) return exact;
  Result<ByteAutomaton> loose = CompileCalls(tools, path, options, true);
  return loose.ok() || strict > 0 || !options.begun ? std::move(loose) : FreeText();
}

}  // namespace fathom
