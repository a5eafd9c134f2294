// One allocation for all working memory of a call: plan every array, then commit.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace pycap {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { ::operator delete(memory_, kAlignment); }

  // Let `pointer` have `count` elements, uninitialised, 64-byte aligned, once commit() is called.
  template <class T>
  void plan(T*& pointer, size_t count) {
    places_.push_back({reinterpret_cast<void**>(&pointer), size_});
    size_ += (count * sizeof(T) + 63) / 64 * 64;
  }

  void commit() {
    memory_ = static_cast<char*>(::operator new(size_ + 64, kAlignment));
    for (const Place& place : places_) *place.pointer = memory_ + place.offset;
  }

 private:
  struct Place {
    void** pointer;
    size_t offset;
  };
  static constexpr std::align_val_t kAlignment{64};

  std::vector<Place> places_;
  size_t size_ = 0;
  char* memory_ = nullptr;
};

}  // namespace pycap
