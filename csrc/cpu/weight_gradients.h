// Gradients of attend_lstm's weights: sums over all computed steps, one matrix product each.
#pragma once

#include "cpu/attend_lstm.h"
#include "cpu/isa.h"
#include "cpu/packed_matrix.h"

namespace pycap {

// Fill d_query, d_gate, d_context and d_recurrent from the step gradients that op already holds. The order of
// an element's sum is that of the steps, whatever the number of threads.
template <class T>
void sum_weight_gradients(const AttendBackward<T>& op);

#define PYCAP_DECLARE(isa)                                                                         \
  namespace isa {                                                                                  \
  /* c (rows, weight.columns) (+)= a (rows, weight.depth) @ weight^T; strides of rows: lda, ldc */ \
  template <class T>                                                                               \
  void multiply_block(const T* a, size_t lda, size_t rows, PackedView<T> weight, T* c, size_t ldc, \
                      bool accumulate);                                                            \
  }
PYCAP_FOR_EACH_ISA(PYCAP_DECLARE)
#undef PYCAP_DECLARE

}  // namespace pycap
