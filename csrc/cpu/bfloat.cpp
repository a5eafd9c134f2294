#include "cpu/bfloat.h"

#include <cstring>

#include "cpu/isa.h"

namespace pycap {
namespace {

Bfloat round_to_bfloat(float value) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return 0x7fc0;
  return static_cast<Bfloat>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace

bool bfloat_supported() {
#if defined(PYCAP_BFLOAT)
  static const bool supported =
      active_isa() >= Isa::avx512 && __builtin_cpu_supports("avx512bf16") && grants_amx(kAmxBfloat16);
  return supported;
#else
  return false;
#endif
}

BfloatMatrix::BfloatMatrix(const BlockedMatrix& weight)
    : tiles(pad_to_bfloat(weight.columns()) / kBlock * pad_to_bfloat(weight.rows()) / kBfloatBlock,
            BfloatTile{}),
      depth_tiles(pad_to_bfloat(weight.rows()) / kBfloatBlock) {
  for (size_t block = 0; block < weight.blocks(); ++block)
    for (size_t d = 0; d < weight.rows(); ++d)
      for (size_t column = 0; column < kBlock; ++column) {
        BfloatTile& tile = tiles[block * depth_tiles + d / kBfloatBlock];
        const size_t pair = d % kBfloatBlock / 2;
        tile.values[(pair * kBlock + column) * 2 + d % 2] =
            round_to_bfloat(weight.data()[block * weight.stride() + d * kBlock + column]);
      }
}

#if !defined(PYCAP_BFLOAT)
namespace bfloat {  // never called: bfloat_supported() is false
void multiply_bfloats(const MultiplyBfloat&, size_t, size_t) {}
void filter_bfloats(const FilterBfloat&, size_t) {}
void narrow_rows(const float*, size_t, size_t, Bfloat*, size_t, size_t, size_t) {}
}  // namespace bfloat
#endif

}  // namespace pycap
