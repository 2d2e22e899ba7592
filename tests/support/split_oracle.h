// split_oracle.h - the split patterns run by PCRE2: what PieceScanner must agree with.
#ifndef FATHOM_TESTS_SUPPORT_SPLIT_ORACLE_H_
#define FATHOM_TESTS_SUPPORT_SPLIT_ORACLE_H_

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokenizer/pretokenizer.h"

namespace fathom {

// U+180E lost the White_Space property with Unicode 6.3; PCRE2's \s still has it. The one known difference.
inline constexpr char32_t kPcre2ExtraSpace = 0x180E;

// A compiled pattern, Unicode-aware as the tokenizer's engines are.
class Pcre2Pattern {
 public:
  explicit Pcre2Pattern(std::string_view pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                              &error, &offset, nullptr));
    FATHOM_CHECK(code_ != nullptr);
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // only faster
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  // First match at or after `from` in valid UTF-8.
  bool Find(std::string_view text, size_t from, size_t* begin, size_t* end) const {
    const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                  PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) return false;
    FATHOM_CHECK(found > 0);
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match_.get());
    *begin = ends[0];
    *end = ends[1];
    return true;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

// Applies the three steps literally, each to every piece of the one before.
class SplitOracle {
 public:
  std::vector<std::string_view> Split(std::string_view text) const {
    std::vector<std::string_view> pieces;
    if (!text.empty()) pieces.push_back(text);
    for (const Pcre2Pattern& pattern : patterns_) {
      std::vector<std::string_view> next;
      for (const std::string_view piece : pieces) Isolate(pattern, piece, &next);
      pieces = std::move(next);
    }
    return pieces;
  }

 private:
  static void Isolate(const Pcre2Pattern& pattern, std::string_view piece, std::vector<std::string_view>* out) {
    size_t done = 0;
    size_t begin = 0;
    size_t end = 0;
    while (done < piece.size() && pattern.Find(piece, done, &begin, &end)) {
      if (begin > done) out->push_back(piece.substr(done, begin - done));
      out->push_back(piece.substr(begin, end - begin));
      done = end;
    }
    if (done < piece.size()) out->push_back(piece.substr(done));
  }

  Pcre2Pattern patterns_[3] = {Pcre2Pattern(kSplitPatterns[0]), Pcre2Pattern(kSplitPatterns[1]),
                               Pcre2Pattern(kSplitPatterns[2])};
};

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_SPLIT_ORACLE_H_
