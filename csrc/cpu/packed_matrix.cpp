#include "cpu/packed_matrix.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "cpu/pool.h"

namespace pycap {

constexpr size_t kAlignment = 64;

template <class T>
PackedMatrix<T>::PackedMatrix(size_t columns, size_t depth) : columns_(columns), depth_(depth) {
  // calloc: large blocks come from the system as zeros, a page at a time by the thread that fills it
  own(std::calloc(bytes() + kAlignment, 1));
}

template <class T>
PackedMatrix<T> PackedMatrix<T>::unfilled(size_t columns, size_t depth) {
  PackedMatrix result;
  result.columns_ = columns;
  result.depth_ = depth;
  result.own(std::malloc(result.bytes() + kAlignment));
  constexpr size_t width = kPanelColumns<T>;
  const size_t used = columns % width;
  T* last = result.data_ + columns / width * depth * width;
  for (size_t d = 0; used > 0 && d < depth; ++d) std::fill_n(last + d * width + used, width - used, T(0));
  return result;
}

template <class T>
void PackedMatrix<T>::own(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  memory_ = memory;
  const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  data_ = reinterpret_cast<T*>((address + kAlignment - 1) / kAlignment * kAlignment);
}

template <class T>
PackedMatrix<T>::PackedMatrix(const T* weight, size_t columns, size_t depth)
    : PackedMatrix(unfilled(columns, depth)) {
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
  const size_t whole = columns_ / width * width;
  for (size_t column = 0; column < whole; column += width)  // of a size the compiler knows: no calls
    std::memcpy(data_ + column * depth_ + depth * width, source + column, kPanelBytes);
  std::copy_n(source + whole, columns_ - whole, data_ + whole * depth_ + depth * width);
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace pycap
