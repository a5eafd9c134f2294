#include "cpu/window.h"

#include <algorithm>

namespace pycap {

Window::Window(size_t map_side, double side) : places_(map_side) {
  const double half = 0.5 * static_cast<double>(map_side - 1);  // the map's centre
  for (size_t i = 0; i < map_side; ++i) {
    const double place = half + side * (static_cast<double>(i) - half);
    const size_t before = std::min(static_cast<size_t>(place), map_side - 1);
    const float share = static_cast<float>(place - static_cast<double>(before));
    places_[i] = {before, std::min(before + 1, map_side - 1), share};
  }
}

void Window::zoom(const float* source, float* target, size_t blocks, size_t begin, size_t end) const {
  const size_t side = places_.size(), line = side * kBlock, map = side * line;
  for (size_t block = 0; block < blocks; ++block, source += map, target += map)
    for (size_t row = begin; row < end; ++row) {
      const float* upper = source + places_[row].before * line;
      const float* lower = source + places_[row].behind * line;
      for (size_t column = 0; column < side; ++column) {
        const Place& place = places_[column];
        const size_t left = place.before * kBlock, right = place.behind * kBlock;
        for (size_t lane = 0; lane < kBlock; ++lane) {
          const float top = upper[left + lane] + place.share * (upper[right + lane] - upper[left + lane]);
          const float bottom = lower[left + lane] + place.share * (lower[right + lane] - lower[left + lane]);
          target[row * line + column * kBlock + lane] = top + places_[row].share * (bottom - top);
        }
      }
    }
}

}  // namespace pycap
