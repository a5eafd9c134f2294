#include "cpu/gemm.h"
#include "cpu/weight_gradients.h"

namespace pycap {
namespace PYCAP_ISA {

template <class T>
void multiply_block(const T* a, size_t lda, size_t rows, PackedView<T> weight, T* c, size_t ldc,
                    bool accumulate) {
  gemm(a, lda, rows, weight, c, ldc, accumulate);
}

template void multiply_block(const float*, size_t, size_t, PackedView<float>, float*, size_t, bool);
template void multiply_block(const double*, size_t, size_t, PackedView<double>, double*, size_t, bool);

}  // namespace PYCAP_ISA
}  // namespace pycap
