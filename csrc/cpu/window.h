// The middle of a picture as if it were the whole, cut from a blocked map of it and read bilinearly
// (pycap/window.py).
#pragma once

#include <cstddef>
#include <vector>

#include "cpu/blocked.h"

namespace pycap {

class Window {
 public:
  Window() = default;
  Window(size_t map_side, double side);  // side: of the window, as a share of the map's

  // Rows [begin, end) of a map (map_side * map_side, blocks * 16) into another one.
  void zoom(const float* source, float* target, size_t blocks, size_t begin, size_t end) const;

 private:
  struct Place {  // between two rows or columns of the source
    size_t before, behind;
    float share;  // of the one behind
  };
  std::vector<Place> places_;  // of the target's rows, and as well of its columns
};

}  // namespace pycap
