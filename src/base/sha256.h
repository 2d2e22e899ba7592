// sha256.h - SHA-256 of data that comes in pieces.
#ifndef FATHOM_BASE_SHA256_H_
#define FATHOM_BASE_SHA256_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace fathom {

class Sha256 {
 public:
  // False in builds without OpenSSL (cross builds): then there is nothing to construct.
  static bool Available();

  Sha256();
  ~Sha256();
  void Update(std::span<const uint8_t> bytes);
  // 64 lower-case hex digits of everything so far. Once, at the end.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

#endif  // FATHOM_BASE_SHA256_H_
