// A vector whose elements start on a cache line and have no value before they are given one.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace pycap {

template <class T>
struct AlignedAllocator {
  typedef T value_type;

  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}

  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kAlignment); }
  template <class U>
  void construct(U* place) {
    ::new (place) U;
  }

  bool operator==(const AlignedAllocator&) const { return true; }
  bool operator!=(const AlignedAllocator&) const { return false; }

 private:
  static constexpr std::align_val_t kAlignment{64};
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace pycap
