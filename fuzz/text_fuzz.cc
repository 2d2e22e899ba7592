// Any bytes as a prompt and as an answer: pieces as PCRE2 cuts them, encode and decode are inverse, protected text
// never yields a control token, spans change nothing, streams equal decoding at once.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tests/support/tiny_tokenizer.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/text_stream.h"
#include "tokenizer/tokenizer.h"
#ifdef FATHOM_HAVE_PCRE2
#include "tests/support/split_oracle.h"
#include "tokenizer/unicode_classes.h"
#endif

namespace fathom {
namespace {

const Tokenizer& TestTokenizer() {
  static const std::unique_ptr<Tokenizer> kTokenizer = [] {
    const Json json = TinyTokenizerJson(
        {{"a", "a"},
         {"aa", "a"},
         {"aa", "aa"},
         {"Ġ", "a"},
         {"b", "a"},
         {"a", "b"},
         {"Ġ", "Ġ"},
         {"ĠĠ", "ĠĠ"},
         {"ï", "¼"},
         {"ï¼", "ľ"},
         {"1", "2"},
         {"12", "3"},
         {"Ċ", "Ċ"},
         {"ä", "½"},
         {"ä½", "ł"},
         {"<", "a"}},
        {{"<s>", true}, {"<s>>", false}, {"<｜a｜>", false}, {"｜", false}, {"</a>", false}, {"aab", true}});
    Result<std::unique_ptr<Tokenizer>> made = Tokenizer::FromJson(json.Dump(), "tiny");
    FATHOM_CHECK(made.ok());
    return std::move(*made);
  }();
  return *kTokenizer;
}

void CheckPieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  PieceScanner scanner(text);
  std::string_view piece;
  std::string joined;
  while (scanner.Next(&piece)) {
    FATHOM_CHECK(!piece.empty());
    pieces.push_back(piece);
    joined += piece;
  }
  FATHOM_CHECK(joined == text);
#ifdef FATHOM_HAVE_PCRE2
  static const SplitOracle kOracle;
  static const Pcre2Pattern kUnassigned("\\p{Cn}");
  for (size_t at = 0; at < text.size();) {
    const Utf8Char next = ReadUtf8(text.substr(at));
    size_t begin = 0;
    size_t end = 0;
    // PCRE2's Unicode version is older: what it has not assigned yet may have a class here.
    const bool newer =
        ClassOf(next.code_point) != CharClass::kOther && kUnassigned.Find(text.substr(at, next.size), 0, &begin, &end);
    if (newer || next.code_point == kPcre2ExtraSpace) return;
    at += next.size;
  }
  FATHOM_CHECK(pieces == kOracle.Split(text));
#endif
}

void CheckStream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  for (const bool skip_special : {false, true}) {
    TextStream stream(tokenizer, skip_special);
    std::string text;
    for (const int32_t id : ids) {
      const std::string part = stream.Push(id);
      FATHOM_CHECK(IsValidUtf8(part) && stream.held_bytes() <= 3);
      text += part;
    }
    text += stream.Flush();
    FATHOM_CHECK(text == tokenizer.Decode(ids, skip_special));
  }
}

// Cuts `text` into spans of 1 to 8 bytes whose lengths and kinds are taken from the text itself.
std::vector<TextSpan> Cut(std::string_view text, bool at_characters) {
  std::vector<TextSpan> spans;
  while (!text.empty()) {
    const auto control = static_cast<uint8_t>(text.back() + static_cast<char>(spans.size() * 7));
    size_t size = std::min<size_t>(text.size(), 1 + control % 8);
    while (at_characters && size < text.size() && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) ++size;
    spans.push_back({text.substr(0, size), (control & 8) != 0});
    text.remove_prefix(size);
  }
  return spans;
}

void CheckEncoding(const Tokenizer& tokenizer, std::string_view input, const std::string& repaired) {
  const std::vector<int32_t> matched = tokenizer.Encode(input, AddedTokens::kMatch);
  const std::vector<int32_t> plain = tokenizer.Encode(input, AddedTokens::kIgnore);
  FATHOM_CHECK(tokenizer.Decode(matched, false) == repaired);
  FATHOM_CHECK(tokenizer.Decode(plain, true) == repaired);
  bool any_control = false;
  for (const int32_t id : matched) any_control |= tokenizer.is_added(id);
  for (const int32_t id : plain) FATHOM_CHECK(!tokenizer.is_added(id));
  FATHOM_CHECK(any_control || matched == plain);

  const std::vector<int32_t> spans = tokenizer.EncodeSpans(Cut(repaired, true));
  FATHOM_CHECK(tokenizer.Decode(spans, false) == repaired);
  FATHOM_CHECK(any_control || spans == matched);
  FATHOM_CHECK(IsValidUtf8(tokenizer.Decode(tokenizer.EncodeSpans(Cut(input, false)), false)));
  CheckStream(tokenizer, matched);
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Tokenizer& tokenizer = TestTokenizer();
  const std::string repaired = RepairUtf8(input);
  FATHOM_CHECK(IsValidUtf8(repaired) && IsValidUtf8(input) == (repaired == input));
  CheckPieces(repaired);
  CheckEncoding(tokenizer, input, repaired);
  // The bytes as ids: byte tokens in any order, cut characters, control tokens, ids out of range.
  std::vector<int32_t> ids;
  for (size_t at = 0; at < size; ++at) ids.push_back(at % 5 == 4 ? tokenizer.vocab_size() - data[at] % 8 : data[at]);
  CheckStream(tokenizer, ids);
  return 0;
}
