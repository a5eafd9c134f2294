// Checks, weight packing and the split over threads; the arithmetic is in the kernels beside this file.
#include "cpu/attend_lstm.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/pool.h"
#include "cpu/weight_gradients.h"

namespace pycap {
namespace {

constexpr size_t kChunksPerThread = 4;  // at most

// Values of scratch for a row of a chunk: its state, its context and all that is linear in its state.
size_t scratch_width(const AttendShape& shape) {
  return shape.hidden_dim + shape.feature_dim + shape.state_columns();
}

size_t second_level_bytes() {
  long size = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  size = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  return size > 0 ? static_cast<size_t>(size) : 1 << 20;  // where it is not known
}

// Of a chunk: enough that their arithmetic takes longer than reading the weights from the third level, and
// few enough that their scratch, in a quarter of the second level, stays there beside weights and regions.
size_t least_rows(size_t row_bytes) {
  static const size_t cache = second_level_bytes();  // asking may take a trap into the hypervisor
  return std::max<size_t>(1, cache / 4 / row_bytes);
}

void check_rows(const AttendShape& shape, const int64_t* lengths, const int64_t* image_index, bool sorted) {
  for (size_t row = 0; row < shape.batch; ++row) {
    auto fail = [&](const std::string& expected, int64_t value) {
      throw std::invalid_argument(expected + ", got " + std::to_string(value) + " in row " +
                                  std::to_string(row));
    };
    if (lengths[row] < 1 || static_cast<size_t>(lengths[row]) > shape.time)
      fail("lengths must be in 1.." + std::to_string(shape.time), lengths[row]);
    if (image_index[row] < 0 || static_cast<size_t>(image_index[row]) >= shape.images)
      fail("image_index must be in 0.." + std::to_string(shape.images - 1), image_index[row]);
    if (sorted && row > 0 && image_index[row] < image_index[row - 1])
      fail("image_index must not decrease", image_index[row]);
  }
}

// Cut the rows into chunks of about equally many steps, never inside an image's rows when `whole_images`: a
// few for each thread where rows are many, so that threads whose core is shared take fewer. Which chunk a row
// falls into does not change its result.
template <class T>
std::vector<AttendChunk> cut_chunks(const AttendShape& shape, const int64_t* lengths,
                                    const int64_t* image_index, bool whole_images) {
  size_t steps = 0, done = 0;
  for (size_t row = 0; row < shape.batch; ++row) steps += lengths[row];
  const size_t threads = thread_count();
  const size_t each = shape.batch / (threads * least_rows(scratch_width(shape) * sizeof(T)));
  const size_t wanted = threads * std::min(std::max<size_t>(each, 1), kChunksPerThread);
  const size_t chunks = std::max<size_t>(1, std::min(wanted, whole_images ? shape.images : shape.batch));
  std::vector<AttendChunk> result;
  AttendChunk next{0, 0, 0, 0, nullptr};
  for (size_t row = 0; row < shape.batch; ++row) {
    done += lengths[row];
    const bool last = row + 1 == shape.batch;
    const bool boundary = !whole_images || last || image_index[row + 1] != image_index[row];
    if (!last && (!boundary || done * chunks < steps * (result.size() + 1))) continue;
    next.row_end = row + 1;
    next.image_end = last ? shape.images : image_index[row] + 1;
    result.push_back(next);
    next.row_begin = next.row_end;
    next.image_begin = next.image_end;
  }
  if (result.empty())
    result.push_back({0, 0, 0, shape.images, nullptr});  // no rows: gradients are still zeroed
  return result;
}

template <class T, class Run>
void run_chunks(std::vector<AttendChunk> chunks, const AttendShape& shape, const Run& run) {
  parallel_for(chunks.size(), [&](size_t task) {
    AttendChunk chunk = chunks[task];
    const size_t rows = chunk.row_end - chunk.row_begin;
    std::vector<size_t> active(rows);
    const std::unique_ptr<T[]> scratch(new T[rows * scratch_width(shape) + shape.regions + 64 / sizeof(T)]);
    chunk.active = active.data();
    run(chunk, scratch.get());
  });
}

// The keys as the kernels want them: once a picture instead of once a step.
template <class T>
std::unique_ptr<T[]> prepare_keys(const AttendForward<T>& op) {
  const size_t size = op.shape.regions * op.shape.attention_dim;  // of an image
  std::unique_ptr<T[]> keys(new T[op.shape.images * size]);
  parallel_for(op.shape.images, [&](size_t image) {
    PYCAP_DISPATCH(prepare_tanh<T>(op.keys + image * size, size, keys.get() + image * size));
  });
  return keys;
}

}  // namespace

template <class T>
void attend_lstm_forward(const AttendForward<T>& op) {
  const AttendShape& s = op.shape;
  check_rows(s, op.lengths, op.image_index, false);
  auto state = PackedMatrix<T>::unfilled(s.state_columns(), s.hidden_dim);
  const PackedMatrix<T> context(op.context, s.gates(), s.feature_dim);
  state.fill(op.recurrent, s.gates(), s.hidden_dim, s.hidden_dim, 1);
  state.fill(op.query, s.attention_dim, s.hidden_dim, s.hidden_dim, 1, s.gates());
  state.fill(op.gate, 1, s.hidden_dim, s.hidden_dim, 1, s.gates() + s.attention_dim);
  const auto keys = prepare_keys(op);
  AttendForward<T> prepared = op;
  prepared.keys = keys.get();
  run_chunks<T>(cut_chunks<T>(s, op.lengths, op.image_index, false), s, [&](AttendChunk chunk, T* scratch) {
    PYCAP_DISPATCH(run_attend_forward<T>(prepared, state.view(), context.view(), chunk, scratch));
  });
}

template <class T>
void attend_lstm_backward(const AttendBackward<T>& op) {
  const AttendForward<T>& forward = op.forward;
  const AttendShape& s = forward.shape;
  check_rows(s, forward.lengths, forward.image_index, true);
  auto state = PackedMatrix<T>::unfilled(s.hidden_dim, s.state_columns());  // transposed
  auto context = PackedMatrix<T>::unfilled(s.feature_dim, s.gates());
  context.fill(forward.context, s.feature_dim, s.gates(), 1, s.feature_dim);
  state.fill(forward.recurrent, s.hidden_dim, s.gates(), 1, s.hidden_dim);
  state.fill(forward.query, s.hidden_dim, s.attention_dim, 1, s.hidden_dim, 0, s.gates());
  state.fill(forward.gate, s.hidden_dim, 1, 1, s.hidden_dim, 0, s.gates() + s.attention_dim);
  const auto keys = prepare_keys(forward);
  AttendBackward<T> prepared = op;
  prepared.forward.keys = keys.get();
  run_chunks<T>(
      cut_chunks<T>(s, forward.lengths, forward.image_index, true), s, [&](AttendChunk chunk, T* scratch) {
        PYCAP_DISPATCH(run_attend_backward<T>(prepared, state.view(), context.view(), chunk, scratch));
      });
  sum_weight_gradients(op);
}

template void attend_lstm_forward(const AttendForward<float>&);
template void attend_lstm_forward(const AttendForward<double>&);
template void attend_lstm_backward(const AttendBackward<float>&);
template void attend_lstm_backward(const AttendBackward<double>&);

}  // namespace pycap
