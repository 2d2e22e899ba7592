// prefix_fixture.h - a prefix cache in a directory of its own, and sequences that stand in for a model's.
#ifndef FATHOM_TESTS_CACHE_PREFIX_FIXTURE_H_
#define FATHOM_TESTS_CACHE_PREFIX_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cache/prefix_cache.h"

namespace fathom {

using Tokens = std::vector<int32_t>;

inline Tokens Range(int32_t first, int64_t count) {
  Tokens tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}
inline Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A window layer and one of each compressed kind, small rows.
inline CacheLayout LayoutOfWindow(int64_t window) {
  return {
      {.format = RowFormat::kF32, .dim = 8, .rope_dim = 4}, {.format = RowFormat::kF32, .dim = 8}, window, {0, 4, 128}};
}

// Lets no file be larger than a few bytes: writes end as on a full disk.
class ScopedFullDisk {
 public:
  explicit ScopedFullDisk(rlim_t bytes = 2000) {  // more than the log of a test
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~ScopedFullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  ScopedFullDisk(const ScopedFullDisk&) = delete;
  ScopedFullDisk& operator=(const ScopedFullDisk&) = delete;

 private:
  rlimit before_{};
};

class PrefixFixture : public testing::Test {
 protected:
  PrefixFixture() {
    std::string name = (std::filesystem::temp_directory_path() / "fathom-prefix-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~PrefixFixture() override {
    cache_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open(const PrefixCacheOptions& options = {}) { OpenWith(layout_, options); }
  void OpenWith(const CacheLayout& layout, const PrefixCacheOptions& options) {
    cache_.reset();
    Result<std::unique_ptr<PrefixCache>> cache = PrefixCache::Open(layout, options);
    ASSERT_TRUE(cache.ok()) << cache.status().message();
    cache_ = std::move(*cache);
  }
  PrefixCacheOptions OnDisk(int64_t disk_bytes = int64_t{1} << 30, uint64_t model = 7) const {
    PrefixCacheOptions options = {.directory = directory_, .disk_bytes = disk_bytes};
    options.model_fingerprint = model;
    return options;
  }

  // Stands in for the model: what is written follows from the tokens up to there.
  virtual void Read(std::span<const int32_t> tokens, SequenceCache* cache) const {
    for (const int32_t token : tokens) {
      const int64_t position = cache->position();
      cache->PrepareAppend(1);
      auto* const state = reinterpret_cast<float*>(cache->ring_row(1, 0));  // a running sum: all of the past
      state[0] = state[0] * 0.5F + static_cast<float>(token);
      *reinterpret_cast<float*>(cache->ring_row(0, position)) = static_cast<float>(token);
      if (position % 4 == 3) *reinterpret_cast<float*>(cache->mutable_compressed_row(1, position / 4)) = state[0];
      if (position % 128 == 127) *reinterpret_cast<float*>(cache->mutable_compressed_row(2, position / 128)) = state[0];
      cache->Advance(1);
    }
  }

  // A sequence reads `tokens`; its states at `positions` and at its end are kept.
  SequenceCache Keep(const Tokens& tokens, const std::vector<int64_t>& positions = {}, std::string_view scope = "",
                     bool resumes = false) {
    SequenceCache sequence(layout_);
    std::vector<SequenceCache::Snapshot> snapshots;
    for (size_t at = 0; at < tokens.size(); ++at) {
      if (std::ranges::find(positions, static_cast<int64_t>(at)) != positions.end())
        snapshots.push_back(sequence.Save());
      Read(std::span(tokens).subspan(at, 1), &sequence);
    }
    snapshots.push_back(sequence.Save());
    cache_->Add(scope, tokens, &sequence, std::move(snapshots), resumes);
    return sequence;
  }

  // Where `prompt` would continue, after checking that the cache there goes on as if it had read the prompt itself.
  int64_t Hit(const Tokens& prompt, std::string_view scope = "") {
    PrefixCache::Match match = cache_->Find(scope, prompt);
    report_ = match.report;
    EXPECT_EQ(match.cache.has_value(), report_.hit > 0);
    if (!match.cache) return 0;
    EXPECT_EQ(match.cache->position(), report_.hit - report_.replayed);
    EXPECT_LT(report_.hit, static_cast<int64_t>(prompt.size()));
    SequenceCache fresh(layout_);
    Read(prompt, &fresh);
    Read(std::span(prompt).subspan(static_cast<size_t>(match.cache->position())), &*match.cache);
    // Bytes behind the last row of a block may differ: compare what can be read.
    EXPECT_EQ(fresh.Save().state, match.cache->Save().state);
    for (int64_t row = 0; row < fresh.position() / 4; ++row) {
      EXPECT_EQ(*reinterpret_cast<const float*>(fresh.compressed_row(1, row)),
                *reinterpret_cast<const float*>(match.cache->compressed_row(1, row)))
          << row;
    }
    return report_.hit;
  }

  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.path().extension() == ".fkv") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
  }
  int64_t FileBytes() const {
    int64_t bytes = 0;
    for (const auto& file : Files()) bytes += static_cast<int64_t>(std::filesystem::file_size(file));
    return bytes;
  }

  const CacheLayout layout_ = LayoutOfWindow(16);
  const int64_t block_ = layout_.block_bytes();
  const int64_t state_ = layout_.state_bytes();
  std::string directory_;
  std::unique_ptr<PrefixCache> cache_;
  CacheReport report_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_CACHE_PREFIX_FIXTURE_H_
