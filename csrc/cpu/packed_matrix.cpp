#include "cpu/packed_matrix.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "cpu/pool.h"

namespace pycap {

constexpr size_t kAlignment = 64;

template <class T>
PackedMatrix<T>::PackedMatrix(size_t columns, size_t depth) : columns_(columns), depth_(depth) {
  // calloc: large blocks come from the system as zeros, a page at a time by the thread that fills it
  memory_ = std::calloc(panels() * depth * kPanelColumns<T> * sizeof(T) + kAlignment, 1);
  if (memory_ == nullptr) throw std::bad_alloc();
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory_);
  data_ = reinterpret_cast<T*>((address + kAlignment - 1) / kAlignment * kAlignment);
}

template <class T>
PackedMatrix<T>::PackedMatrix(const T* weight, size_t columns, size_t depth) : PackedMatrix(columns, depth) {
  fill(weight, columns, depth, depth, 1);
}

template <class T>
PackedMatrix<T>::~PackedMatrix() {
  std::free(memory_);
}

template <class T>
PackedMatrix<T>::PackedMatrix(PackedMatrix&& other) noexcept {
  *this = std::move(other);
}

template <class T>
PackedMatrix<T>& PackedMatrix<T>::operator=(PackedMatrix&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(data_, other.data_);
  std::swap(columns_, other.columns_);
  std::swap(depth_, other.depth_);
  return *this;
}

template <class T>
void PackedMatrix<T>::fill(const T* source, size_t columns, size_t depth, size_t column_stride,
                           size_t depth_stride, size_t column_begin, size_t depth_begin) {
  constexpr size_t width = kPanelColumns<T>;
  size_t first = column_begin / width;
  size_t count = count_panels(column_begin + columns, width) - first;
  parallel_for(count, [&](size_t task) {
    size_t panel = first + task;
    size_t begin = std::max(panel * width, column_begin);
    size_t end = std::min((panel + 1) * width, column_begin + columns);
    T* target = data_ + (panel * depth_ + depth_begin) * width;
    if (column_stride == 1) {
      for (size_t d = 0; d < depth; ++d)
        std::copy_n(source + begin - column_begin + d * depth_stride, end - begin,
                    target + d * width + begin % width);
      return;
    }
    constexpr size_t line = 64 / sizeof(T);  // a cache line of a column at a time
    for (size_t d = 0; d < depth; d += line)
      for (size_t column = begin; column < end; ++column) {
        const T* from = source + (column - column_begin) * column_stride + d * depth_stride;
        T* to = target + d * width + column % width;
        for (size_t i = 0; i < std::min(line, depth - d); ++i) to[i * width] = from[i * depth_stride];
      }
  });
}

template <class T>
void PackedMatrix<T>::fill_row(size_t depth, const T* source) {
  constexpr size_t width = kPanelColumns<T>;
  for (size_t column = 0; column < columns_; column += width)
    std::copy_n(source + column, std::min(width, columns_ - column), data_ + column * depth_ + depth * width);
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace pycap
