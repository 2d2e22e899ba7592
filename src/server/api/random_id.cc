#include "server/api/random_id.h"

#include <random>

namespace fathom {

std::string RandomId(std::string_view prefix) {
  static constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr int kLength = 24;
  thread_local std::random_device random;
  std::uniform_int_distribution<size_t> letter(0, kBase62.size() - 1);
  std::string id(prefix);
  for (int n = 0; n < kLength; ++n) id += kBase62[letter(random)];
  return id;
}

}  // namespace fathom
