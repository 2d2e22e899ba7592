// reasoning_seal.h - reasoning that a client carries for the server: `encrypted_content` of the Responses API.
//
//   sealed := base64url of  u8 version (1), 12 bytes nonce, ciphertext, 16 bytes tag      (AES-256-GCM)
//
// Opaque to the client and authenticated: what was changed, cut or made elsewhere is refused. The key is random and, in
// a file, outlives the process. Thread-safe.
#ifndef FATHOM_SERVER_API_REASONING_SEAL_H_
#define FATHOM_SERVER_API_REASONING_SEAL_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom {

class ReasoningSeal {
 public:
  // The key in `file`, which is made (mode 0600) if it is not there; a key of this process if `file` is empty.
  static Result<std::unique_ptr<ReasoningSeal>> Open(const std::string& file);

  std::string Seal(std::string_view text) const;
  // An error that names neither field nor text: the caller knows the field.
  Result<std::string> Unseal(std::string_view sealed) const;

 private:
  static constexpr size_t kKeyBytes = 32;
  std::array<uint8_t, kKeyBytes> key_ = {};
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_REASONING_SEAL_H_
