#include "engine/grammar/tool_grammar.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/grammar/json_schema.h"
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

class ToolCompiler {
 public:
  ToolCompiler(const ToolGrammarOptions& options, AutomatonBuilder* builder)
      : options_(options), tags_(TagsOf(options.dialect)), builder_(*builder), rules_(builder) {}

  AutomatonBuilder::Rule AddBlock() {
    const AutomatonBuilder::Rule root = builder_.AddRule();
    const int32_t begun = builder_.AddState();
    Text(options_.begun ? "" : "\n\n<｜DSML｜", root.start, begun);
    calls_ = builder_.AddState();
    Text(StrCat(tags_.block, ">\n"), begun, calls_);
    after_ = builder_.AddState();
    const int32_t next = builder_.AddState();
    builder_.AddSymbol(after_, '\n', next);
    if (!options_.one_call) builder_.AddEpsilon(next, calls_);
    Text(StrCat("</｜DSML｜", tags_.block, ">"), next, root.end);
    return root;
  }

  Status AddTool(const Json& function, const std::string& name, const std::string& path) {
    static const Json kNothing = Json::Object({{"type", Json::String("object")}, {"properties", Json::Object()}});
    const Json* parameters = function.Find("parameters");
    if (parameters == nullptr || parameters->is_null()) parameters = &kNothing;
    const Json* strict = function.Find("strict");
    strict_ = strict != nullptr && strict->is_bool() && strict->boolean();
    strict_tools_.push_back(strict_);
    const std::string schema_path = path + ".parameters";
    compilers_.emplace_back(*parameters, schema_path, &rules_, &builder_);
    Result<ObjectShape> shape = ShapeOf(*parameters, schema_path);
    if (!shape.ok()) return shape.status();
    for (const auto& [key, value] : parameters->members()) {
      const bool known = key == "type" || key == "properties" || key == "required" || key == "additionalProperties" ||
                         key == "$defs" || key == "definitions" || key == "description" || key == "title" ||
                         key == "$schema";
      if (!known && strict_) {
        return InvalidArgument(StrCat(schema_path, ": the keyword '", Printable(key),
                                      "' is not supported for the parameters of a strict tool as a whole"));
      }
    }
    const int32_t first = builder_.AddState();
    Text(StrCat("<｜DSML｜", tags_.invoke, " name=\"", name, "\">\n"), calls_, first);
    return AddParameters(*shape, first);
  }

  Status Finish() {
    for (size_t tool = 0; tool < compilers_.size(); ++tool) {
      FATHOM_RETURN_IF_ERROR(compilers_[tool].Finish(!strict_tools_[tool]));
    }
    return {};
  }

 private:
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
  Status AddValue(const Json& schema, const std::string& path, int32_t from, int32_t to) {
    for (const bool string : {true, false}) {
      const int32_t value = builder_.AddState();
      const int32_t end = builder_.AddState();
      builder_.AddText(from, string ? "true\">" : "false\">", value);
      Text(StrCat("</｜DSML｜", tags_.parameter, ">\n"), end, to);
      FATHOM_RETURN_IF_ERROR(compilers_.back().Compile(
          schema, path, string ? ValueForm::kRawString : ValueForm::kJsonNoString, value, end));
    }
    return {};
  }

  Status AddParameters(const ObjectShape& shape, int32_t first) {
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
        if (!property.required) continue;
        return InvalidArgument(StrCat(property.path, ": this name can't be written in a tool call"));
      }
      const int32_t value = builder_.AddState();
      const int32_t next_none = builder_.AddState();
      const int32_t next_some = builder_.AddState();
      builder_.AddText(open(), StrCat("\"", property.name, "\" string=\""), value);
      Status status = AddValue(property.schema, property.path, value, next_some);
      if (!status.ok() && strict_) return status;
      if (!status.ok()) FATHOM_RETURN_IF_ERROR(AddValue(Json::Bool(true), property.path, value, next_some));
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
      Status status = AddValue(shape.other, shape.other_path, value, some);
      if (!status.ok() && strict_) return status;
      if (!status.ok()) FATHOM_RETURN_IF_ERROR(AddValue(Json::Bool(true), shape.other_path, value, some));
    }
    const std::string end_tag = StrCat("</｜DSML｜", tags_.invoke, ">");
    Text("\n" + end_tag, none, after_);
    Text(end_tag, some, after_);
    return {};
  }

  const ToolGrammarOptions& options_;
  const DsmlTags tags_;
  AutomatonBuilder& builder_;
  TextRules rules_;
  std::deque<SchemaCompiler> compilers_;
  std::vector<bool> strict_tools_;  // of every compiler
  bool strict_ = false;             // of the tool being added
  int32_t calls_ = 0;
  int32_t after_ = 0;
};

}  // namespace

std::string ToolBlockMark() { return StrCat("<", kDsmlText); }

Result<ByteAutomaton> CompileToolGrammar(std::span<const Json> functions, const std::string& path,
                                         const ToolGrammarOptions& options) {
  AutomatonBuilder builder;
  ToolCompiler compiler(options, &builder);
  const AutomatonBuilder::Rule root = compiler.AddBlock();
  std::string names;
  bool found = false;
  for (size_t index = 0; index < functions.size(); ++index) {
    const Json* name = functions[index].Find("name");
    const std::string tool_path = StrCat(path, "[", index, "].function");
    if (name == nullptr || !name->is_string() || !FitsInTag(name->string())) {
      return InvalidArgument(StrCat(tool_path, ".name: a name without quotes and control characters is expected"));
    }
    names += StrCat(names.empty() ? "" : ", ", Printable(name->string()));
    if (!options.only.empty() && options.only != name->string()) continue;
    found = true;
    FATHOM_RETURN_IF_ERROR(compiler.AddTool(functions[index], name->string(), tool_path));
  }
  if (!found) {
    return InvalidArgument(options.only.empty()
                               ? StrCat(path, ": a tool call needs at least one tool")
                               : StrCat("no tool is called '", Printable(options.only), "'; the tools are ", names));
  }
  FATHOM_RETURN_IF_ERROR(compiler.Finish());
  Result<ByteAutomaton> automaton = builder.Finish(root);
  return automaton.ok() ? std::move(automaton) : InvalidArgument(StrCat(path, ": ", automaton.status().message()));
}

}  // namespace fathom
