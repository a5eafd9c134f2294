// A weight matrix rearranged into panels that the GEMM micro-kernels read front to back.
#pragma once

#include <cstddef>

namespace pycap {

constexpr size_t kPanelBytes = 128;  // of one depth step: 32 floats or 16 doubles, the same on every ISA
template <class T>
constexpr size_t kPanelColumns = kPanelBytes / sizeof(T);

constexpr size_t count_panels(size_t columns, size_t panel_columns) {
  return (columns + panel_columns - 1) / panel_columns;
}

// What kernels see: panel p holds columns [p, p + 1) * kPanelColumns as (depth, kPanelColumns), zero padded.
template <class T>
struct PackedView {
  const T* data;
  size_t columns;  // outputs, n
  size_t depth;    // inputs, k
};

// Owns the panels of one (columns, depth) matrix, stacked from any number of blocks.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(size_t columns, size_t depth);                   // all zero, to be filled by blocks
  static PackedMatrix unfilled(size_t columns, size_t depth);   // no values yet, but for the padding's zeros
  PackedMatrix(const T* weight, size_t columns, size_t depth);  // from a contiguous torch Linear weight
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&& other) noexcept;
  PackedMatrix& operator=(PackedMatrix&& other) noexcept;
  PackedMatrix(const PackedMatrix&) = delete;
  PackedMatrix& operator=(const PackedMatrix&) = delete;

  // Write a block at (column_begin, depth_begin); element (c, d) is source[c * column_stride + d *
  // depth_stride].
  void fill(const T* source, size_t columns, size_t depth, size_t column_stride, size_t depth_stride,
            size_t column_begin = 0, size_t depth_begin = 0);

  // Write all columns at one depth step.
  void fill_row(size_t depth, const T* source);

  size_t columns() const { return columns_; }
  size_t depth() const { return depth_; }
  size_t panels() const { return count_panels(columns_, kPanelColumns<T>); }
  PackedView<T> view() const { return {data_, columns_, depth_}; }

 private:
  void own(void* memory);  // `bytes` and room to align them
  size_t bytes() const { return panels() * depth_ * kPanelBytes; }

  void* memory_ = nullptr;
  T* data_ = nullptr;  // (panels, depth, kPanelColumns), 64-byte aligned in `memory_`
  size_t columns_ = 0;
  size_t depth_ = 0;
};

}  // namespace pycap
