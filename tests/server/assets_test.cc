#include "server/assets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace fathom {
namespace {

std::string HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

HttpRequest AssetRequest(HttpHeaders headers) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/";
  request.headers = std::move(headers);
  return request;
}

TEST(Assets, IndexIsThereUnderBothNames) {
  const Asset* index = FindAsset("/");
  ASSERT_NE(index, nullptr);
  EXPECT_EQ(index, FindAsset("/index.html"));
  EXPECT_EQ(index->content_type, "text/html; charset=utf-8");
  EXPECT_FALSE(index->immutable);
  EXPECT_NE(Inflated(*index).find("<!doctype html>"), std::string::npos);
}

TEST(Assets, UnknownPathsAreNotFound) {
  for (const char* path : {"", "//", "/index", "/index.html/", "/../index.html", "/assets/", "/assets/x.js"}) {
    EXPECT_EQ(FindAsset(path), nullptr) << path;
  }
}

TEST(Assets, EveryOneIsFoundAndInflates) {
  EXPECT_TRUE(std::ranges::is_sorted(Assets(), {}, &Asset::path));
  for (const Asset& asset : Assets()) {
    EXPECT_EQ(FindAsset(asset.path), &asset);
    EXPECT_FALSE(Inflated(asset).empty()) << asset.path;
    EXPECT_EQ(asset.immutable, asset.path.starts_with("/assets/")) << asset.path;
    EXPECT_EQ(asset.etag.size(), 34u);
  }
}

TEST(Assets, IndexLoadsOnlyWhatIsHere) {
  const std::string page = Inflated(*FindAsset("/"));
  for (const char* attribute : {"src=\"", "href=\""}) {
    for (size_t at = page.find(attribute); at != std::string::npos; at = page.find(attribute, at + 1)) {
      const size_t begin = at + std::string_view(attribute).size();
      std::string path = page.substr(begin, page.find('"', begin) - begin);
      if (path.starts_with("./")) path.erase(0, 1);
      EXPECT_NE(FindAsset(path), nullptr) << path;
    }
  }
  // The policy forbids both.
  EXPECT_EQ(page.find("style="), std::string::npos);
  EXPECT_EQ(page.find("<style"), std::string::npos);
}

TEST(AcceptsGzip, AsTheHeaderSays) {
  for (const std::string header : {"gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8", "GZIP", "*", "deflate , x-gzip",
                                   "identity;q=0, *;q=0.1", "gzip;q=0.001"}) {
    EXPECT_TRUE(AcceptsGzip(&header)) << header;
  }
  for (const std::string header :
       {"", "identity", "br", "gzip;q=0", "gzip; q=0.0", "*;q=0", "*, gzip;q=0", "gzipped"}) {
    EXPECT_FALSE(AcceptsGzip(&header)) << header;
  }
  EXPECT_FALSE(AcceptsGzip(nullptr));
}

TEST(AssetResponse, CompressedOnlyForWhoAsks) {
  const Asset& index = *FindAsset("/");
  const HttpResponse compressed = AssetResponse(index, AssetRequest({{"accept-encoding", "gzip, br"}}));
  EXPECT_EQ(compressed.status, 200);
  EXPECT_EQ(HeaderOf(compressed, "Content-Encoding"), "gzip");
  EXPECT_EQ(compressed.body, index.gzip);

  const HttpResponse plain = AssetResponse(index, AssetRequest({}));
  EXPECT_EQ(HeaderOf(plain, "Content-Encoding"), "");
  EXPECT_EQ(plain.body, Inflated(index));
  EXPECT_EQ(HeaderOf(plain, "Vary"), "Accept-Encoding");
}

TEST(AssetResponse, UnchangedIs304) {
  const Asset& index = *FindAsset("/");
  const std::string etag(index.etag);
  for (const std::string& header : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    const HttpResponse response = AssetResponse(index, AssetRequest({{"If-None-Match", header}}));
    EXPECT_EQ(response.status, 304) << header;
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(HeaderOf(response, "ETag"), etag);
  }
  EXPECT_EQ(AssetResponse(index, AssetRequest({{"If-None-Match", "\"other\""}})).status, 200);
}

TEST(AssetResponse, PolicyAllowsNothingInline) {
  const HttpResponse response = AssetResponse(*FindAsset("/"), AssetRequest({}));
  const std::string policy = HeaderOf(response, "Content-Security-Policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(policy.find("script-src 'self';"), std::string::npos);
  EXPECT_NE(policy.find("style-src 'self';"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(HeaderOf(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(HeaderOf(response, "Referrer-Policy"), "no-referrer");
}

TEST(AssetResponse, OnlyHashedNamesAreKeptForever) {
  for (const Asset& asset : Assets()) {
    const std::string cache = HeaderOf(AssetResponse(asset, AssetRequest({})), "Cache-Control");
    EXPECT_EQ(cache.find("immutable") != std::string::npos, asset.immutable) << asset.path;
    EXPECT_EQ(cache.find("no-cache") != std::string::npos, !asset.immutable) << asset.path;
  }
}

}  // namespace
}  // namespace fathom
