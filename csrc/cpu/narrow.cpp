#include "cpu/narrow.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "cpu/isa.h"

namespace pycap {
namespace {

Narrow round_to_bfloat(float value) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return 0x7fc0;
  return static_cast<Narrow>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A column's step: codes fit 16 bits, and no sum of kExactDepth products with codes of a row overflows.
float find_step(const float* values, size_t depth) {
  constexpr float most = 32767, most_sum = 2147483647.0f / (kMostCode + 1) - kExactDepth;
  float largest = 0;
  for (size_t first = 0; first < depth; first += kExactDepth) {
    float sum = 0;
    for (size_t d = first; d < std::min(depth, first + kExactDepth); ++d) {
      const float size = std::fabs(values[d * kBlock]);
      if (!std::isfinite(size)) throw std::invalid_argument("weights must be finite to be stored as int16");
      largest = std::max(largest, size / most);
      sum += size;
    }
    largest = std::max(largest, sum / most_sum);
  }
  return largest;
}

}  // namespace

bool bfloat_supported() {
#if defined(PYCAP_BFLOAT)
  static const bool supported =
      active_isa() == Isa::amx && __builtin_cpu_supports("avx512bf16") && grants_amx(kAmxBfloat16);
  return supported;
#else
  return false;
#endif
}

NarrowMatrix::NarrowMatrix(const BlockedMatrix& weight, EncoderPrecision precision)
    : tiles(pad_to_narrow(weight.columns()) / kBlock * pad_to_narrow(weight.rows()) / kNarrowBlock,
            NarrowTile{}),
      depth_tiles(pad_to_narrow(weight.rows()) / kNarrowBlock),
      scale(pad_to_narrow(weight.columns())) {
  const bool integers = precision == EncoderPrecision::int16;
  for (size_t block = 0; block < weight.blocks(); ++block)
    for (size_t column = 0; column < kBlock; ++column) {
      const float* values = weight.data() + block * weight.stride() + column;
      const float step = integers ? find_step(values, weight.rows()) : 0;
      scale[block * kBlock + column] = step;
      for (size_t d = 0; d < weight.rows(); ++d) {
        const float value = values[d * kBlock];
        NarrowTile& tile = tiles[block * depth_tiles + d / kNarrowBlock];
        const size_t pair = d % kNarrowBlock / 2;
        tile.values[(pair * kBlock + column) * 2 + d % 2] =
            !integers ? round_to_bfloat(value) : static_cast<Narrow>(step > 0 ? std::lrint(value / step) : 0);
      }
    }
}

void multiply_narrow(EncoderPrecision precision, const MultiplyNarrow& multiply, size_t begin, size_t end) {
  if (precision == EncoderPrecision::bfloat16) return bfloat::multiply_narrow(multiply, begin, end);
  PYCAP_DISPATCH(multiply_narrow(multiply, begin, end));
}

void filter_narrow(EncoderPrecision precision, const FilterNarrow& filter, size_t blocks) {
  if (precision == EncoderPrecision::bfloat16) return bfloat::filter_narrow(filter, blocks);
  PYCAP_DISPATCH(filter_narrow(filter, blocks));
}

void narrow_rows(EncoderPrecision precision, const NarrowRows& rows, size_t begin, size_t end) {
  if (precision == EncoderPrecision::bfloat16) return bfloat::narrow_rows(rows, begin, end);
  PYCAP_DISPATCH(narrow_rows(rows, begin, end));
}

#if !defined(PYCAP_BFLOAT)
namespace bfloat {  // never called: bfloat16 is not supported
void multiply_narrow(const MultiplyNarrow&, size_t, size_t) {}
void filter_narrow(const FilterNarrow&, size_t) {}
void narrow_rows(const NarrowRows&, size_t, size_t) {}
}  // namespace bfloat
#endif

}  // namespace pycap
