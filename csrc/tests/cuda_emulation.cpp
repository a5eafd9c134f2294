// Runs the CUDA kernels of attend_lstm_step on the host and compares them with double arithmetic.
//   c++ -std=c++17 -O1 -I csrc csrc/tests/cuda_emulation.cpp -o cuda_emulation && ./cuda_emulation
// Prints one line a case; exits with 1 when any bound is broken. Add -fsanitize=address,undefined to watch
// the edges.
#include <cinttypes>
#include <string>

#include "cuda/attend_lstm_step.cuh"

using namespace pycap::cuda;
using pycap::emulation::Order;

namespace {

int failures = 0;

template <class T>
struct Precision;
template <>
struct Precision<float> {
  static constexpr const char* name = "float32";
  static constexpr double relative = 1e-6, absolute = 1e-6;
};
template <>
struct Precision<__nv_bfloat16> {  // one rounding to 8 bits, the rest in float
  static constexpr const char* name = "bfloat16";
  static constexpr double relative = 1.0 / 256 * 1.01, absolute = 2e-6;
};
template <>
struct Precision<__half> {
  static constexpr const char* name = "float16";
  static constexpr double relative = 1.0 / 2048 * 1.01, absolute = 2e-6;
};

struct Case {
  const char* name;
  int batch, images, regions, feature_dim, hidden_dim, attention_dim;
  std::vector<int64_t> image_index;  // empty: row b looks at image b
  int shift = 0;                     // elements the features start past a 16-byte boundary
};

// A buffer of exactly `count` elements after `shift` unused ones.
template <class T>
struct Buffer {
  std::vector<T> data;
  int shift;
  Buffer(size_t count, double scale, std::mt19937& random, int shift = 0)
      : data(count + shift), shift(shift) {
    std::normal_distribution<float> normal(0.0f, static_cast<float>(scale));
    for (T& value : data) value = from_float<T>(scale > 0 ? normal(random) : NAN);
  }
  T* begin() { return data.data() + shift; }
  double operator[](size_t i) const { return to_float(data[i + shift]); }
};

template <class T>
struct Problem {
  Case shape;
  std::mt19937 random{7};
  Buffer<T> inputs, features, keys, hidden, cell, query, score, gate, gate_bias, context, recurrent;
  Buffer<T> next_hidden, next_cell, next_context, attention;
  Buffer<float> queries, gates;

  explicit Problem(const Case& c)
      : shape(c),
        inputs(size_t(c.batch) * 4 * c.hidden_dim, 1, random),
        features(size_t(c.images) * c.regions * c.feature_dim, 1, random, c.shift),
        keys(size_t(c.images) * c.regions * c.attention_dim, 1, random),
        hidden(size_t(c.batch) * c.hidden_dim, 0.5, random),
        cell(size_t(c.batch) * c.hidden_dim, 1, random),
        query(size_t(c.attention_dim) * c.hidden_dim, 1 / std::sqrt(c.hidden_dim), random),
        score(c.attention_dim, 2 / std::sqrt(c.attention_dim), random),
        gate(c.hidden_dim, 2 / std::sqrt(c.hidden_dim), random),
        gate_bias(1, 1, random),
        context(size_t(4) * c.hidden_dim * c.feature_dim, 1 / std::sqrt(c.feature_dim), random),
        recurrent(size_t(4) * c.hidden_dim * c.hidden_dim, 1 / std::sqrt(c.hidden_dim), random),
        next_hidden(size_t(c.batch) * c.hidden_dim, 0, random),
        next_cell(size_t(c.batch) * c.hidden_dim, 0, random),
        next_context(size_t(c.batch) * c.feature_dim, 0, random),
        attention(size_t(c.batch) * c.regions, 0, random),
        queries(size_t(c.batch) * c.attention_dim, 0, random),
        gates(size_t(c.batch) * c.hidden_dim * 4, 0, random) {}

  AttendLSTMStep step() {
    const Case& c = shape;
    return {c.batch,
            c.images,
            c.regions,
            c.feature_dim,
            c.hidden_dim,
            c.attention_dim,
            inputs.begin(),
            features.begin(),
            keys.begin(),
            hidden.begin(),
            cell.begin(),
            c.image_index.empty() ? nullptr : c.image_index.data(),
            query.begin(),
            score.begin(),
            gate.begin(),
            gate_bias.begin(),
            context.begin(),
            recurrent.begin(),
            next_hidden.begin(),
            next_cell.begin(),
            next_context.begin(),
            attention.begin(),
            queries.begin(),
            gates.begin()};
  }
};

// Returns whether the kernels read 16 bytes at a time.
template <class T>
bool run(const AttendLSTMStep& step, Order order) {
  launch_widest<T>(step, [&](void (*kernel)(AttendLSTMStep), const char*, const Geometry& g) {
    pycap::emulation::launch(g.row_blocks, g.column_blocks, g.threads, g.shared_bytes, order,
                             [&] { kernel(step); });
  });
  return loads_are_wide(step, kWide<T>);
}

// How far a result is past its bound: at most 1 is right.
template <class T>
double excess(double got, double expected) {
  const double bound = Precision<T>::absolute + Precision<T>::relative * std::fabs(expected);
  return std::isnan(got) || std::isnan(expected) ? 1e9 : std::fabs(got - expected) / bound;
}

double sigmoid_of(double value) { return 1 / (1 + std::exp(-value)); }

// The worst excess over one row's outputs. The cell is judged on the context the kernel stored, so that the
// bound is one rounding and not the growth of an earlier one.
template <class T>
double row_excess(const Problem<T>& p, int row) {
  const Case& c = p.shape;
  const size_t H = c.hidden_dim, A = c.attention_dim, F = c.feature_dim, R = c.regions, b = row;
  const size_t image = c.image_index.empty() ? b : c.image_index[b];
  double worst = 0, most = -INFINITY, total = 0, gate = p.gate_bias[0];
  std::vector<double> energy(R, 0.0);
  for (size_t a = 0; a < A; ++a) {
    double query = 0;
    for (size_t k = 0; k < H; ++k) query += p.query[a * H + k] * p.hidden[b * H + k];
    for (size_t r = 0; r < R; ++r)
      energy[r] += p.score[a] * std::tanh(p.keys[(image * R + r) * A + a] + query);
  }
  for (const double e : energy) most = std::max(most, e);
  for (double& e : energy) total += e = std::exp(e - most);
  for (size_t k = 0; k < H; ++k) gate += p.gate[k] * p.hidden[b * H + k];
  for (size_t r = 0; r < R; ++r)
    worst = std::max(worst, excess<T>(p.attention[b * R + r], energy[r] / total));
  for (size_t f = 0; f < F; ++f) {
    double sum = 0;
    for (size_t r = 0; r < R; ++r) sum += energy[r] / total * p.features[(image * R + r) * F + f];
    worst = std::max(worst, excess<T>(p.next_context[b * F + f], sigmoid_of(gate) * sum));
  }
  for (size_t unit = 0; unit < H; ++unit) {
    double gates[4];
    for (size_t g = 0; g < 4; ++g) {
      const size_t column = g * H + unit;
      gates[g] = p.inputs[b * 4 * H + column];
      for (size_t k = 0; k < H; ++k) gates[g] += p.recurrent[column * H + k] * p.hidden[b * H + k];
      for (size_t f = 0; f < F; ++f) gates[g] += p.context[column * F + f] * p.next_context[b * F + f];
    }
    const double cell =
        sigmoid_of(gates[1]) * p.cell[b * H + unit] + sigmoid_of(gates[0]) * std::tanh(gates[2]);
    worst = std::max(worst, excess<T>(p.next_cell[b * H + unit], cell));
    worst = std::max(worst, excess<T>(p.next_hidden[b * H + unit], sigmoid_of(gates[3]) * std::tanh(cell)));
  }
  return worst;
}

void report(bool good, const std::string& line) {
  failures += !good;
  std::printf("%s %s\n", good ? "ok    " : "FAILED", line.c_str());
}

template <class T>
void check_case(const Case& c, Order order) {
  Problem<T> p(c);
  const bool wide = run<T>(p.step(), order);
  double worst = 0;
  for (int row = 0; row < c.batch; ++row) worst = std::max(worst, row_excess(p, row));
  char line[160];
  std::snprintf(line, sizeof line, "%-10s %-9s %s loads, error %.2f of its bound", c.name, Precision<T>::name,
                wide ? "wide  " : "single", worst);
  report(worst <= 1, line);
}

template <class T>
bool same_bits(const Buffer<T>& a, size_t at, const Buffer<T>& b, size_t from, size_t count) {
  return std::memcmp(a.data.data() + at, b.data.data() + from, count * sizeof(T)) == 0;
}

// Rows keep their bits when they are computed alone, and under every order of the threads.
void check_invariance(const Case& c) {
  Problem<float> all(c);
  run<float>(all.step(), Order::kForward);
  for (const Order order : {Order::kBackward, Order::kShuffled}) {
    Problem<float> again(c);
    run<float>(again.step(), order);
    report(same_bits(all.next_hidden, 0, again.next_hidden, 0, all.next_hidden.data.size()) &&
               same_bits(all.attention, 0, again.attention, 0, all.attention.data.size()),
           "threads in another order: same bits");
  }
  Problem<float> alone(c);
  const int row = c.batch - 1, H = c.hidden_dim;
  AttendLSTMStep step = alone.step();
  step.batch = 1;
  step.image_index += row;
  step.inputs = alone.inputs.begin() + row * 4 * H;
  step.hidden = alone.hidden.begin() + row * H;
  step.cell = alone.cell.begin() + row * H;
  run<float>(step, Order::kForward);
  report(same_bits(alone.next_hidden, 0, all.next_hidden, size_t(row) * H, H),
         "a row alone: same bits as in its batch");
}

// A row whose image does not exist is NaN; its neighbours are right and nothing outside the features is read.
void check_stray_index(Case c) {
  c.image_index.front() = -1;
  c.image_index.back() = c.images;
  Problem<float> p(c);
  run<float>(p.step(), Order::kForward);
  bool good = true;
  for (int row = 0; row < c.batch; ++row) {
    if (row == 0 || row == c.batch - 1) {
      good &= std::isnan(p.next_hidden[size_t(row) * c.hidden_dim]) &&
              std::isnan(p.attention[size_t(row) * c.regions]);
    } else {
      good &= row_excess(p, row) <= 1;
    }
  }
  report(good, "an image that does not exist: NaN in its row only");
}

}  // namespace

int main() {
  const Case beams{"beams", 5, 2, 49, 72, 40, 24, {0, 0, 1, 1, 1}};
  const Case odd{"odd", 11, 3, 7, 33, 19, 10, {0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}};
  const Case shifted{"shifted", 2, 2, 9, 16, 16, 16, {}, 1};
  const Case least{"least", 1, 1, 1, 1, 1, 1, {}};
  const Case large{"large", 9, 9, 300, 264, 16, 272, {}};
  const Case deep{"deep", 1, 1, 3, 40, 296, 3, {}};
  for (const Case& c : {beams, odd, shifted, least, large, deep}) {
    check_case<float>(c, Order::kForward);
    check_case<__nv_bfloat16>(c, Order::kBackward);
    check_case<__half>(c, Order::kShuffled);
  }
  check_invariance(odd);
  check_invariance(beams);
  check_stray_index(odd);
  std::printf("%d failed\n", failures);
  return failures != 0;
}
