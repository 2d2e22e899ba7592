// tool_grammar.h - a block of tool calls in DSML as a grammar: section by section what completion_parser.h reads.
//
//   block = "\n\n<｜DSML｜tool_calls>\n" 1*(invoke "\n") "</｜DSML｜tool_calls>"
//   invoke = "<｜DSML｜invoke name=\"" NAME "\">\n" *(param "\n") ["\n" if no param] "</｜DSML｜invoke>"
//   param = "<｜DSML｜parameter name=\"" KEY "\" string=\"" ("true\">" TEXT | "false\">" JSON) "</｜DSML｜parameter>"
//
// NAME is a tool's, KEYs come in the order of its schema, required ones are there, values obey their schemas: strings
// as they are (TEXT), other values as JSON, where U+FF5C is an escape.
#ifndef FATHOM_ENGINE_GRAMMAR_TOOL_GRAMMAR_H_
#define FATHOM_ENGINE_GRAMMAR_TOOL_GRAMMAR_H_

#include <span>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "engine/grammar/byte_automaton.h"
#include "tokenizer/chat_dialect.h"

namespace fathom {

struct ToolGrammarOptions {
  Dialect dialect = Dialect::kV4;
  std::string only = {};   // the one tool that may be called; empty: any
  bool dsml_token = true;  // the tokenizer has kDsmlText as a control token; else it is text
  // The grammar begins behind "<｜DSML｜" (ToolBlockMark()), for a block that the model has begun by itself.
  bool begun = false;
  bool one_call = false;  // the block has one call, not one or more
};

// `functions` are the `function` members of a request's tools (ParseTools), `path` the list's name for messages. What a
// tool's schema has that the grammar can't express is an error with `strict: true`; otherwise such a parameter takes
// any value, and where it is about the parameters as a whole there may be others. A grammar that would be too large has
// any values for all parameters of tools that aren't strict; if that doesn't help and no tool is strict, a block that
// has begun is free text. Errors also: a schema larger than kMaxSchemaBytes, no tool with the name `only`, a name that
// can't be written in a tag.
Result<ByteAutomaton> CompileToolGrammar(std::span<const Json> functions, const std::string& path,
                                         const ToolGrammarOptions& options);

// "<｜DSML｜": with it a block begins.
std::string ToolBlockMark();

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_TOOL_GRAMMAR_H_
