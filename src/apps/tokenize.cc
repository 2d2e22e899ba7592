#include "apps/tokenize.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "apps/flags.h"
#include "apps/model_options.h"
#include "apps/token_text.h"
#include "base/json.h"
#include "base/strings.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

namespace {

constexpr size_t kMaxInputBytes = size_t{1} << 30;

constexpr char kTokenizeFooter[] = R"(Examples:
  fathom tokenize "Hello, world!"                        a line per token
  fathom tokenize --model DIR "Hello, world!"            with another model
  fathom tokenize --tokenizer tokenizer.json --count < book.txt
  fathom tokenize --model DIR --ids "Hello" | fathom tokenize --model DIR --decode

Control tokens such as <think> are recognised in the text unless --protected is given. Standard input is taken as it is,
with its last newline.)";

struct TokenizeFlags {
  std::string model;
  std::string tokenizer;
  std::string text;
  bool ids = false;
  bool count = false;
  bool json = false;
  bool decode = false;
  bool skip_special = false;
  bool protect = false;
};

// Numbers separated by white space, commas or brackets.
Result<std::vector<int32_t>> ParseIds(std::string_view text, int32_t vocab_size) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<int32_t> ids;
  while (true) {
    const size_t begin = text.find_first_not_of(kSeparators);
    if (begin == std::string_view::npos) return ids;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    text.remove_prefix(word.size());
    int32_t id = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || id < 0 || id >= vocab_size) {
      return InvalidArgument(StrCat("'", Printable(word, 40), "' is no token id; accepted are 0 to ", vocab_size - 1));
    }
    ids.push_back(id);
  }
}

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// The shape of a decode vector in ../shared/spec/tokenizer_vectors.json, with a count.
void PrintJson(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
  std::vector<Json> id_list;
  std::vector<Json> bytes_list;
  for (const int32_t id : ids) {
    id_list.push_back(Json::Int(id));
    bytes_list.push_back(Json::String(HexOfBytes(tokenizer.token_bytes(id))));
  }
  const Json json = Json::Object({{"count", Json::Int(static_cast<int64_t>(ids.size()))},
                                  {"ids", Json::Array(std::move(id_list))},
                                  {"token_bytes_hex", Json::Array(std::move(bytes_list))},
                                  {"text", Json::String(tokenizer.Decode(ids, skip_special))}});
  Print(json.Dump() + "\n");
}

void PrintIds(const std::vector<int32_t>& ids) {
  std::string line;
  for (const int32_t id : ids) line += StrCat(line.empty() ? "" : " ", id);
  Print(line + "\n");
}

void PrintTable(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, size_t input_bytes) {
  for (const int32_t id : ids) {
    const char* note = tokenizer.is_special(id) ? "  special" : tokenizer.is_added(id) ? "  control" : "";
    Print(StrFormat("%8d  ", id) + QuoteBytes(tokenizer.token_bytes(id)) + note + "\n");
  }
  Print(StrCat(ids.size(), ids.size() == 1 ? " token, " : " tokens, ", input_bytes, " bytes\n"));
}

Result<std::string> TokenizerPath(const TokenizeFlags& flags) {
  if (!flags.tokenizer.empty()) return flags.tokenizer;
  if (!flags.model.empty()) return flags.model + "/tokenizer.json";
  FATHOM_ASSIGN_OR_RETURN(const DefaultModel found, FindDefaultModel());
  return found.directory + "/tokenizer.json";
}

int Run(const TokenizeFlags& flags, bool has_text) {
  const Result<std::string> path = TokenizerPath(flags);
  if (!path.ok()) return Fail(path.status());
  Result<std::unique_ptr<Tokenizer>> loaded = Tokenizer::Load(*path);
  if (!loaded.ok()) return Fail(loaded.status());
  const Tokenizer& tokenizer = **loaded;

  std::string input = flags.text;
  if (!has_text) {
    Result<std::string> read = ReadStdin(kMaxInputBytes);
    if (!read.ok()) return Fail(read.status());
    input = std::move(*read);
  }

  std::vector<int32_t> ids;
  if (flags.decode) {
    Result<std::vector<int32_t>> parsed = ParseIds(input, tokenizer.vocab_size());
    if (!parsed.ok()) return Fail(parsed.status());
    ids = std::move(*parsed);
  } else {
    ids = tokenizer.Encode(input, flags.protect ? AddedTokens::kIgnore : AddedTokens::kMatch);
  }

  if (flags.json) {
    PrintJson(tokenizer, ids, flags.skip_special);
  } else if (flags.count) {
    Print(StrCat(ids.size(), "\n"));
  } else if (flags.ids) {
    PrintIds(ids);
  } else if (flags.decode) {
    Print(tokenizer.Decode(ids, flags.skip_special));
  } else {
    PrintTable(tokenizer, ids, input.size());
  }
  return 0;
}

}  // namespace

int TokenizeMain(int argc, char** argv) {
  TokenizeFlags flags;
  CLI::App app("Shows how a model's tokenizer cuts text into tokens, or turns token ids back into text.",
               "fathom tokenize");
  app.footer(kTokenizeFooter);
  CLI::Option_group* source =
      app.add_option_group("Tokenizer", "at most one of the two; without, it is that of the model that chat uses");
  source->add_option("--model", flags.model, "Directory with a tokenizer.json")->type_name("DIR");
  source->add_option("--tokenizer", flags.tokenizer, "A tokenizer.json")->type_name("FILE");
  source->require_option(0, 1);
  CLI::Option_group* output = app.add_option_group("Output", "at most one");
  output->add_flag("--ids", flags.ids, "Only the ids, on one line");
  output->add_flag("--count", flags.count, "Only the number of tokens");
  output->add_flag("--json", flags.json, "One JSON object: count, ids, token_bytes_hex, text");
  output->require_option(0, 1);
  CLI::Option* protect = app.add_flag("--protected", flags.protect, "Text that spells a control token stays text");
  CLI::Option* decode = app.add_flag("--decode", flags.decode, "The input is ids, the output their text exactly");
  decode->excludes(protect);
  app.add_flag("--skip-special", flags.skip_special, "Drop special tokens from decoded text")->needs(decode);
  CLI::Option* text = app.add_option("TEXT", flags.text, "The text (or ids); without it standard input is read");
  text->type_name("");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  return Run(flags, text->count() > 0);
}

}  // namespace fathom
