// Products of 16-bit integers (narrow.h).
#include "cpu/narrow.h"
#include "cpu/narrow_filter.h"
#include "cpu/product_tiles.h"
#include "cpu/vnni.h"

namespace pycap {
namespace PYCAP_ISA {
namespace {

typedef Vec<float> Floats;
constexpr size_t kWidth = kLanes<float>;

#if defined(PYCAP_VNNI)
constexpr size_t kExactTiles = kExactDepth / kNarrowBlock;
typedef Vec<int32_t> Sums;

inline Sums dot(Sums sums, Sums weights, const Narrow* codes) {
  int32_t pair;
  __builtin_memcpy(&pair, codes, sizeof(pair));
  return add_pairs(sums, weights, broadcast(pair));
}

// Exact sums over the depth tiles [first, end): rows of `a`, blocks from that of `b` on.
template <size_t Rows, size_t Vectors>
inline __attribute__((always_inline)) void sum_exactly(const MultiplyNarrow& m, const Narrow* a,
                                                       const NarrowTile* b, size_t first, size_t end,
                                                       Sums (&exact)[Rows][Vectors]) {
  constexpr size_t tile = sizeof(*b) / sizeof(*b->values);
#pragma GCC unroll 16
  for (size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) exact[r][v] = Sums{};
  const size_t last = m.depth < end * kNarrowBlock ? m.depth : end * kNarrowBlock;
  const Narrow* weight = b[first].values;
  a += first * m.source_stride;
  for (size_t d = first * kNarrowBlock; d < last; d += 2) {
#pragma GCC unroll 16
    for (size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 16
      for (size_t v = 0; v < Vectors; ++v)
        exact[r][v] =
            dot(exact[r][v], (Sums)load(weight + block_of(v) * m.depth_tiles * tile + 2 * lane_of(v)),
                a + r * kNarrowBlock + d % kNarrowBlock);
    weight += 2 * kBlock;
    if (d % kNarrowBlock + 2 == kNarrowBlock) a += m.source_stride;
  }
}

struct IntegerTile {
  // An element's sum has one order, whatever tile it is in.
  template <size_t Rows, size_t Vectors>
  static void compute(const MultiplyNarrow& m, size_t row, size_t column, size_t) {
    const Narrow* a = m.source + row * kNarrowBlock;
    const NarrowTile* b = m.weight + column / kBlock * m.depth_tiles;
    const size_t last =
        (m.depth_tiles - 1) / kExactTiles * kExactTiles;  // the first tile of the last exact sum
    Floats sums[Rows][Vectors];                           // of those before
    Sums exact[Rows][Vectors];
    for (size_t first = 0; first < last; first += kExactTiles) {
      sum_exactly(m, a, b, first, first + kExactTiles, exact);
      for (size_t r = 0; r < Rows; ++r)
        for (size_t v = 0; v < Vectors; ++v) {
          const Floats part = __builtin_convertvector(exact[r][v], Floats);
          sums[r][v] = first == 0 ? part : sums[r][v] + part;
        }
    }
    sum_exactly(m, a, b, last, m.depth_tiles, exact);
    float scales[Rows];  // read before results are stored, which the compiler takes for new scales
    for (size_t r = 0; r < Rows; ++r) scales[r] = m.source_scale ? m.source_scale[row + r] : kFilterScale;
    Floats columns[Vectors], bias[Vectors];
#pragma GCC unroll 16
    for (size_t v = 0; v < Vectors; ++v) {
      columns[v] = load(m.weight_scale + column + v * kWidth);
      bias[v] = load(m.bias + column + v * kWidth);
    }
    finish_tile<Rows, Vectors>(m, row, column, [&](size_t r, size_t v) {
      Floats total = __builtin_convertvector(exact[r][v], Floats);
      if (last > 0) total += sums[r][v];
      return total * (scales[r] * columns[v]) + bias[v];
    });
  }
};
#else
// Other instruction sets are exact in the same way, and slow.
inline float compute_element(const MultiplyNarrow& m, size_t row, size_t column) {
  float sum = 0;
  for (size_t first = 0; first < m.depth; first += kExactDepth) {
    int32_t exact = 0;
    for (size_t d = first; d < m.depth && d < first + kExactDepth; ++d) {
      const size_t t = d / kNarrowBlock, place = d % kNarrowBlock;
      const NarrowTile& tile = m.weight[column / kBlock * m.depth_tiles + t];
      const Narrow code = m.source[t * m.source_stride + row * kNarrowBlock + place];
      const Narrow weight = tile.values[(place / 2 * kBlock + column % kBlock) * 2 + place % 2];
      exact += static_cast<int16_t>(code) * static_cast<int16_t>(weight);
    }
    sum += static_cast<float>(exact);
  }
  const float scale = m.source_scale ? m.source_scale[row] : kFilterScale;
  return sum * (scale * m.weight_scale[column]) + m.bias[column];
}
#endif

struct Codes {
  typedef int16_t type __attribute__((vector_size(kWidth * sizeof(int16_t))));
};

inline void store_codes(Narrow* target, Floats codes) {  // rounded to the nearest
  const Floats positive = codes + (kMostCode + 1.5f);    // conversion cuts off what is behind the point
  const Vec<int32_t> whole = __builtin_convertvector(positive, Vec<int32_t>);
  const Codes::type narrow =
      __builtin_convertvector(whole - (static_cast<int32_t>(kMostCode) + 1), Codes::type);
  __builtin_memcpy(target, &narrow, sizeof(narrow));
}

struct CodeCells {  // results of a filter, in one block
  Narrow* data;

  void put(size_t pixel, size_t lane, Floats value) const {
    store_codes(data + pixel * kNarrowBlock + lane, value * (1 / kFilterScale));
  }
};

}  // namespace

void multiply_narrow(const MultiplyNarrow& m, size_t begin, size_t end) {
#if defined(PYCAP_VNNI)
  multiply_strips<IntegerTile>(m, begin, end);
#else
  for (size_t row = 0; row < m.rows; ++row)
    for (size_t column = begin * kBlock; column < end * kBlock; ++column) {
      const size_t block = column / kBlock, lane = column % kBlock;
      float result = compute_element(m, row, column);
      if (m.residual) result += m.residual[block * m.residual_stride + row * kBlock + lane];
      const size_t place = row + row / m.run * m.gap;
      m.target[block * m.target_stride + place * kBlock + lane] = clip(broadcast(result), m.low, m.high)[0];
    }
#endif
}

void filter_narrow(const FilterNarrow& filter, size_t blocks) { filter_to_narrow<CodeCells>(filter, blocks); }

void narrow_rows(const NarrowRows& rows, size_t begin, size_t end) {
  const size_t blocks = count_blocks(rows.columns), padded = pad_to_narrow(rows.columns) / kBlock;
  for (size_t row = begin; row < end; ++row) {
    const float* source = rows.source + row * kBlock;
    Floats largest{};
    for (size_t block = 0; block < blocks; ++block)
      for (size_t lane = 0; lane < kBlock; lane += kWidth) {
        const Floats value = load(source + block * rows.stride + lane);
        largest = maximum<float>(maximum<float>(value, -value), largest);
      }
    const float size = max_lanes<float>(largest), steps = size > 0 ? kMostCode / size : 0;
    rows.scale[row] = size / kMostCode;
    for (size_t block = 0; block < padded; ++block) {
      Narrow* target = rows.narrow + block / 2 * rows.narrow_stride + row * kNarrowBlock + block % 2 * kBlock;
      for (size_t lane = 0; lane < kBlock; lane += kWidth)
        store_codes(target + lane,
                    block < blocks ? load(source + block * rows.stride + lane) * steps : Floats{});
    }
  }
}

}  // namespace PYCAP_ISA
}  // namespace pycap
