#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "base/strings.h"
#include "checkpoint/safetensors_writer.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// A file with this header text and this many zero bytes of data.
std::string FileBytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\0');
}

class Safetensors : public ::testing::Test {
 protected:
  std::string path() const { return directory_ / "x.safetensors"; }

  // The error of opening a file with these bytes, without "<path>: ".
  std::string ErrorOf(const std::string& bytes) {
    WriteTestFile(path(), bytes);
    const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
    if (file.ok()) return "opened";
    EXPECT_EQ(file.status().exit_code(), 2);
    const std::string prefix = path() + ": ";
    EXPECT_TRUE(file.status().message().starts_with(prefix)) << file.status().message();
    return file.status().message().substr(prefix.size());
  }
  std::string HeaderError(const std::string& header, size_t data_bytes = 64) {
    return ErrorOf(FileBytes(header, data_bytes));
  }

  TemporaryDirectory directory_;
};

TEST_F(Safetensors, WriterAndReaderAgree) {
  auto writer = SafetensorsWriter::Create(path(),
                                          {{"a \"b\" \xC3\xA9", TensorType::kF32, {2, 3}},
                                           {"scalar", TensorType::kI64, {}},
                                           {"hole", TensorType::kF8E4m3, {4}},
                                           {"none", TensorType::kBf16, {0, 7}}},
                                          {{"format", "pt"}, {"by", "test"}});
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  const float values[6] = {1, 2, 3, 4, 5, 6};
  const auto* raw = reinterpret_cast<const uint8_t*>(values);
  ASSERT_TRUE((*writer)->Write(0, 12, {raw + 12, 12}).ok());
  ASSERT_TRUE((*writer)->Write(0, 0, {raw, 12}).ok());
  const int64_t scalar = -7;
  ASSERT_TRUE((*writer)->Write(1, 0, {reinterpret_cast<const uint8_t*>(&scalar), 8}).ok());
  ASSERT_FALSE(FileExists(path()));
  ASSERT_TRUE((*writer)->Finish().ok());

  const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->bytes().size(), (*writer)->file_bytes());
  EXPECT_EQ(file->metadata()[1].second, "test");
  const TensorInfo* a = file->Find("a \"b\" \xC3\xA9");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->type, TensorType::kF32);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(a->bytes.data(), values, sizeof values), 0);
  EXPECT_EQ((a->bytes.data() - file->bytes().data()) % 8, 0);
  EXPECT_EQ(file->Find("scalar")->elements(), 1);
  EXPECT_EQ(std::memcmp(file->Find("scalar")->bytes.data(), &scalar, 8), 0);
  EXPECT_EQ(std::string(file->Find("hole")->bytes.begin(), file->Find("hole")->bytes.end()), std::string(4, '\0'));
  EXPECT_EQ(file->Find("none")->elements(), 0);
  EXPECT_EQ(file->Find("absent"), nullptr);
}

TEST_F(Safetensors, UnfinishedWriterLeavesNothing) {
  {
    auto writer = SafetensorsWriter::Create(path(), {{"a", TensorType::kF32, {1000}}});
    ASSERT_TRUE(writer.ok());
    EXPECT_TRUE(FileExists(path() + ".tmp"));
  }
  EXPECT_FALSE(FileExists(path() + ".tmp"));
  EXPECT_FALSE(FileExists(path()));
}

TEST_F(Safetensors, HugeFilesWithoutDataOpen) {
  auto writer = SafetensorsWriter::Create(path(), {{"big", TensorType::kI8, {1 << 20, 1 << 15}}});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  struct stat info = {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_LT(info.st_blocks, 64);
  const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->Find("big")->bytes.size(), size_t{1} << 35);
}

TEST_F(Safetensors, MovedFileKeepsItsTensors) {
  WriteTestFile(path(), FileBytes(R"({"ab":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
  Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok());
  const TensorInfo* before = file->Find("ab");
  const SafetensorsFile moved = std::move(*file);
  EXPECT_EQ(moved.Find("ab"), before);
}

TEST_F(Safetensors, TypesHaveNamesAndSizes) {
  for (const char* name : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I16", "U16", "F16", "BF16", "I32",
                           "U32", "F32", "I64", "U64", "F64"}) {
    EXPECT_EQ(TensorTypeName(ParseTensorType(name)), name);
    EXPECT_GT(TensorTypeBytes(ParseTensorType(name)), 0) << name;
  }
  EXPECT_EQ(ParseTensorType("F4"), TensorType::kUnknown);
  EXPECT_EQ(TensorTypeBytes(TensorType::kUnknown), 0);
}

TEST_F(Safetensors, UnknownTypeOpensAndKeepsItsName) {
  WriteTestFile(path(), FileBytes(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2));
  const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->Find("a")->type, TensorType::kUnknown);
  EXPECT_EQ(file->Find("a")->type_name, "F4");
}

TEST_F(Safetensors, FieldsWithoutMeaningAreIgnored) {
  WriteTestFile(path(), FileBytes(R"({"a":{"x":[{"y":[1,-2]},null],"dtype":"U8","z":{"shape":1},"shape":[4],)"
                                  R"("w":true,"data_offsets":[0,4]}}   )",
                                  4));
  const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->Find("a")->bytes.size(), 4u);
}

TEST_F(Safetensors, FilesThatAreNone) {
  EXPECT_EQ(ErrorOf(""), "is 0 bytes long; a safetensors file has at least 8");
  EXPECT_EQ(ErrorOf("1234567"), "is 7 bytes long; a safetensors file has at least 8");
  EXPECT_EQ(ErrorOf(std::string("\x05\0\0\0\0\0\0\0{}", 10)),
            "says its header is 5 bytes long, but only 2 bytes follow (truncated, or no safetensors file)");
  EXPECT_EQ(ErrorOf(std::string(8, '\xFF') + "{}"),
            "says its header is 18446744073709551615 bytes long, but only 2 bytes follow (truncated, or no safetensors "
            "file)");
  EXPECT_EQ(HeaderError("not json"), "the header is malformed JSON at byte 1: Invalid value.");
  EXPECT_EQ(HeaderError("{\"a\":{\"dtype\":\"U8\""),
            "the header is malformed JSON at byte 18: Missing a comma or '}' after an object member.");
  EXPECT_EQ(HeaderError("{} {}"),
            "the header is malformed JSON at byte 3: The document root must not be followed by other values.");
  EXPECT_EQ(HeaderError(""), "the header is malformed JSON at byte 0: The document is empty.");
  EXPECT_EQ(HeaderError("[1]"), "the header is an array; an object is expected");
  EXPECT_EQ(HeaderError("7"), "the header is a number; an object is expected");
  EXPECT_NE(HeaderError("{\"\xFF\":1}"), "opened");
  EXPECT_NE(HeaderError(std::string(100000, '[')), "opened");
}

TEST_F(Safetensors, MissingFileIsNamed) {
  const Result<SafetensorsFile> file = SafetensorsFile::Open(directory_ / "absent.safetensors");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), ErrorCode::kNotFound);
  EXPECT_NE(file.status().message().find("absent.safetensors"), std::string::npos);
}

TEST_F(Safetensors, HeaderAboveTheLimitIsRefused) {
  // 300 MB of hole after the length: the limit is checked before anything is read.
  const uint64_t length = 300u << 20;
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  WriteTestFile(path(), bytes);
  ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(length + 8)), 0);
  const Result<SafetensorsFile> file = SafetensorsFile::Open(path());
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.status().message().find("at most 268435456 are accepted"), std::string::npos);
}

struct BadEntry {
  const char* entry;
  const char* error;
};

TEST_F(Safetensors, BadEntriesNameTensorFoundAndExpected) {
  const BadEntry cases[] = {
      {R"(5)", "tensor 'a' is a number; an object is expected"},
      {R"([1])", "tensor 'a' is an array; an object is expected"},
      {R"(null)", "tensor 'a' is null; an object is expected"},
      {R"({})", "tensor 'a' has no dtype"},
      {R"({"dtype":"U8","data_offsets":[0,4]})", "tensor 'a' has no shape"},
      {R"({"dtype":"U8","shape":[4]})", "tensor 'a' has no data_offsets"},
      {R"({"dtype":8,"shape":[4],"data_offsets":[0,4]})", "tensor 'a': dtype is a number; a string is expected"},
      {R"({"dtype":["U8"],"shape":[4],"data_offsets":[0,4]})", "tensor 'a': dtype is an array; a string is expected"},
      {R"({"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]})", "tensor 'a' has dtype twice"},
      {R"({"dtype":"U8","shape":4,"data_offsets":[0,4]})",
       "tensor 'a': shape is a number; an array of whole numbers is expected"},
      {R"({"dtype":"U8","shape":"4","data_offsets":[0,4]})",
       "tensor 'a': shape is a string; an array of whole numbers is expected"},
      {R"({"dtype":"U8","shape":[2,-2],"data_offsets":[0,4]})",
       "tensor 'a': shape[1] is a negative number; a whole number that is not negative is expected"},
      {R"({"dtype":"U8","shape":[4.5],"data_offsets":[0,4]})",
       "tensor 'a': shape[0] is a number that is not a whole number below 2^64; a whole number that is not negative is "
       "expected"},
      {R"({"dtype":"U8","shape":[[4]],"data_offsets":[0,4]})",
       "tensor 'a': shape[0] is an array; a whole number that is not negative is expected"},
      {R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]})",
       "tensor 'a': shape is too large: its sizes multiply to more than 2^63"},
      {R"({"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]})",
       "tensor 'a': shape is too large: its sizes multiply to more than 2^63"},
      {R"({"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]})",
       "tensor 'a': data_offsets span 0 bytes, but F64 of shape [2305843009213693952] needs more than 2^64"},
      {R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]})",
       "tensor 'a': shape has more than 16 entries"},
      {R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,8]})",
       "tensor 'a': data_offsets has 3 entries; 2 are expected"},
      {R"({"dtype":"U8","shape":[4],"data_offsets":[-1,3]})",
       "tensor 'a': data_offsets[0] is a negative number; a whole number that is not negative is expected"},
      {R"({"dtype":"U8","shape":[4],"data_offsets":[8,4]})",
       "tensor 'a': data_offsets begin at 8 and end at 4; the end must not be below the begin"},
      {R"({"dtype":"U8","shape":[4],"data_offsets":[62,66]})",
       "tensor 'a': data_offsets end at 66, but the file holds only 64 bytes of tensor data (truncated?)"},
      {R"({"dtype":"U8","shape":[4],"data_offsets":[18446744073709551612,18446744073709551615]})",
       "tensor 'a': data_offsets end at 18446744073709551615, but the file holds only 64 bytes of tensor data "
       "(truncated?)"},
      {R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,8]})",
       "tensor 'a': data_offsets span 8 bytes, but F32 of shape [2, 2] needs 16"},
  };
  for (const BadEntry& bad : cases) {
    EXPECT_EQ(HeaderError(StrCat("{\"a\":", bad.entry, "}")), bad.error) << bad.entry;
  }
}

TEST_F(Safetensors, EntriesThatContradictEachOther) {
  EXPECT_EQ(HeaderError(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                        R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})"),
            "tensor 'a' is listed twice");
  EXPECT_EQ(HeaderError(R"({"b":{"dtype":"U8","shape":[4],"data_offsets":[7,11]},)"
                        R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})"),
            "tensor 'b' at bytes 7 to 11 overlaps tensor 'a' at 0 to 8");
  EXPECT_EQ(HeaderError(R"({"__metadata__":{"x":1}})"), "__metadata__ entry 'x' is a number; a string is expected");
  EXPECT_EQ(HeaderError(R"({"__metadata__":{"x":{"y":"z"}}})"),
            "__metadata__ entry 'x' is an object; a string is expected");
  EXPECT_EQ(HeaderError(R"({"__metadata__":["x"]})"), "__metadata__ is an array; an object of strings is expected");
}

TEST_F(Safetensors, EveryTruncationIsAnErrorAndNotAFault) {
  const std::string whole = FileBytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                                      12);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_NE(ErrorOf(whole.substr(0, size)), "opened") << size;
  EXPECT_EQ(ErrorOf(whole), "opened");
}

TEST_F(Safetensors, GoldenUnitsOpen) {
  const std::string units = std::string(FATHOM_SHARED_DIR) + "/reference/golden/units/units.safetensors";
  if (!FileExists(units)) GTEST_SKIP() << units << " is not here";
  const Result<SafetensorsFile> file = SafetensorsFile::Open(units);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const TensorInfo* x = file->Find("quant.x");
  ASSERT_NE(x, nullptr);
  EXPECT_EQ(x->shape, (std::vector<int64_t>{12, 256}));
  EXPECT_EQ(file->Find("fp8.scale")->type, TensorType::kF8E8m0);
}

}  // namespace
}  // namespace fathom
