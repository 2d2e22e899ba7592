#include "base/sha256.h"

#ifdef FATHOM_HAVE_OPENSSL
#include <openssl/evp.h>
#endif

#include "base/check.h"
#include "base/strings.h"

namespace fathom {

#ifdef FATHOM_HAVE_OPENSSL

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

bool Sha256::Available() { return true; }

Sha256::Sha256() : state_(std::make_unique<State>()) {
  FATHOM_CHECK(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}

void Sha256::Update(std::span<const uint8_t> bytes) {
  FATHOM_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::HexDigest() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  FATHOM_CHECK(EVP_DigestFinal_ex(state_->context, digest, &size) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += StrFormat("%02x", digest[i]);
  return hex;
}

#else

struct Sha256::State {};
bool Sha256::Available() { return false; }
Sha256::Sha256() { FATHOM_CHECK(Available()); }
void Sha256::Update(std::span<const uint8_t>) {}
std::string Sha256::HexDigest() { return ""; }

#endif

Sha256::~Sha256() = default;

}  // namespace fathom
