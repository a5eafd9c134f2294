// A filter whose results are kept in 16 bits; include only from kernel sources.
#pragma once

#include "cpu/filter_tile.h"
#include "cpu/narrow.h"

namespace pycap {
namespace PYCAP_ISA {

// Cells: what stores a register of results, Cells{Narrow* block}.put(pixel, lane, value).
template <class Cells>
void filter_to_narrow(const FilterNarrow& f, size_t blocks) {
  const size_t pixels = (f.filter.row_end - f.filter.row_begin) * f.filter.cols;
  for (size_t block = 0; block < blocks; ++block) {
    const size_t place = f.block + block;
    Narrow* data = f.narrow + place / 2 * f.narrow_stride + place % 2 * kBlock;
    filter_block(f.filter, block, Cells{data});
    if (place % 2 == 0 && place + 1 == count_blocks(f.channels))  // the second half is padding
      for (size_t pixel = 0; pixel < pixels; ++pixel)
        __builtin_memset(data + pixel * kNarrowBlock + kBlock, 0, kBlock * sizeof(Narrow));
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
