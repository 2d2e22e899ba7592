// What a client or an administrator may send or write: request targets, query strings, files of keys and of options.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "server/http/http.h"
#include "server/http/http_target.h"
#include "server/key_store.h"
#include "server/serve_config.h"

namespace {

// A file in memory with a name.
class FileInMemory {
 public:
  explicit FileInMemory(std::string_view text) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  }
  FileInMemory(const FileInMemory&) = delete;
  FileInMemory& operator=(const FileInMemory&) = delete;
  ~FileInMemory() { close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  const int fd_;
};

void ReadTarget(std::string_view text) {
  fathom::HttpRequest request;
  if (!fathom::SplitTarget(text, &request.path, &request.query).ok()) return;
  const bool form = request.path.starts_with('/') || request.path == "*";
  if (!form || request.path.find('\0') != std::string::npos || !fathom::IsValidUtf8(request.path)) std::abort();
  request.QueryValue("a");
  request.headers.emplace_back(request.query, request.path);
  if (request.FindHeader(request.query) == nullptr) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    ReadTarget(text);
    return 0;
  }
  const FileInMemory file(text);
  if (data[0] % 3 == 1) {
    const fathom::Result<fathom::KeyStore> store = fathom::KeyStore::Read(file.path());
    if (store.ok() && store->keys().size() > fathom::kMaxKeys) std::abort();
    if (store.ok()) store->Find(text);
    return 0;
  }
  fathom::ServeConfig config;
  if (fathom::ApplyConfigFile(file.path(), &config).ok()) {
    fathom::CheckTogether(config, false).ok();
    fathom::ConfigJson(config).Dump();
  }
  return 0;
}
