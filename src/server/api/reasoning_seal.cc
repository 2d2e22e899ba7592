#include "server/api/reasoning_seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint8_t kSealVersion = 1;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kEnvelopeBytes = 1 + kNonceBytes + kTagBytes;
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

std::string ToBase64Url(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(byte);
    for (count += 8; count >= 6; count -= 6) text += kBase64Url[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kBase64Url[bits << (6 - count) & 63];
  return text;
}

// Nothing for other letters, or bits beyond the last byte that are set: one text for one value.
std::optional<std::string> FromBase64Url(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const size_t value = kBase64Url.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 255);
  }
  if (count >= 6 || (bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

uint8_t* Bytes(std::string* text) { return reinterpret_cast<uint8_t*>(text->data()); }
const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

}  // namespace

Result<std::unique_ptr<ReasoningSeal>> ReasoningSeal::Open(const std::string& file) {
  std::unique_ptr<ReasoningSeal> seal(new ReasoningSeal);
  if (!file.empty() && FileExists(file)) {
    FATHOM_ASSIGN_OR_RETURN(const std::string key, ReadFile(file, 2 * kKeyBytes));
    if (key.size() != kKeyBytes) {
      return DataLoss(StrCat(file, " has ", key.size(), " bytes; a key has ", kKeyBytes, ": delete it for a new one"));
    }
    std::copy(key.begin(), key.end(), seal->key_.begin());
    return seal;
  }
  if (RAND_bytes(seal->key_.data(), kKeyBytes) != 1) return IoError("the system has no random bytes for a key");
  if (!file.empty()) {
    const std::string_view key(reinterpret_cast<const char*>(seal->key_.data()), kKeyBytes);
    FATHOM_RETURN_IF_ERROR(WriteFileAtomically(file, key, 0600));
  }
  return seal;
}

std::string ReasoningSeal::Seal(std::string_view text) const {
  std::string sealed(kEnvelopeBytes + text.size(), '\0');
  uint8_t* const nonce = Bytes(&sealed) + 1;
  uint8_t* const body = nonce + kNonceBytes;
  sealed[0] = static_cast<char>(kSealVersion);
  FATHOM_CHECK(RAND_bytes(nonce, kNonceBytes) == 1);
  const Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  FATHOM_CHECK(cipher != nullptr &&
               EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
               EVP_EncryptUpdate(cipher.get(), body, &length, Bytes(text), static_cast<int>(text.size())) == 1 &&
               EVP_EncryptFinal_ex(cipher.get(), body + length, &length) == 1 &&
               EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, body + text.size()) == 1);
  return ToBase64Url(sealed);
}

Result<std::string> ReasoningSeal::Unseal(std::string_view sealed) const {
  const Status refused = InvalidArgument(
      "is not what this server made: it was changed, cut, or made by another server or before its key was replaced");
  std::optional<std::string> bytes = FromBase64Url(sealed);
  if (!bytes || bytes->size() < kEnvelopeBytes || (*bytes)[0] != static_cast<char>(kSealVersion)) return refused;
  uint8_t* const nonce = Bytes(&*bytes) + 1;
  uint8_t* const body = nonce + kNonceBytes;
  std::string text(bytes->size() - kEnvelopeBytes, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  FATHOM_CHECK(cipher != nullptr);
  int length = 0;
  const bool genuine =
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce) == 1 &&
      EVP_DecryptUpdate(cipher.get(), Bytes(&text), &length, body, static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, body + text.size()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), Bytes(&text) + length, &length) == 1;
  if (!genuine) return refused;
  return text;
}

}  // namespace fathom
