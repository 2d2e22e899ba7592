#include "server/http/http.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(HttpRequestTest, QueryValues) {
  HttpRequest request;
  request.query = "a=1&b=two%20words+more&flag&c=%zz";
  EXPECT_EQ(request.QueryValue("a"), "1");
  EXPECT_EQ(request.QueryValue("b"), "two words more");
  EXPECT_EQ(request.QueryValue("flag"), "");
  EXPECT_EQ(request.QueryValue("c"), "");
  EXPECT_EQ(request.QueryValue("d"), "");
}

}  // namespace
}  // namespace fathom
