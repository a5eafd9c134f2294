#include "cpu/weight_gradients.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "cpu/pool.h"

namespace pycap {
namespace {

constexpr size_t kDepth = 256;  // steps of a packed block: a panel of it fits the first-level cache
constexpr size_t kRows = 64;    // of a gradient that a task makes
constexpr size_t kAhead = 12;   // steps whose values are on their way: they lie far apart
template <class T>
constexpr size_t kLine = 64 / sizeof(T);  // values of a cache line

// The computed steps of a batch, one row each, of whatever is indexed by (batch, time).
struct Steps {
  std::vector<size_t> row, time;
  size_t all;  // steps of a row, computed or not

  template <class T>
  explicit Steps(const AttendForward<T>& op) : all(op.shape.time) {
    for (size_t r = 0; r < op.shape.batch; ++r)
      for (size_t t = 0; t < static_cast<size_t>(op.lengths[r]); ++t) {
        row.push_back(r);
        time.push_back(t);
      }
  }

  size_t count() const { return row.size(); }
  size_t place(size_t step) const { return row[step] * all + time[step]; }
};

// The right side of the products, packed in blocks of at most kDepth steps. locate(step): a row of `columns`.
template <class T, class Locate>
std::vector<PackedMatrix<T>> pack_rows(size_t columns, size_t steps, const Locate& locate) {
  std::vector<PackedMatrix<T>> blocks;
  for (size_t first = 0; first < steps; first += kDepth)
    blocks.push_back(PackedMatrix<T>::unfilled(columns, std::min(kDepth, steps - first)));
  parallel_for(blocks.size(), [&](size_t block) {
    for (size_t d = 0; d < blocks[block].depth(); ++d) blocks[block].fill_row(d, locate(block * kDepth + d));
  });
  return blocks;
}

// What one gradient matrix is the sum of: rows of `left` at every computed step times those packed in
// `right`.
template <class T>
struct Product {
  const T* left;  // (batch, time, columns)
  size_t columns;
  const std::vector<PackedMatrix<T>>* right[2];
  T* target[2];  // (columns, columns of right); null: no second one
};

// Rows [first, first + rows) of a product's gradients, from the columns of `left`, turned to rows in
// `turned`.
template <class T>
void multiply_rows_of(const Product<T>& product, const Steps& steps, size_t first, size_t rows, T* turned,
                      size_t stride) {
  const auto locate = [&](size_t step) { return product.left + steps.place(step) * product.columns + first; };
  for (size_t step = 0; step < steps.count(); ++step) {
    const T *left = locate(step), *later = locate(std::min(step + kAhead, steps.count() - 1));
    for (size_t i = 0; i < rows; i += kLine<T>) __builtin_prefetch(later + i);
    for (size_t i = 0; i < rows; ++i) turned[i * stride + step] = left[i];
  }
  for (size_t side = 0; side < 2 && product.target[side]; ++side) {
    const std::vector<PackedMatrix<T>>& blocks = *product.right[side];
    const size_t columns = blocks.front().columns();
    T* target = product.target[side] + first * columns;
    for (size_t block = 0; block < blocks.size(); ++block)
      PYCAP_DISPATCH(multiply_block<T>(turned + block * kDepth, stride, rows, blocks[block].view(), target,
                                       columns, block > 0));
  }
}

}  // namespace

template <class T>
void sum_weight_gradients(const AttendBackward<T>& op) {
  const AttendForward<T>& forward = op.forward;
  const AttendShape& s = forward.shape;
  const Steps steps(forward);
  if (steps.count() == 0) {
    std::fill_n(op.d_query, s.attention_dim * s.hidden_dim, T(0));
    std::fill_n(op.d_gate, s.hidden_dim, T(0));
    std::fill_n(op.d_context, s.gates() * s.feature_dim, T(0));
    std::fill_n(op.d_recurrent, s.gates() * s.hidden_dim, T(0));
    return;
  }
  const auto before = pack_rows<T>(s.hidden_dim, steps.count(), [&](size_t step) {
    return steps.time[step] ? forward.hiddens + (steps.place(step) - 1) * s.hidden_dim
                            : forward.hidden + steps.row[step] * s.hidden_dim;
  });
  const auto contexts = pack_rows<T>(s.feature_dim, steps.count(), [&](size_t step) {
    return forward.contexts + steps.place(step) * s.feature_dim;
  });
  const Product<T> products[] = {
      {op.d_gates, s.gates(), {&before, &contexts}, {op.d_recurrent, op.d_context}},
      {op.d_queries, s.attention_dim, {&before}, {op.d_query}},
      {op.d_betas, 1, {&before}, {op.d_gate}},
  };
  struct Task {
    const Product<T>* product;
    size_t first;
  };
  std::vector<Task> tasks;
  for (const Product<T>& product : products)
    for (size_t first = 0; first < product.columns; first += kRows) tasks.push_back({&product, first});
  const size_t stride =
      ((steps.count() + kLine<T> - 1) / kLine<T> | 1) * kLine<T>;  // odd lines: rows in different sets
  parallel_for(tasks.size(), [&](size_t task) {
    const auto& [product, first] = tasks[task];
    const size_t rows = std::min(kRows, product->columns - first);
    const std::unique_ptr<T[]> turned(new T[rows * stride]);
    multiply_rows_of(*product, steps, first, rows, turned.get(), stride);
  });
}

template void sum_weight_gradients(const AttendBackward<float>&);
template void sum_weight_gradients(const AttendBackward<double>&);

}  // namespace pycap
