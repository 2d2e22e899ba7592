// synthetic_model.h - a tiny random checkpoint for tests that run the program.
#ifndef FATHOM_TESTS_APPS_SYNTHETIC_MODEL_H_
#define FATHOM_TESTS_APPS_SYNTHETIC_MODEL_H_

#include <gtest/gtest.h>

#include <string>

#include "checkpoint/synth.h"
#include "tests/support/run_binary.h"
#include "tokenizer/synthetic_tokenizer.h"

namespace fathom {

// Written once per test process, removed at its end.
inline const std::string& SyntheticModelDirectory() {
  static const TemporaryDirectory parent;
  static const std::string directory = [] {
    SynthOptions options;
    Result<CheckpointConfig> config = SyntheticShape("tiny");
    EXPECT_TRUE(config.ok()) << config.status().message();
    options.config = *config;
    auto files = SyntheticTokenizerFiles(options.config.model.vocab_size);
    EXPECT_TRUE(files.ok()) << files.status().message();
    options.extra_files = *files;
    const Status written = WriteSyntheticCheckpoint(parent / "tiny", options);
    EXPECT_TRUE(written.ok()) << written.message();
    return parent / "tiny";
  }();
  return directory;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_APPS_SYNTHETIC_MODEL_H_
