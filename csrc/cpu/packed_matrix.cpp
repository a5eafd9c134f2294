#include "cpu/packed_matrix.h"

#include <algorithm>
#include <new>
#include <utility>

#include "cpu/pool.h"

namespace pycap {

constexpr std::align_val_t kAlignment{64};

template <class T>
PackedMatrix<T>::PackedMatrix(size_t columns, size_t depth) : columns_(columns), depth_(depth) {
  size_t count = panels() * depth * kPanelColumns<T>;
  data_ = static_cast<T*>(::operator new(std::max<size_t>(count, 1) * sizeof(T), kAlignment));
  std::fill_n(data_, count, T(0));
}

template <class T>
PackedMatrix<T>::PackedMatrix(const T* weight, size_t columns, size_t depth) : PackedMatrix(columns, depth) {
  fill(weight, columns, depth, depth, 1);
}

template <class T>
PackedMatrix<T>::~PackedMatrix() {
  ::operator delete(data_, kAlignment);
}

template <class T>
PackedMatrix<T>::PackedMatrix(PackedMatrix&& other) noexcept {
  *this = std::move(other);
}

template <class T>
PackedMatrix<T>& PackedMatrix<T>::operator=(PackedMatrix&& other) noexcept {
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
    for (size_t d = 0; d < depth; ++d, target += width)
      for (size_t column = begin; column < end; ++column)
        target[column % width] = source[(column - column_begin) * column_stride + d * depth_stride];
  });
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace pycap
