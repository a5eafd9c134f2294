// The arithmetic of the region encoder besides its products; matrices are blocked (cpu/blocked.h).
#pragma once

#include <cstddef>

#include "cpu/blocked.h"
#include "cpu/isa.h"

namespace pycap {

// target = layer_norm(source) * scale + shift + addend, row by row.
struct Normalise {
  const float* source;  // (rows, columns)
  size_t source_stride;
  const float *scale, *shift;  // (columns,), padded
  const float* addend;         // (rows, columns); null: none
  size_t addend_stride;
  float* target;  // (rows, columns), blocked or row by row
  size_t target_stride;
  size_t columns;
  bool blocked;  // the target is; else target_stride is unused
};

#define PYCAP_DECLARE(isa)                                                                                \
  namespace isa {                                                                                         \
  void normalise_rows(const Normalise& normalise, size_t begin, size_t end);                              \
  /* softmax over the columns, in place; padding becomes 0 */                                             \
  void softmax_rows(float* values, size_t stride, size_t rows, size_t columns);                           \
  /* target (rows, columns), row by row, = (first ? 0 : target) + scale * values */                       \
  void add_rows(const float* values, size_t stride, size_t rows, size_t columns, float scale, bool first, \
                float* target);                                                                           \
  /* target (columns, rows) = source (rows, columns) transposed; padding is 0 */                          \
  void transpose_rows(const float* source, size_t stride, size_t rows, size_t columns, float* target);    \
  /* mean over the rows, of the blocks [begin, end) */                                                    \
  void mean_rows(const float* source, size_t stride, size_t rows, size_t begin, size_t end, float* mean); \
  /* values (rows, columns) *= weights (columns,), of the blocks [begin, end) */                          \
  void scale_rows(float* values, size_t stride, size_t rows, const float* weights, size_t begin,          \
                  size_t end);                                                                            \
  void gelu_values(float* values, size_t count);    /* count is a multiple of 16 */                       \
  void sigmoid_values(float* values, size_t count); /* count is a multiple of 16 */                       \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
