#include "server/api/response_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

#include "base/strings.h"

namespace fathom {
namespace {

constexpr int64_t kStoreNow = 1'000;

StoredResponse Response(const std::string& id, std::shared_ptr<const StoredResponse> previous = nullptr,
                        size_t bytes = 10) {
  StoredResponse response;
  response.id = id;
  response.owner = "me";
  response.created = kStoreNow;
  response.input = R"([{"id":"msg_)" + id + R"("}])";
  response.response = StrCat("{\"id\":\"", id, "\",\"pad\":\"", std::string(bytes, '.'), "\"}");
  response.item_ids = {"msg_" + id};
  response.previous = std::move(previous);
  return response;
}

// Kept for ever as far as these tests go: the clock of the machine is far beyond kStoreNow.
constexpr int64_t kForever = int64_t{1} << 40;

std::unique_ptr<ResponseStore> OpenStore(ResponseStoreOptions options) {
  if (options.max_age_s == ResponseStoreOptions().max_age_s) options.max_age_s = kForever;
  Result<std::unique_ptr<ResponseStore>> store = ResponseStore::Open(options);
  EXPECT_TRUE(store.ok()) << store.status().message();
  return store.ok() ? std::move(*store) : nullptr;
}

// Waits until it is written.
bool PutNow(ResponseStore& store, StoredResponse response) {
  std::promise<bool> written;
  store.Put(std::move(response), [&](const Status& status) { written.set_value(status.ok()); });
  return written.get_future().get();
}

bool DeleteNow(ResponseStore& store, const std::string& id) {
  std::promise<void> written;
  if (!store.Delete("me", id, [&](const Status& status) {
        EXPECT_TRUE(status.ok()) << status.message();
        written.set_value();
      })) {
    return false;
  }
  written.get_future().get();
  return true;
}

bool Has(ResponseStore& store, const std::string& id) { return store.Find("me", id, kStoreNow) != nullptr; }

std::string ChainText(const std::shared_ptr<const StoredResponse>& last) {
  std::string text;
  for (const StoredResponse* part = last.get(); part != nullptr; part = part->previous.get()) text = part->id + text;
  return text;
}

TEST(ResponseStore, IsFoundByItsOwnerOnly) {
  const auto store = OpenStore({});
  EXPECT_TRUE(PutNow(*store, Response("a")));
  ASSERT_NE(store->Find("me", "a", kStoreNow), nullptr);
  EXPECT_EQ(store->Find("me", "a", kStoreNow)->response, Response("a").response);
  EXPECT_EQ(store->FindByItem("me", "msg_a", kStoreNow)->id, "a");
  EXPECT_EQ(store->Find("you", "a", kStoreNow), nullptr);
  EXPECT_EQ(store->FindByItem("you", "msg_a", kStoreNow), nullptr);
  EXPECT_FALSE(store->Delete("you", "a", [](const Status&) { ADD_FAILURE(); }));
  EXPECT_TRUE(DeleteNow(*store, "a"));
  EXPECT_FALSE(DeleteNow(*store, "a"));
  EXPECT_EQ(store->FindByItem("me", "msg_a", kStoreNow), nullptr);
  EXPECT_EQ(store->bytes(), 0);
}

TEST(ResponseStore, AConversationOutlivesItsDeletedParts) {
  const auto store = OpenStore({});
  PutNow(*store, Response("a"));
  PutNow(*store, Response("b", store->Find("me", "a", kStoreNow)));
  PutNow(*store, Response("c", store->Find("me", "b", kStoreNow)));
  DeleteNow(*store, "b");
  EXPECT_FALSE(Has(*store, "b"));
  EXPECT_EQ(ChainText(store->Find("me", "c", kStoreNow)), "abc");
  DeleteNow(*store, "a");
  DeleteNow(*store, "c");
  EXPECT_EQ(store->bytes(), 0);
}

TEST(ResponseStore, TheLeastRecentlyUsedGoesFirst) {
  const auto by_count = OpenStore({.max_count = 3});
  for (const char* id : {"a", "b", "c"}) PutNow(*by_count, Response(id));
  EXPECT_TRUE(Has(*by_count, "a"));
  PutNow(*by_count, Response("d"));
  EXPECT_FALSE(Has(*by_count, "b"));
  EXPECT_TRUE(Has(*by_count, "a"));
  const auto by_bytes = OpenStore({.max_bytes = 30'000});
  for (int i = 0; i < 100; ++i) {
    PutNow(*by_bytes, Response(std::to_string(i), nullptr, 2'000));
    EXPECT_LE(by_bytes->bytes(), 30'000);
  }
  EXPECT_TRUE(Has(*by_bytes, "99"));
  EXPECT_FALSE(Has(*by_bytes, "0"));
  EXPECT_FALSE(PutNow(*by_bytes, Response("huge", nullptr, 40'000)));
  EXPECT_FALSE(Has(*by_bytes, "huge"));
  EXPECT_TRUE(Has(*by_bytes, "99"));
}

TEST(ResponseStore, OldOnesAreNotFound) {
  const auto store = OpenStore({.max_age_s = 60});
  PutNow(*store, Response("a"));
  EXPECT_NE(store->Find("me", "a", kStoreNow + 60), nullptr);
  EXPECT_EQ(store->Find("me", "a", kStoreNow + 61), nullptr);
  EXPECT_EQ(store->bytes(), 0);
}

TEST(ResponseStore, ALongConversationIsFreedWithoutRecursion) {
  const auto store = OpenStore({.max_bytes = int64_t{1} << 30, .max_count = 1});
  std::shared_ptr<const StoredResponse> last;
  for (int i = 0; i < 200'000; ++i) {
    store->Put(Response(std::to_string(i), std::move(last)), [](const Status&) {});
    last = store->Find("me", std::to_string(i), kStoreNow);
  }
  last.reset();
  EXPECT_GT(store->bytes(), 0);
  DeleteNow(*store, "199999");
  EXPECT_EQ(store->bytes(), 0);
}

class ResponseFile : public testing::Test {
 protected:
  ResponseFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fathom-responses-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/responses";
  }
  ~ResponseFile() override { std::filesystem::remove_all(directory_); }

  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string directory_;
  std::string path_;
};

TEST_F(ResponseFile, ARestartKeepsConversationsAndDeletions) {
  {
    const auto store = OpenStore({.file = path_});
    PutNow(*store, Response("a"));
    PutNow(*store, Response("b", store->Find("me", "a", kStoreNow)));
    PutNow(*store, Response("secret"));
    DeleteNow(*store, "a");
    DeleteNow(*store, "secret");
  }
  for (int restart = 0; restart < 2; ++restart) {
    const auto store = OpenStore({.file = path_});
    EXPECT_FALSE(Has(*store, "a"));
    EXPECT_FALSE(Has(*store, "secret"));
    ASSERT_TRUE(Has(*store, "b"));
    EXPECT_EQ(ChainText(store->Find("me", "b", kStoreNow)), "ab");
    EXPECT_EQ(store->Find("me", "b", kStoreNow)->response, Response("b").response);
    EXPECT_EQ(store->FindByItem("me", "msg_b", kStoreNow)->input, Response("b").input);
  }
  EXPECT_EQ(Content().find("secret"), std::string::npos) << "what was deleted is still in the file";
}

TEST_F(ResponseFile, OldOnesLeaveTheFile) {
  {
    const auto store = OpenStore({.file = path_});
    PutNow(*store, Response("ancient"));
  }
  const auto store = OpenStore({.max_age_s = 60, .file = path_});
  EXPECT_EQ(store->count(), 0);
  EXPECT_EQ(Content().find("ancient"), std::string::npos);
}

TEST_F(ResponseFile, ATornEndIsCutOff) {
  {
    const auto store = OpenStore({.file = path_});
    for (const char* id : {"a", "b", "c"}) PutNow(*store, Response(id));
  }
  const std::string whole = Content();
  for (size_t size = whole.size() - 1; size > whole.size() - 100; size -= 7) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    const auto store = OpenStore({.file = path_});
    EXPECT_TRUE(Has(*store, "a"));
    EXPECT_TRUE(Has(*store, "b"));
    EXPECT_FALSE(Has(*store, "c"));
  }
}

TEST_F(ResponseFile, ADamagedResponseCostsNoOther) {
  {
    const auto store = OpenStore({.file = path_});
    for (const char* id : {"a", "b", "c"}) PutNow(*store, Response(id));
  }
  std::string bytes = Content();
  bytes[bytes.find("pad")] ^= 1;  // in the first one
  std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  for (int restart = 0; restart < 2; ++restart) {
    const auto store = OpenStore({.file = path_});
    EXPECT_FALSE(Has(*store, "a"));
    EXPECT_TRUE(Has(*store, "b"));
    EXPECT_TRUE(Has(*store, "c"));
  }
}

TEST_F(ResponseFile, StaysSmall) {
  const ResponseStoreOptions options = {.max_bytes = 400'000, .file = path_};
  {
    const auto store = OpenStore(options);
    for (int i = 0; i < 3'000; ++i) PutNow(*store, Response(std::to_string(i), nullptr, 2'000));
    EXPECT_LT(Content().size(), 2'000'000U);
  }
  const auto store = OpenStore(options);
  EXPECT_TRUE(Has(*store, "2999"));
  EXPECT_LE(store->bytes(), 400'000);
}

TEST_F(ResponseFile, WhatWasAnsweredOutlivesAKill) {
  for (int round = 0; round < 3; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto store = ResponseStore::Open({.max_age_s = kForever, .file = path_});
      if (!store.ok()) _exit(1);
      for (int i = 0; i < 200; ++i) PutNow(**store, Response(StrCat(round, "-", i)));
      if (write(pipe_ends[1], "x", 1) != 1) _exit(1);
      for (int i = 200;; ++i) (*store)->Put(Response(StrCat(round, "-", i)), [](const Status&) {});
    }
    char byte = 0;
    ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    const auto store = OpenStore({.max_count = 1'000'000, .file = path_});
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(Has(*store, StrCat(round, "-", i)));
  }
}

}  // namespace
}  // namespace fathom
