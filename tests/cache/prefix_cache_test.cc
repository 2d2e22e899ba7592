#include "cache/prefix_cache.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/cache/prefix_fixture.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class PrefixCacheTest : public PrefixFixture {
 protected:
  void OpenOnDisk(int64_t disk_bytes = int64_t{1} << 30) { Open(OnDisk(disk_bytes)); }
};

TEST_F(PrefixCacheTest, AFollowUpContinuesFromTheEndOfTheAnswer) {
  Open();
  EXPECT_EQ(Hit(Range(0, 300)), 0);
  EXPECT_EQ(report_.miss, CacheMiss::kNoEntry);
  Keep(Range(0, 300));
  EXPECT_EQ(Hit(Range(0, 400)), 300);
  EXPECT_EQ(report_.source, CacheSource::kRam);
  EXPECT_EQ(report_.miss, CacheMiss::kDiverged);
  EXPECT_EQ(Hit(Range(0, 301)), 300);
  EXPECT_EQ(report_.miss, CacheMiss::kNothing);
}

TEST_F(PrefixCacheTest, APromptContinuesFromTheLastStateWithinWhatAgrees) {
  Open();
  Keep(Range(0, 500), {100, 256, 450});
  EXPECT_EQ(Hit(Range(0, 470) + Range(9000, 50)), 450);
  EXPECT_EQ(report_.common, 470);
  EXPECT_EQ(report_.miss, CacheMiss::kNoState);
  EXPECT_EQ(Hit(Range(0, 300) + Range(9000, 50)), 256);
  EXPECT_EQ(report_.common, 300);
  EXPECT_EQ(Hit(Range(0, 256) + Range(9000, 50)), 256);
  EXPECT_EQ(Hit(Range(0, 130) + Range(9000, 50)), 100);
  EXPECT_EQ(Hit(Range(0, 90) + Range(9000, 50)), 0);
  EXPECT_EQ(report_.common, 90);
  EXPECT_EQ(report_.miss, CacheMiss::kNoState);
  EXPECT_EQ(Hit(Range(0, 500)), 450) << "the last token has to be read";
}

TEST_F(PrefixCacheTest, ScopesNeverMeet) {
  Open();
  Keep(Range(0, 300), {}, "alice");
  EXPECT_EQ(Hit(Range(0, 400), "bob"), 0);
  EXPECT_EQ(report_.miss, CacheMiss::kNoEntry);
  EXPECT_EQ(Hit(Range(0, 400), "alice"), 300);
}

TEST_F(PrefixCacheTest, WhatSequencesShareIsThereOnce) {
  Open();
  Keep(Range(0, 1024) + Range(5000, 128));
  const int64_t one = cache_->bytes();
  Keep(Range(0, 1024) + Range(6000, 128));
  EXPECT_EQ(cache_->bytes() - one, layout_.state_bytes() + layout_.block_bytes()) << "a block and a state of its own";
  Keep(Range(0, 1024) + Range(6000, 128));
  EXPECT_EQ(cache_->points(), 2);
}

TEST_F(PrefixCacheTest, ASequenceThatGoesOnDoesNotChangeWhatIsKept) {
  Open();
  SequenceCache sequence = Keep(Range(0, 200));
  Read(Range(7000, 100), &sequence);  // in the half-full block that it shares
  EXPECT_EQ(Hit(Range(0, 260)), 200);
}

TEST_F(PrefixCacheTest, WhatSavesLeastGoesFirst) {
  Open();
  Keep(Range(0, 1000));
  Keep(Range(20000, 100));
  for (int uses = 0; uses < 3; ++uses) EXPECT_EQ(Hit(Range(0, 1100)), 1000);
  const int64_t all = cache_->bytes();
  cache_->ShrinkTo(all - 1);
  EXPECT_EQ(Hit(Range(20000, 200)), 0);
  EXPECT_EQ(Hit(Range(0, 1100)), 1000);
  EXPECT_EQ(cache_->stats().ram_evictions, 1);
  cache_->ShrinkTo(0);
  EXPECT_EQ(cache_->bytes(), 0);
  EXPECT_EQ(cache_->points(), 0);
  EXPECT_EQ(Hit(Range(0, 1100)), 0);
}

TEST_F(PrefixCacheTest, BlocksStayAsLongAsAPointNeedsThem) {
  Open();
  Keep(Range(0, 1000), {400});
  Keep(Range(0, 500) + Range(8000, 400));
  while (cache_->points() > 0) {
    cache_->ShrinkTo(cache_->bytes() - 1);
    for (const Tokens& prompt : {Range(0, 1100), Range(0, 500) + Range(8000, 600), Range(0, 420)}) Hit(prompt);
  }
  EXPECT_EQ(cache_->bytes(), 0);
}

TEST_F(PrefixCacheTest, OldUsesCountLessThanNewEntries) {
  Open();
  Keep(Range(0, 300));
  for (int uses = 0; uses < 20; ++uses) Hit(Range(0, 400));
  const int64_t budget = 4 * cache_->bytes();
  for (int32_t conversation = 1; conversation < 200; ++conversation) {
    Keep(Range(conversation * 1000, 300));
    cache_->ShrinkTo(budget);
    EXPECT_EQ(Hit(Range(conversation * 1000, 400)), 300) << "the newest must not go at once";
  }
  EXPECT_EQ(Hit(Range(0, 400)), 0);
}

// ---- disk

TEST_F(PrefixCacheTest, ARestartFindsEverythingAgain) {
  OpenOnDisk();
  Keep(Range(0, 700), {128, 333}, "a");
  Keep(Range(0, 512) + Range(9000, 10), {}, "a");
  Keep(Range(0, 70), {}, "b");
  cache_->Flush();
  const int64_t bytes = cache_->stats().disk_bytes;
  OpenOnDisk();
  EXPECT_EQ(cache_->bytes(), 0);
  EXPECT_EQ(cache_->points(), 5);
  EXPECT_EQ(cache_->stats().disk_bytes, bytes);
  EXPECT_EQ(Hit(Range(0, 800), "a"), 700);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  EXPECT_EQ(Hit(Range(0, 800), "a"), 700);
  EXPECT_EQ(report_.source, CacheSource::kRam);
  EXPECT_EQ(Hit(Range(0, 512) + Range(9000, 20), "a"), 522);
  EXPECT_EQ(Hit(Range(0, 340) + Range(1, 9), "a"), 333);
  EXPECT_EQ(Hit(Range(0, 200), "a"), 128);
  EXPECT_EQ(Hit(Range(0, 80), "b"), 70);
  EXPECT_EQ(Hit(Range(0, 80), "c"), 0);
}

TEST_F(PrefixCacheTest, WhatLeftRamComesBackFromDisk) {
  OpenOnDisk();
  Keep(Range(0, 700), {333});
  cache_->Flush();
  cache_->ShrinkTo(0);
  EXPECT_EQ(cache_->bytes(), 0);
  EXPECT_EQ(Hit(Range(0, 800)), 700);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  cache_->ShrinkTo(0);
  EXPECT_EQ(Hit(Range(0, 340) + Range(1, 9)), 333);
  Keep(Range(0, 800));
  cache_->Flush();
  cache_->ShrinkTo(0);
  EXPECT_EQ(Hit(Range(0, 900)), 800);
}

TEST_F(PrefixCacheTest, SharedBlocksAreOnDiskOnce) {
  OpenOnDisk();
  Keep(Range(0, 1280));
  Keep(Range(0, 1152) + Range(5000, 128));
  cache_->Flush();
  const auto blocks = std::ranges::count_if(
      Files(), [](const fs::path& path) { return path.filename().string().starts_with("block-"); });
  EXPECT_EQ(blocks, 11);
}

TEST_F(PrefixCacheTest, TheDiskHasABudget) {
  const int64_t one = layout_.state_bytes() + 3 * layout_.block_bytes() + 1000;
  OpenOnDisk(4 * one);
  for (int32_t conversation = 0; conversation < 40; ++conversation) {
    Keep(Range(conversation * 1000, 300));
    cache_->Flush();
  }
  Keep(Range(90000, 64));
  cache_->Flush();
  EXPECT_GT(cache_->stats().disk_evictions, 30);
  EXPECT_EQ(FileBytes(), cache_->stats().disk_bytes);
  EXPECT_LE(FileBytes(), 6 * one);
  OpenOnDisk(4 * one);
  EXPECT_EQ(Hit(Range(90000, 80)), 64);
}

TEST_F(PrefixCacheTest, AnotherModelsFilesAreLeftAlone) {
  OpenOnDisk();
  Keep(Range(0, 300));
  cache_->Flush();
  const size_t files = Files().size();
  Open(OnDisk(1 << 30, 8));
  EXPECT_EQ(Hit(Range(0, 400)), 0);
  EXPECT_EQ(Files().size(), files);
  OpenOnDisk();
  EXPECT_EQ(Hit(Range(0, 400)), 300);
}

TEST_F(PrefixCacheTest, ADirectoryBelongsToOneProcess) {
  OpenOnDisk();
  const auto second = PrefixCache::Open(layout_, {.directory = directory_, .disk_bytes = 1});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("in use by another process"), std::string::npos);
  const auto nowhere = PrefixCache::Open(layout_, {.directory = "/proc/nowhere", .disk_bytes = 1});
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.status().message().find("/proc/nowhere"), std::string::npos);
}

TEST_F(PrefixCacheTest, HalfWrittenFilesAreRemovedAndForeignOnesAreNot) {
  const std::string digits = "0123456789abcdef0123456789abcdef";
  const auto write = [&](const std::string& name, std::string_view text) {
    std::ofstream(directory_ + "/" + name) << text;
  };
  const std::string ours[] = {"state-" + digits + ".fkv.tmp", "state-" + digits + ".fkv", "block-" + digits + ".fkv"};
  write(ours[0], "half");
  write(ours[1], "FTHMPFX1 and nothing more");
  write(ours[2], "");  // as a power cut leaves it
  const std::string foreign[] = {"notes.txt", "state-0123.fkv", "state-0123.fkv.tmp", "block-" + digits + "0.fkv",
                                 "state-1" + digits.substr(1) + ".fkv"};
  for (const std::string& name : foreign) write(name, "mine");
  OpenOnDisk();
  for (const std::string& name : ours) EXPECT_FALSE(fs::exists(directory_ + "/" + name)) << name;
  for (const std::string& name : foreign) EXPECT_TRUE(fs::exists(directory_ + "/" + name)) << name;
}

// Whatever happens to a file, what is found is right or missing.
TEST_F(PrefixCacheTest, DamagedFilesAreNeverUsed) {
  OpenOnDisk();
  Keep(Range(0, 300), {200});
  cache_->Flush();
  cache_.reset();
  const fs::path saved = directory_ + "-saved";
  fs::copy(directory_, saved);
  for (const fs::path& file : Files()) {
    const auto size = static_cast<int64_t>(fs::file_size(file));
    for (int64_t at = 0; at < size; at += at < 700 ? 37 : size / 7 + 1) {
      for (const bool cut : {false, true}) {
        if (cut) {
          fs::resize_file(file, static_cast<uintmax_t>(at));
        } else {
          std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
          stream.seekg(at);
          const char byte = static_cast<char>(stream.get());
          stream.seekp(at);
          stream.put(static_cast<char>(byte ^ 0x10));
        }
        OpenOnDisk();
        const int64_t hit = Hit(Range(0, 400));
        EXPECT_TRUE(hit == 0 || hit == 200 || hit == 300) << file << " at " << at;
        Keep(Range(0, 300), {200});  // goes on as if it had never been there
        EXPECT_EQ(Hit(Range(0, 400)), 300);
        cache_.reset();
        fs::remove_all(directory_);
        fs::copy(saved, directory_);
      }
    }
  }
  fs::remove_all(saved);
}

TEST_F(PrefixCacheTest, AFileUnderAnothersNameIsNotTaken) {
  OpenOnDisk();
  Keep(Range(0, 128));
  Keep(Range(5000, 128));
  cache_->Flush();
  cache_->ShrinkTo(0);
  std::vector<fs::path> states;
  for (const fs::path& file : Files()) {
    if (file.filename().string().starts_with("state-")) states.push_back(file);
  }
  ASSERT_EQ(states.size(), 2U);
  fs::copy_file(states[0], states[1], fs::copy_options::overwrite_existing);
  EXPECT_EQ(Hit(Range(0, 200)) + Hit(Range(5000, 200)), 128) << "one of the two is gone";
  EXPECT_EQ(cache_->stats().damaged, 1);
}

// Lets nothing be opened: the process has as many descriptors as it may have.
class ScopedNoDescriptors {
 public:
  ScopedNoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~ScopedNoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  ScopedNoDescriptors(const ScopedNoDescriptors&) = delete;
  ScopedNoDescriptors& operator=(const ScopedNoDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(PrefixCacheTest, FilesThatCannotBeReadNowStay) {
  OpenOnDisk();
  Keep(Range(0, 300), {200});
  cache_->Flush();
  const int64_t bytes = cache_->stats().disk_bytes;
  OpenOnDisk();
  const std::vector<fs::path> files = Files();
  {
    const ScopedNoDescriptors none;
    EXPECT_EQ(Hit(Range(0, 400)), 0);
  }
  EXPECT_EQ(cache_->stats().damaged, 0);
  EXPECT_EQ(cache_->stats().disk_bytes, bytes) << "they still count";
  Keep(Range(0, 300), {200});  // was read again meanwhile
  EXPECT_EQ(Hit(Range(0, 400)), 300);
  cache_->Flush();
  EXPECT_EQ(Files(), files);
  OpenOnDisk();
  EXPECT_EQ(Hit(Range(0, 400)), 300);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
}

TEST_F(PrefixCacheTest, AFileThatCouldNotBeReadIsTriedAgain) {
  PrefixCacheOptions options = OnDisk();
  options.tier.retry_ns = 20'000'000;
  Open(options);
  Keep(Range(0, 300));
  cache_->Flush();
  Open(options);
  {
    const ScopedNoDescriptors none;
    const std::unique_ptr<PrefixCache::Loading> loading = cache_->Load("", Range(0, 400));
    ASSERT_NE(loading, nullptr);
    while (!loading->done()) cache_->Poll();
    EXPECT_TRUE(loading->failed());
  }
  std::this_thread::sleep_for(std::chrono::nanoseconds(2 * options.tier.retry_ns));
  EXPECT_EQ(Hit(Range(0, 400)), 300);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
}

// A socket cannot be opened as a file: it stands in for one that a disk does not give out for a while.
TEST_F(PrefixCacheTest, WhatContinuesFromAFileThatCannotBeReadAtTheStartStays) {
  OpenOnDisk();
  Keep(Range(0, 300));
  cache_->Flush();
  cache_.reset();
  const std::vector<fs::path> files = Files();
  ASSERT_EQ(files.size(), 3U);
  for (const fs::path& file : files) {
    const fs::path saved = file.string() + "-saved";
    fs::rename(file, saved);
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    ASSERT_LT(file.string().size(), sizeof address.sun_path);
    file.string().copy(address.sun_path, sizeof address.sun_path - 1);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    OpenOnDisk();
    EXPECT_EQ(Hit(Range(0, 400)), 0);
    EXPECT_EQ(cache_->stats().damaged, 0);
    cache_.reset();
    fs::remove(file);
    fs::rename(saved, file);
    EXPECT_EQ(Files(), files);
  }
  OpenOnDisk();
  EXPECT_EQ(Hit(Range(0, 400)), 300);
}

TEST_F(PrefixCacheTest, AFullDiskCostsNothingButTheDisk) {
  OpenOnDisk();
  Keep(Range(0, 300));
  cache_->Flush();
  {
    const ScopedFullDisk full(100);
    Keep(Range(5000, 300));
    cache_->Flush();
  }
  EXPECT_EQ(Hit(Range(5000, 400)), 300) << "from RAM";
  for (const auto& entry : fs::directory_iterator(directory_)) EXPECT_NE(entry.path().extension(), ".tmp");
  OpenOnDisk();
  EXPECT_EQ(Hit(Range(0, 400)), 300);
  EXPECT_EQ(Hit(Range(5000, 400)), 0);
}

TEST(PrefixFile, HeadsThatWereChangedAreRefused) {
  const PrefixFileHead head{PrefixFileKind::kPoint, 5, {1, 2}, {3, 4}, 130, {7, 8}, 0};
  const std::string payload = "payload";
  const std::string_view parts[] = {payload};
  const std::string file = EncodePrefixFileHead(head, parts) + payload;
  const auto decoded = DecodePrefixFileHead(file, static_cast<int64_t>(file.size()));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->tokens, head.tokens);
  EXPECT_EQ(decoded->key, head.key);
  const auto good = [&](std::string_view bytes) {
    const auto head_read = DecodePrefixFileHead(bytes, static_cast<int64_t>(bytes.size()));
    if (!head_read.ok()) return false;
    const std::string_view rest[] = {bytes.substr(bytes.size() - static_cast<size_t>(head_read->payload_bytes))};
    return CheckPrefixPayload(bytes, rest).ok();
  };
  EXPECT_TRUE(good(file));
  for (size_t at = 0; at < file.size(); ++at) {
    std::string changed = file;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(good(changed)) << at;
    EXPECT_FALSE(good(file.substr(0, at))) << at;
  }
}

}  // namespace
}  // namespace fathom
