// tool_tasks.h - what can be done with a tool: the tool's schema, a wish, the calls that fulfil it, and the last
// answer.
#ifndef FATHOM_CORPUS_TOOL_TASKS_H_
#define FATHOM_CORPUS_TOOL_TASKS_H_

#include <string>
#include <vector>

#include "base/json.h"
#include "corpus/phrases.h"

namespace fathom {

struct ToolTask {
  Json tool;                         // the `function` object
  std::string name;                  // of the tool
  std::string wish;                  // what the user asks for
  std::vector<Json> calls;           // the arguments of each call
  std::vector<std::string> results;  // what each call gives back
  std::string topic;                 // what the tool is for in a word or two: "weather", "paint boat"
  std::string purpose;               // "I need the weather in Paris"
  std::string answer;                // after the results
  bool english = false;              // the wish is English whatever the language
  std::string sign;  // what a right answer contains: all of it where a number alone would be in others, too
};

// The number of families: weather, time, ...; the last two are both tools with made-up names, asked for in English.
size_t ToolFamilies();
inline constexpr size_t kSearchFamily = 3;

// A task of a family. Names of tools and parameters vary, so that they have to be read from the schema.
ToolTask DrawToolTask(CorpusRandom& random, size_t family, Language language);

}  // namespace fathom

#endif  // FATHOM_CORPUS_TOOL_TASKS_H_
