// docs/api.md says what the code does.
#include "server/api/api_limits.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "base/strings.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/regex.h"
#include "engine/request.h"
#include "server/api/anthropic_request.h"
#include "server/api/openai_request.h"
#include "server/api/response_store.h"
#include "server/api/responses_request.h"
#include "server/serve_config.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

std::string ApiManual() { return *ReadFile(FATHOM_SOURCE_DIR "/docs/api.md", 1 << 20); }

TEST(ApiManual, HasTheLimitsOfTheCode) {
  const std::string manual = ApiManual();
  const ServeConfig config;
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"body", StrCat("`--max-body`, ", config.max_body_bytes >> 20, " MiB")},
      {"headers", StrCat("`--max-headers`, ", config.max_header_bytes >> 10, " KiB")},
      {"nesting of JSON", StrCat(JsonParseOptions().max_depth)},
      {"`model`", StrCat(kMaxModelNameBytes, " bytes")},
      {"`user`, `user_id`, `metadata.user_id`", StrCat(kMaxUserBytes, " bytes")},
      {"`tools`", StrCat(kMaxTools)},
      {"a tool's name", StrCat(kMaxToolNameBytes, " bytes")},
      {"a JSON Schema", StrCat(kMaxSchemaBytes, " bytes, nested ", kMaxSchemaDepth, " deep")},
      {"`pattern` in a schema", StrCat(kMaxPatternBytes, " bytes")},
      {"`stop`", StrCat(kMaxApiStopStrings, " strings")},
      {"`stop_sequences`", StrCat(kMaxStopSequences, " strings")},
      {"a stop string", StrCat(kMaxStopBytes, " bytes")},
      {"`n`", StrCat(kMaxChoices)},
      {"`top_logprobs`", StrCat(kMaxTopLogprobs)},
      {"`logprobs` of completions", StrCat(kMaxLegacyLogprobs)},
      {"`n_probs` of /completion", StrCat(kMaxLogprobs)},
      {"`logit_bias`", StrCat(kMaxBiases, " tokens")},
      {"`prompt` of completions", StrCat(kMaxPrompts, " prompts")},
      {"`input_extra` of /infill", StrCat(kMaxExtraFiles, " files")},
      {"`limit` of input_items", StrCat(kMaxItemsOfPage)},
      {"a stored response's input", StrCat(ResponseStore::kMaxResponseBytes / 2, " bytes")}};
  for (const auto& [field, limit] : rows) {
    EXPECT_NE(manual.find(StrCat("| ", field, " | ", limit)), std::string::npos) << field << " is " << limit;
  }
  EXPECT_NE(manual.find(StrCat("completions generate ", kDefaultCompletionTokens, " tokens, with `suffix` ",
                               kDefaultMiddleTokens)),
            std::string::npos);
}

// The names in the row of a table, without those inside other fields.
std::set<std::string> NamesInRow(const std::string& begin) {
  const std::string manual = ApiManual();
  const size_t at = manual.find(begin);
  EXPECT_NE(at, std::string::npos) << begin;
  const std::string row = manual.substr(at, manual.find('\n', at) - at);
  std::set<std::string> names;
  for (size_t open = row.find('`'); open != std::string::npos;) {
    const size_t close = row.find('`', open + 1);
    const std::string name = row.substr(open + 1, close - open - 1);
    if (name.find_first_of(".[") == std::string::npos) names.insert(name);
    open = row.find('`', close + 1);
  }
  return names;
}

// Values of no sensible type: who looked at them would refuse them.
Json WithNonsense(const std::string& body, const std::set<std::string>& names) {
  Json json = ParseTestJson(body);
  for (const std::string& name : names) json.Set(name, ParseTestJson(R"([[{"odd": true}]])"));
  return json;
}

TEST(ApiManual, IgnoredFieldsAreIgnored) {
  const std::set<std::string> chat = NamesInRow("| chat/completions | `audio`");
  EXPECT_GT(chat.size(), 15U);
  const auto openai = ParseOpenAiChat(WithNonsense(R"({"messages":[{"role":"user","content":"x"}]})", chat));
  EXPECT_TRUE(openai.ok()) << openai.status().message();
  const std::set<std::string> responses = NamesInRow("| responses | `prompt_cache_key`");
  EXPECT_GT(responses.size(), 5U);
  std::set<std::string> without_include = responses;
  without_include.erase("include");  // other values of it
  const auto response = ParseResponsesRequest(WithNonsense(R"({"input":"x"})", without_include));
  EXPECT_TRUE(response.ok()) << response.status().message();
  std::set<std::string> messages = NamesInRow("| messages | `cache_control`");
  EXPECT_GT(messages.size(), 4U);
  messages.erase("input_schema");  // of tools
  const auto anthropic =
      ParseAnthropicRequest(WithNonsense(R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}]})", messages),
                            AnthropicUse::kMessages);
  EXPECT_TRUE(anthropic.ok()) << anthropic.status().message();
}

}  // namespace
}  // namespace fathom
