// view.h - row-major matrices of numbers owned by somebody else.
#ifndef FATHOM_BASE_VIEW_H_
#define FATHOM_BASE_VIEW_H_

#include <cstdint>
#include <span>
#include <type_traits>

#include "base/check.h"

namespace fathom {

// [rows, cols] with `stride` elements from one row to the next. Does not own; cheap to copy.
template <typename T>
struct MatView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  MatView() = default;
  MatView(T* data_in, int64_t rows_in, int64_t cols_in) : MatView(data_in, rows_in, cols_in, cols_in) {}
  MatView(T* data_in, int64_t rows_in, int64_t cols_in, int64_t stride_in)
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in) {}
  // A view of mutable elements is a view of constant ones.
  template <typename U>
  requires(std::is_const_v<T>&& std::is_same_v<U, std::remove_const_t<T>>)
      MatView(const MatView<U>& other)  // NOLINT(google-explicit-constructor)
      : MatView(other.data, other.rows, other.cols, other.stride) {}

  T* row(int64_t index) const {
    FATHOM_DCHECK(index >= 0 && index < rows);
    return data + index * stride;
  }
  std::span<T> row_span(int64_t index) const { return {row(index), static_cast<size_t>(cols)}; }
  // Rows [begin, begin + count).
  MatView Rows(int64_t begin, int64_t count) const {
    FATHOM_DCHECK(begin >= 0 && count >= 0 && begin + count <= rows);
    return {data + begin * stride, count, cols, stride};
  }
};

}  // namespace fathom

#endif  // FATHOM_BASE_VIEW_H_
