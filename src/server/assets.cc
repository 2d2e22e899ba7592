#include "server/assets.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fathom {
namespace {

// Scripts, styles, fonts and connections from here only, and nothing inline: text of the model that found its way past
// the page's own sanitising could still load and run nothing.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Cuts `text` at the next `separator`.
std::string_view TakeUntil(std::string_view* text, char separator) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view part = TrimSpaces(text->substr(0, end));
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

// "q=0", "q=0.0", "q=0.000": not acceptable.
bool IsZeroQuality(std::string_view parameter) {
  if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) return false;
  parameter.remove_prefix(2);
  return !parameter.empty() && parameter.find_first_not_of("0.") == std::string_view::npos;
}

bool MatchesEtag(const std::string* if_none_match, std::string_view etag) {
  if (if_none_match == nullptr) return false;
  std::string_view rest = *if_none_match;
  while (!rest.empty()) {
    std::string_view tag = TakeUntil(&rest, ',');
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
  }
  return false;
}

HttpHeaders AssetHeaders(const Asset& asset) {
  return {
      {"ETag", std::string(asset.etag)},
      {"Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Vary", "Accept-Encoding"},
      {"Content-Security-Policy", kContentSecurityPolicy},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
  };
}

}  // namespace

const Asset* FindAsset(std::string_view path) {
  if (path == "/") path = "/index.html";
  const std::span<const Asset> assets = Assets();
  const auto found = std::ranges::lower_bound(assets, path, {}, &Asset::path);
  return found != assets.end() && found->path == path ? &*found : nullptr;
}

std::string Inflated(const Asset& asset) {
  z_stream stream = {};
  FATHOM_CHECK(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);  // 16: with gzip's header
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(asset.gzip.data()));
  stream.avail_in = static_cast<uInt>(asset.gzip.size());
  std::string bytes;
  std::array<char, size_t{64} << 10> buffer;
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    bytes.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  FATHOM_CHECK(result == Z_STREAM_END);  // our own data
  return bytes;
}

bool AcceptsGzip(const std::string* header) {
  if (header == nullptr) return false;
  bool any_accepted = false;
  std::string_view rest = *header;
  while (!rest.empty()) {
    std::string_view coding = TakeUntil(&rest, ',');
    const std::string_view name = TakeUntil(&coding, ';');
    bool accepted = true;
    while (!coding.empty()) accepted = accepted && !IsZeroQuality(TakeUntil(&coding, ';'));
    if (EqualsIgnoringCase(name, "gzip") || EqualsIgnoringCase(name, "x-gzip")) return accepted;
    if (name == "*") any_accepted = accepted;
  }
  return any_accepted;
}

HttpResponse AssetResponse(const Asset& asset, const HttpRequest& request) {
  HttpResponse response{.headers = AssetHeaders(asset)};
  if (MatchesEtag(request.FindHeader("If-None-Match"), asset.etag)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Type", asset.content_type);
  if (AcceptsGzip(request.FindHeader("Accept-Encoding"))) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = asset.gzip;
  } else {
    response.body = Inflated(asset);
  }
  return response;
}

void AddAssetRoutes(Router* router) {
  const auto add = [router](std::string path, const Asset& asset) {
    router->Add({.method = "GET",
                 .path = std::move(path),
                 .scope = Scope::kNone,
                 .handler = [&asset](const std::shared_ptr<HttpExchange>& exchange, const Caller&) {
                   exchange->Respond(AssetResponse(asset, exchange->request()));
                 }});
  };
  if (const Asset* index = FindAsset("/")) add("/", *index);
  for (const Asset& asset : Assets()) add(std::string(asset.path), asset);
}

}  // namespace fathom
