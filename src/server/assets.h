// assets.h - the web page, inside the program.
//
// The build compresses what web/ makes and links it in (cmake/web.cmake); without npm there is one small page that says
// so. Nothing is read from disk at run time.
#ifndef FATHOM_SERVER_ASSETS_H_
#define FATHOM_SERVER_ASSETS_H_

#include <span>
#include <string>
#include <string_view>

#include "server/api/router.h"

namespace fathom {

struct Asset {
  std::string_view path;  // "/index.html", "/assets/index-Ab12.js"
  std::string_view content_type;
  std::string_view etag;  // quoted
  std::string_view gzip;  // the file, compressed
  bool immutable;         // its name changes with its content
};

// Sorted by path; defined in the generated assets_data.cc.
std::span<const Asset> Assets();

// "/" is "/index.html". Null if there is none.
const Asset* FindAsset(std::string_view path);

// The file itself.
std::string Inflated(const Asset& asset);

// Whether an Accept-Encoding header allows gzip; `header` is null if there is none.
bool AcceptsGzip(const std::string* header);

// What a GET of `asset` is answered with: compressed or not, or 304.
HttpResponse AssetResponse(const Asset& asset, const HttpRequest& request);

// GET / and every asset, without a key.
void AddAssetRoutes(Router* router);

}  // namespace fathom

#endif  // FATHOM_SERVER_ASSETS_H_
