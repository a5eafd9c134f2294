// attend_lstm: against plain loops, gradients against finite differences, the same bits for every thread
// count.
#include "cpu/attend_lstm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <thread>

#include "cpu/pool.h"
#include "tests/check.h"

namespace pycap {
namespace {

// Owns all arrays of one problem; outputs start as NaN.
template <class T>
struct Problem {
  AttendShape s;
  std::vector<std::vector<T>> memory;
  std::vector<int64_t> lengths, image_index;
  AttendBackward<T> op{};

  Problem(AttendShape shape, unsigned seed) : s(shape) {
    std::mt19937 random(seed);
    memory.reserve(40);
    auto input = [&](size_t count, double scale = 1) { return keep(draw<T>(random, count, scale)); };
    auto output = [&](size_t count) {
      return keep(std::vector<T>(count, std::numeric_limits<T>::quiet_NaN()));
    };
    const size_t steps = s.batch * s.time;
    AttendForward<T>& f = op.forward;
    f.shape = s;
    f.inputs = input(steps * s.gates());
    f.features = input(s.images * s.regions * s.feature_dim);
    f.keys = input(s.images * s.regions * s.attention_dim);
    f.hidden = input(s.batch * s.hidden_dim);
    f.cell = input(s.batch * s.hidden_dim);
    f.query = input(s.attention_dim * s.hidden_dim, 0.5);
    f.score = input(s.attention_dim);
    f.gate = input(s.hidden_dim);
    f.gate_bias = input(1);
    f.context = input(s.gates() * s.feature_dim, 0.5);
    f.recurrent = input(s.gates() * s.hidden_dim, 0.5);
    for (size_t row = 0; row < s.batch; ++row) {
      lengths.push_back(1 + random() % s.time);
      image_index.push_back(row * s.images / s.batch);
    }
    f.lengths = lengths.data();
    f.image_index = image_index.data();
    f.hiddens = output(steps * s.hidden_dim);
    f.contexts = output(steps * s.feature_dim);
    f.attention = output(steps * s.regions);
    f.gates = output(steps * s.gates());
    f.cells = output(steps * s.hidden_dim);
    f.queries = output(steps * s.attention_dim);
    f.betas = output(steps);
    op.grad_hiddens = input(steps * s.hidden_dim);
    op.grad_contexts = input(steps * s.feature_dim);
    op.grad_attention = input(steps * s.regions);
    op.d_gates = output(steps * s.gates());
    op.d_queries = output(steps * s.attention_dim);
    op.d_betas = output(steps);
    op.d_features = output(s.images * s.regions * s.feature_dim);
    op.d_keys = output(s.images * s.regions * s.attention_dim);
    op.d_scores = output(s.images * s.attention_dim);
    op.d_hidden = output(s.batch * s.hidden_dim);
    op.d_cell = output(s.batch * s.hidden_dim);
    op.d_query = output(s.attention_dim * s.hidden_dim);
    op.d_gate = output(s.hidden_dim);
    op.d_context = output(s.gates() * s.feature_dim);
    op.d_recurrent = output(s.gates() * s.hidden_dim);
  }

  T* keep(std::vector<T> values) {
    memory.push_back(std::move(values));
    return memory.back().data();
  }

  void run() {
    attend_lstm_forward(op.forward);
    attend_lstm_backward(op);
  }

  double loss() {
    attend_lstm_forward(op.forward);
    double total = 0;
    auto add = [&](const T* output, const T* grad, size_t width) {
      for (size_t i = 0; i < s.batch * s.time * width; ++i) total += output[i] * grad[i];
    };
    add(op.forward.hiddens, op.grad_hiddens, s.hidden_dim);
    add(op.forward.contexts, op.grad_contexts, s.feature_dim);
    add(op.forward.attention, op.grad_attention, s.regions);
    return total;
  }
};

// One row, step by step, in plain loops; compares with what the kernels wrote.
template <class T>
void check_row(const Problem<T>& p, size_t row, double tolerance) {
  const AttendForward<T>& f = p.op.forward;
  const AttendShape& s = p.s;
  const size_t image = f.image_index[row], hidden_dim = s.hidden_dim;
  std::vector<double> h(f.hidden + row * hidden_dim, f.hidden + (row + 1) * hidden_dim);
  std::vector<double> c(f.cell + row * hidden_dim, f.cell + (row + 1) * hidden_dim);
  auto dot = [](const T* weight, const std::vector<double>& x) {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += weight[i] * x[i];
    return sum;
  };
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (size_t time = 0; time < s.time; ++time) {
    const size_t step = row * s.time + time;
    const bool computed = time < static_cast<size_t>(f.lengths[row]);
    std::vector<double> energies(s.regions, 0), z(s.feature_dim, 0), gates(s.gates());
    double total = 0;
    for (size_t r = 0; r < s.regions; ++r) {
      const T* key = f.keys + (image * s.regions + r) * s.attention_dim;
      for (size_t a = 0; a < s.attention_dim; ++a)
        energies[r] += f.score[a] * std::tanh(key[a] + dot(f.query + a * hidden_dim, h));
      total += energies[r] = std::exp(energies[r]);
    }
    const double beta = sigmoid(dot(f.gate, h) + *f.gate_bias);
    for (size_t r = 0; r < s.regions; ++r)
      for (size_t k = 0; k < s.feature_dim; ++k)
        z[k] += beta * energies[r] / total * f.features[(image * s.regions + r) * s.feature_dim + k];
    for (size_t g = 0; g < s.gates(); ++g)
      gates[g] = f.inputs[step * s.gates() + g] + dot(f.context + g * s.feature_dim, z) +
                 dot(f.recurrent + g * hidden_dim, h);
    for (size_t k = 0; k < hidden_dim; ++k) {
      c[k] = sigmoid(gates[hidden_dim + k]) * c[k] + sigmoid(gates[k]) * std::tanh(gates[2 * hidden_dim + k]);
      h[k] = sigmoid(gates[3 * hidden_dim + k]) * std::tanh(c[k]);
      CHECK(std::abs(f.hiddens[step * hidden_dim + k] - (computed ? h[k] : 0)) <= tolerance);
    }
    for (size_t r = 0; r < s.regions; ++r)
      CHECK(std::abs(f.attention[step * s.regions + r] - (computed ? energies[r] / total : 0)) <= tolerance);
    for (size_t k = 0; k < s.feature_dim; ++k)
      CHECK(std::abs(f.contexts[step * s.feature_dim + k] - (computed ? z[k] : 0)) <= tolerance);
  }
}

void check_gradient(Problem<double>& p, const double* values, const double* gradient, size_t count) {
  const double step = 1e-5;
  for (size_t i = 0; i < count; i += 1 + count / 5) {
    double& value = const_cast<double&>(values[i]);
    const double before = value;
    value = before + step;
    const double above = p.loss();
    value = before - step;
    const double below = p.loss();
    value = before;
    CHECK(std::abs((above - below) / (2 * step) - gradient[i]) <= 1e-6 * (1 + std::abs(gradient[i])));
  }
}

template <class T>
void check_shape(AttendShape shape, double tolerance) {
  set_thread_count(1);
  Problem<T> alone(shape, 1);
  alone.run();
  for (size_t row = 0; row < shape.batch; ++row) check_row(alone, row, tolerance);
  for (size_t threads = 2; threads <= 4; ++threads) {
    set_thread_count(threads);
    Problem<T> together(shape, 1);
    together.run();
    for (size_t i = 0; i < alone.memory.size(); ++i)
      CHECK(std::memcmp(alone.memory[i].data(), together.memory[i].data(),
                        alone.memory[i].size() * sizeof(T)) == 0);
  }
}

template <class Change>
void check_refused(Change change) {
  Problem<float> p({3, 4, 2, 5, 6, 7, 8}, 1);
  change(p);
  bool refused = false;
  try {
    p.run();
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused);
}

}  // namespace
}  // namespace pycap

int main() {
  using namespace pycap;
  const AttendShape shapes[] = {{1, 1, 1, 1, 1, 1, 1}, {6, 4, 3, 5, 6, 3, 7}, {11, 3, 4, 33, 70, 21, 131}};
  for (const AttendShape& shape : shapes) {
    check_shape<float>(shape, 2e-5);
    check_shape<double>(shape, 1e-12);
  }
  Problem<double> p(shapes[1], 2);
  p.run();
  const AttendBackward<double> op = p.op;
  check_gradient(p, op.forward.inputs, op.d_gates, 6 * 4 * 12);
  check_gradient(p, op.forward.features, op.d_features, 3 * 5 * 6);
  check_gradient(p, op.forward.keys, op.d_keys, 3 * 5 * 7);
  check_gradient(p, op.forward.hidden, op.d_hidden, 6 * 3);
  check_gradient(p, op.forward.cell, op.d_cell, 6 * 3);
  check_gradient(p, op.forward.query, op.d_query, 7 * 3);
  check_gradient(p, op.forward.gate, op.d_gate, 3);
  check_gradient(p, op.forward.context, op.d_context, 12 * 6);
  check_gradient(p, op.forward.recurrent, op.d_recurrent, 12 * 3);

  check_refused([](Problem<float>& bad) { bad.lengths[1] = 0; });
  check_refused([](Problem<float>& bad) { bad.lengths[2] = 5; });
  check_refused([](Problem<float>& bad) { bad.image_index[0] = -1; });
  check_refused([](Problem<float>& bad) { bad.image_index[2] = 2; });

  std::vector<std::thread> callers;  // several Python threads may be inside at once
  for (unsigned seed = 0; seed < 3; ++seed)
    callers.emplace_back([&shapes, seed] { Problem<float>(shapes[1], seed).run(); });
  for (std::thread& caller : callers) caller.join();
  std::puts("attend_lstm: ok");
}
