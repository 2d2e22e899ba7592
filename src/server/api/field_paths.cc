#include "server/api/field_paths.h"

#include "base/strings.h"

namespace fathom {
namespace {

// Whether `text` begins with the path `field`, and not with a longer name.
bool BeginsWith(std::string_view text, std::string_view field) {
  if (!text.starts_with(field)) return false;
  return text.size() == field.size() || std::string_view(".[: ").find(text[field.size()]) != std::string_view::npos;
}

}  // namespace

void FieldPaths::Add(const FieldPaths& more) {
  entries_.insert(entries_.end(), more.entries_.begin(), more.entries_.end());
}

std::string FieldPaths::Of(std::string_view text) const {
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    const bool better = best == nullptr || entry.field.size() >= best->field.size();
    if (better && BeginsWith(text, entry.field)) best = &entry;
  }
  return best == nullptr ? std::string(text) : StrCat(best->sent, text.substr(best->field.size()));
}

Status FieldPaths::Translate(const Status& status) const { return {status.code(), Of(status.message())}; }

}  // namespace fathom
