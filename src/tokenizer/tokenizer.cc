#include "tokenizer/tokenizer.h"

#include "base/file.h"
#include "base/utf8.h"
#include "tokenizer/pretokenizer.h"

namespace fathom {

Result<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string json, ReadFile(path, kMaxTokenizerFileBytes));
  return FromJson(json, path);
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::FromJson(std::string_view json, const std::string& name_for_errors) {
  FATHOM_ASSIGN_OR_RETURN(TokenizerTables tables, ParseTokenizerJson(json, name_for_errors));
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(tables)));
}

Tokenizer::Tokenizer(TokenizerTables tables)
    : tables_(std::move(tables)),
      kinds_(tables_.token_bytes.size(), Kind::kText),
      matcher_(tables_.added),
      bpe_(tables_.byte_ids, tables_.merges) {
  for (const AddedToken& token : tables_.added) {
    kinds_[static_cast<size_t>(token.id)] = token.special ? Kind::kSpecial : Kind::kAdded;
  }
}

Tokenizer::Kind Tokenizer::KindOf(int32_t id) const {
  return id >= 0 && id < vocab_size() ? kinds_[static_cast<size_t>(id)] : Kind::kText;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return id >= 0 && id < vocab_size() ? tables_.token_bytes[static_cast<size_t>(id)] : std::string_view();
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, AddedTokens mode) const {
  const TextSpan span = {text, mode == AddedTokens::kMatch};
  return EncodeSpans({&span, 1});
}

std::vector<int32_t> Tokenizer::EncodeSpans(std::span<const TextSpan> spans) const {
  std::string joined;
  std::vector<AddedTokenMatcher::Match> matches;  // in `joined`
  for (size_t at = 0; at < spans.size();) {
    // Neighbours of the same kind are one text: characters and control tokens may lie across their border.
    const bool markup = spans[at].markup;
    const size_t run_begin = joined.size();
    const auto run = [&] { return std::string_view{joined}.substr(run_begin); };
    for (; at < spans.size() && spans[at].markup == markup; ++at) joined.append(spans[at].text);
    if (!IsValidUtf8(run())) joined.replace(run_begin, std::string::npos, RepairUtf8(run()));
    if (!markup) continue;
    for (auto match = matcher_.FindNext(run(), 0); match; match = matcher_.FindNext(run(), match->end)) {
      matches.push_back({run_begin + match->begin, run_begin + match->end, match->id});
    }
  }

  std::vector<int32_t> ids;
  ids.reserve(joined.size() / 4);
  const std::string_view text = joined;
  size_t done = 0;
  for (const AddedTokenMatcher::Match& match : matches) {
    EncodeText(text.substr(done, match.begin - done), &ids);
    ids.push_back(match.id);
    done = match.end;
  }
  EncodeText(text.substr(done), &ids);
  return ids;
}

void Tokenizer::EncodeText(std::string_view text, std::vector<int32_t>* ids) const {
  PieceScanner scanner(text);
  std::string_view piece;
  while (scanner.Next(&piece)) bpe_.Encode(piece, ids);
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (!skip_special || !is_special(id)) bytes.append(token_bytes(id));
  }
  return IsValidUtf8(bytes) ? bytes : RepairUtf8(bytes);
}

}  // namespace fathom
