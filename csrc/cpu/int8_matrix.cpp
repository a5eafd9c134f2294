#include "cpu/int8_matrix.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "cpu/pool.h"

namespace pycap {
namespace {

constexpr size_t kWidth = kPanelColumns<float>;

}  // namespace

Int8Matrix::Int8Matrix(const PackedMatrix<float>& weight)
    : scale_(weight.panels() * kWidth),
      offset_(weight.panels() * kWidth),
      columns_(weight.columns()),
      depth_(pad_to_quad(weight.depth())) {
  data_.resize(weight.panels() * kWidth * depth_);
  const float* source = weight.view().data;
  parallel_for(weight.panels(), [&](size_t panel) {
    const float* values = source + panel * weight.depth() * kWidth;
    int8_t* stored = data_.data() + panel * depth_ * kWidth;
    float inverse[kWidth];
    for (size_t column = 0; column < kWidth; ++column) {
      float largest = 0;
      for (size_t d = 0; d < weight.depth(); ++d) {
        const float size = std::fabs(values[d * kWidth + column]);
        if (!std::isfinite(size)) throw std::invalid_argument("weights must be finite to be stored as int8");
        largest = std::max(largest, size);
      }
      scale_[panel * kWidth + column] = largest / kCodeSteps;
      inverse[column] = largest > 0 ? kCodeSteps / largest : 0;
    }
    int32_t sums[kWidth] = {};
    for (size_t d = 0; d < depth_; ++d)
      for (size_t column = 0; column < kWidth; ++column) {
        const float value = d < weight.depth() ? values[d * kWidth + column] : 0;
        const int8_t rounded = static_cast<int8_t>(std::lrint(value * inverse[column]));
        stored[(d / kQuad * kWidth + column) * kQuad + d % kQuad] = rounded;
        sums[column] += rounded;
      }
    for (size_t column = 0; column < kWidth; ++column)
      offset_[panel * kWidth + column] = -kZeroCode * sums[column];
  });
}

}  // namespace pycap
