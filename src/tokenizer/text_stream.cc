#include "tokenizer/text_stream.h"

#include "base/utf8.h"

namespace fathom {

std::string TextStream::Push(int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  held_.append(tokenizer_.token_bytes(id));
  // Only the last three bytes can belong to an incomplete character; find the one that starts it.
  size_t certain = held_.size();
  for (size_t back = 1; back <= 3 && back <= held_.size(); ++back) {
    const size_t at = held_.size() - back;
    const bool continuation = (static_cast<uint8_t>(held_[at]) & 0xC0) == 0x80;
    if (continuation) continue;
    if (ReadUtf8(std::string_view{held_}.substr(at)).kind == Utf8Char::Kind::kIncomplete) certain = at;
    break;
  }
  const std::string_view text = std::string_view{held_}.substr(0, certain);
  std::string out = IsValidUtf8(text) ? std::string(text) : RepairUtf8(text);
  held_.erase(0, certain);
  return out;
}

std::string TextStream::Flush() {
  std::string out = RepairUtf8(held_);
  held_.clear();
  return out;
}

}  // namespace fathom
