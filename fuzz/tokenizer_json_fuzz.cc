// Any bytes as tokenizer.json: an error sentence, or a tokenizer that keeps its promises. Inputs that are JSON objects
// are also laid over a good file (members called "model.x" over its model), which gets far beyond the first checks.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tests/support/tiny_tokenizer.h"
#include "tokenizer/text_stream.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

void CheckFile(std::string_view json) {
  const Result<std::unique_ptr<Tokenizer>> made = Tokenizer::FromJson(json, "fuzz.json");
  if (!made.ok()) {
    const std::string& message = made.status().message();
    FATHOM_CHECK(message.starts_with("fuzz.json: ") && message.find('\n') == std::string::npos);
    return;
  }
  const Tokenizer& tokenizer = **made;
  const std::string text =
      "ab abc <s><user> 123 你好 \n\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  for (const AddedTokens mode : {AddedTokens::kMatch, AddedTokens::kIgnore}) {
    const std::vector<int32_t> ids = tokenizer.Encode(text, mode);
    FATHOM_CHECK(tokenizer.Decode(ids, false) == text);
    for (const int32_t id : ids) FATHOM_CHECK(mode == AddedTokens::kMatch || !tokenizer.is_added(id));
  }
  // All ids, holes too.
  TextStream stream(tokenizer);
  std::string streamed;
  std::vector<int32_t> ids;
  for (int32_t id = -1; id <= tokenizer.vocab_size() && id < 5000; ++id) {
    ids.push_back(id);
    streamed += stream.Push(id);
  }
  FATHOM_CHECK(streamed + stream.Flush() == tokenizer.Decode(ids, false));
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  CheckFile(input);
  const Result<Json> overlay = ParseJson(input);
  if (!overlay.ok() || !overlay->is_object()) return 0;
  Json file = TinyTokenizerJson({{"a", "b"}, {"ab", "c"}}, {{"<s>", true}, {"<user>", false}});
  for (const auto& [key, value] : overlay->members()) {
    Json* model = nullptr;
    for (auto& member : file.members()) {
      if (member.first == "model" && member.second.is_object()) model = &member.second;
    }
    if (key.starts_with("model.") && model != nullptr) {
      model->Set(key.substr(6), value);
    } else if (key.starts_with("vocab.") && model != nullptr) {
      for (auto& member : model->members()) {
        if (member.first == "vocab" && member.second.is_object()) member.second.Set(key.substr(6), value);
      }
    } else {
      file.Set(key, value);
    }
  }
  CheckFile(file.Dump());
  return 0;
}
