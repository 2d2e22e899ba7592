// kv_row.h - how rows of the caches are stored: as the quantised values they are.
//
// A KV row (window or compressed) of d values with r rotary ones:
//   kQuantized    d-r E4M3 codes, (d-r)/64 E8M0 scales, r BF16 values, padded to a multiple of 8 bytes.
//                 For V4 (d 512, r 64): 448 + 7 + 128 = 583, 584 stored.
//   kQuantizedF32 the same with the rotary part in float32: what the reference calls `f32`.
//   kF32          d floats: precision `exact`.
// An indexer row of di values: di/2 bytes of E2M1 nibbles (low first), di/32 E8M0 scales; or di floats in kF32.
#ifndef FATHOM_KERNELS_KV_ROW_H_
#define FATHOM_KERNELS_KV_ROW_H_

#include <cstdint>

namespace fathom {

enum class RowFormat : uint8_t { kQuantized, kQuantizedF32, kF32 };

struct KvRowLayout {
  RowFormat format = RowFormat::kQuantized;
  int64_t dim = 0;       // d
  int64_t rope_dim = 0;  // r

  int64_t nope_dim() const { return dim - rope_dim; }
  int64_t scales_at() const { return nope_dim(); }
  int64_t rope_at() const { return nope_dim() + nope_dim() / 64; }
  int64_t bytes() const {
    if (format == RowFormat::kF32) return dim * 4;
    const int64_t rope_bytes = rope_dim * (format == RowFormat::kQuantized ? 2 : 4);
    return (rope_at() + rope_bytes + 7) / 8 * 8;
  }
};

struct IndexRowLayout {
  RowFormat format = RowFormat::kQuantized;
  int64_t dim = 0;  // di

  int64_t scales_at() const { return dim / 2; }
  int64_t bytes() const { return format == RowFormat::kF32 ? dim * 4 : (dim / 2 + dim / 32 + 3) / 4 * 4; }
};

// row [d] floats after rotation -> stored bytes; quantises the first d-r values with Q8_64 (section 6).
void EncodeKvRow(const KvRowLayout& layout, const float* row, uint8_t* out);
// Stored bytes -> [d] floats.
void DecodeKvRow(const KvRowLayout& layout, const uint8_t* stored, float* row);
// row [di] floats after Hadamard -> stored bytes (Q4).
void EncodeIndexRow(const IndexRowLayout& layout, const float* row, uint8_t* out);
void DecodeIndexRow(const IndexRowLayout& layout, const uint8_t* stored, float* row);

}  // namespace fathom

#endif  // FATHOM_KERNELS_KV_ROW_H_
