#include "tests/support/xml.h"

#include <cctype>
#include <optional>
#include <utility>

namespace fathom {
namespace {

bool IsNameCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == ':' || c == '.';
}

// Text with its entities replaced; nothing if it holds what must be escaped.
std::optional<std::string> Unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '<' || (static_cast<unsigned char>(text.front()) < 0x20 && text.front() != '\n')) return {};
    if (text.front() != '&') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    bool known = false;
    for (const auto& [entity, character] :
         {std::pair("&amp;", '&'), {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}) {
      if (!text.starts_with(entity)) continue;
      out += character;
      text.remove_prefix(std::string_view(entity).size());
      known = true;
      break;
    }
    if (!known) return {};
  }
  return out;
}

class XmlReader {
 public:
  explicit XmlReader(std::string_view xml) : rest_(xml) {}

  XmlTexts Read() {
    while (result_.error.empty() && !rest_.empty()) {
      if (rest_.front() == '<') {
        Tag();
      } else {
        Text();
      }
    }
    if (result_.error.empty() && !open_.empty()) Fail("<" + open_.back() + "> is not closed");
    if (result_.error.empty() && roots_ != 1) Fail("not one root element");
    return std::move(result_);
  }

 private:
  void Fail(const std::string& what) { result_.error = what + " before '" + std::string(rest_.substr(0, 60)) + "'"; }

  std::string Name() {
    size_t size = 0;
    while (size < rest_.size() && IsNameCharacter(rest_[size])) ++size;
    std::string name(rest_.substr(0, size));
    rest_.remove_prefix(size);
    if (name.empty()) Fail("no name");
    return name;
  }

  void Spaces() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())) != 0) rest_.remove_prefix(1);
  }

  bool Take(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }

  void Tag() {
    if (Take("</")) {
      const std::string name = Name();
      if (open_.empty() || open_.back() != name) return Fail("</" + name + "> closes nothing");
      open_.pop_back();
      if (!Take(">")) Fail("no end of a tag");
      return;
    }
    Take("<");
    const std::string name = Name();
    if (open_.empty()) ++roots_;
    std::map<std::string, bool> seen;
    while (result_.error.empty()) {
      Spaces();
      if (rest_.starts_with(">") || rest_.starts_with("/>")) break;
      Attribute(&seen);
    }
    if (!result_.error.empty()) return;
    ++result_.elements[name];
    if (Take("/>")) return;
    Take(">");
    open_.push_back(name);
  }

  void Attribute(std::map<std::string, bool>* seen) {
    const std::string name = Name();
    if (!result_.error.empty()) return;
    if (!Take("=\"")) return Fail("attribute " + name + " has no value");
    const size_t size = rest_.find('"');
    if (size == std::string_view::npos || !Unescaped(rest_.substr(0, size))) {
      return Fail("a wrong value of attribute " + name);
    }
    rest_.remove_prefix(size + 1);
    if (!seen->emplace(name, true).second) Fail("attribute " + name + " twice");
  }

  void Text() {
    const std::string_view text = rest_.substr(0, rest_.find('<'));
    const std::optional<std::string> unescaped = Unescaped(text);
    if (!unescaped) return Fail("text that had to be escaped");
    const bool blank = unescaped->find_first_not_of(" \n") == std::string::npos;
    if (open_.empty() && !blank) return Fail("text outside of the root element");
    if (!blank) result_.texts[open_.back()].push_back(*unescaped);
    rest_.remove_prefix(text.size());
  }

  std::string_view rest_;
  std::vector<std::string> open_;
  int roots_ = 0;
  XmlTexts result_;
};

}  // namespace

XmlTexts ReadXml(std::string_view xml) { return XmlReader(xml).Read(); }

}  // namespace fathom
