// Runs the parts of the CUDA kernels on the host: products of many shapes against double arithmetic, the
// ranking of words against a sort, the books of a search beside core/beam.h. Whole searches and sequences are
// tested through the binding, in tests/ops/test_cuda.py.
//   c++ -std=c++17 -O1 -I csrc csrc/tests/cuda_emulation.cpp -o cuda_emulation && ./cuda_emulation
// Prints one line a case; exits with 1 when any bound is broken. Add -fsanitize=address,undefined to watch
// the edges.
#include <string>

#include "core/beam.h"
#include "cuda/beam_state.cuh"
#include "cuda/product.cuh"
#include "cuda/rank.cuh"

using namespace pycap::cuda;
using pycap::Candidate;
using pycap::emulation::Order;

namespace {

int failures = 0;

void report(bool good, const std::string& line) {
  failures += !good;
  std::printf("%s %s\n", good ? "ok    " : "FAILED", line.c_str());
}

template <class T>
const char* name_of() {
  return std::is_same_v<T, float> ? "float32" : std::is_same_v<T, __half> ? "float16" : "bfloat16";
}

template <class T>
std::vector<T> draw(std::mt19937& random, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<T> values(count);
  for (T& value : values) value = from_float<T>(normal(random));
  return values;
}

// ---- products

template <class T>
struct ProductCall {
  int rows, columns, segments, depth;  // of the first segment; the second is half as deep
  bool wide;
  const T* left[2];
  const T* right[2];
  float* sums;   // (rows, columns)
  int* touched;  // (rows, columns) how often a sum was finished
};

template <class T>
struct TestProduct {
  const ProductCall<T>& call;

  TestProduct(const ProductCall<T>& call, int) : call(call) {}
  int rows() const { return call.rows; }
  int columns() const { return call.columns; }
  int segments(int) const { return call.segments; }
  int depth(int segment) const { return segment == 0 ? call.depth : call.depth / 2; }
  bool wide() const { return call.wide; }
  const T* left(int segment, int row) const { return call.left[segment] + size_t(row) * depth(segment); }
  const T* right(int segment, int column) const {
    return call.right[segment] + size_t(column) * depth(segment);
  }
  void finish(const Sums& sums) const {
    for_each_sum(sums, [&](int row, int column) {
      const size_t place = size_t(sums.first_row + row) * call.columns + sums.first_column + column;
      call.sums[place] = sums(row, column);
      ++call.touched[place];
    });
  }
};

struct ProductCase {
  const char* name;
  int rows, columns, segments, depth, few;  // few: columns a block computes where rows are few
  Order order;
};

template <class T>
void check_product(const ProductCase& c) {
  std::mt19937 random(3);
  const int depths[2] = {c.depth, c.depth / 2};
  std::vector<T> left[2], right[2];
  ProductCall<T> call{c.rows, c.columns, c.segments, c.depth, true, {}, {}, nullptr, nullptr};
  for (int s = 0; s < c.segments; ++s) {
    left[s] = draw<T>(random, size_t(c.rows) * depths[s]),
    right[s] = draw<T>(random, size_t(c.columns) * depths[s]);
    call.left[s] = left[s].data(), call.right[s] = right[s].data();
    call.wide = call.wide && depths[s] % kWide<T> == 0;
  }
  std::vector<float> sums(size_t(c.rows) * c.columns, NAN);
  std::vector<int> touched(sums.size(), 0);
  call.sums = sums.data(), call.touched = touched.data();
  std::string kernels;
  launch_product<T, TestProduct<T>>(
      call, 0, "test", c.rows, c.few,
      [&](const Geometry& g, const char*, auto kernel, const auto&... arguments) {
        kernels = sizeof...(arguments) == 2 ? "tiles" : "few";
        pycap::emulation::launch({g.grid_x, g.grid_y, kThreads, g.shared_bytes}, c.order,
                                 [&] { kernel(arguments...); });
      });
  double worst = 0;
  bool once = true;
  for (int row = 0; row < c.rows; ++row) {
    for (int column = 0; column < c.columns; ++column) {
      double exact = 0, size = 0;
      for (int s = 0; s < c.segments; ++s) {
        for (int k = 0; k < depths[s]; ++k) {
          const double term = double(to_float(left[s][size_t(row) * depths[s] + k])) *
                              to_float(right[s][size_t(column) * depths[s] + k]);
          exact += term, size += std::fabs(term);
        }
      }
      const size_t place = size_t(row) * c.columns + column;
      const double error = std::fabs(sums[place] - exact) / (size * 1e-6);
      worst = std::isnan(error) ? 1e9 : std::max(worst, error);
      once &= touched[place] == 1;
    }
  }
  char line[160];
  std::snprintf(line, sizeof line, "product %-12s %-8s %-5s %s, error %.2f of its bound", c.name,
                name_of<T>(), kernels.c_str(), once ? "every sum once" : "SUMS LEFT OUT OR REPEATED", worst);
  report(once && worst <= 1, line);
}

// The lanes of half a warp, which read 8 bytes each at once, must meet 16 different pairs of banks.
void check_banks() {
  bool good = true;
  for (int slice = 0; slice < kSlices; ++slice) {
    for (int half = 0; half < 2; ++half) {
      std::vector<int> pairs;
      for (int lane = 16 * half; lane < 16 * half + 16; ++lane) {
        const int g = lane / 4, t = lane % 4;
        pairs.push_back((chunk_place(g, slice * 2 + t / 2) + t % 2 * 8) / 8 % 16);
      }
      std::sort(pairs.begin(), pairs.end());
      good &= std::unique(pairs.begin(), pairs.end()) == pairs.end();
    }
  }
  report(good, "reads of a chunk meet no bank twice");
}

// ---- ranking

// Lists of `rows` x `columns` logits, merged, against a stable sort; few different values, so that many tie.
void check_ranking(int columns, int list_columns, int ranks, int different, Order order) {
  constexpr int kRows = 3;
  std::mt19937 random(5);
  const int lists = ceil_div(columns, list_columns);
  std::vector<float> logits(size_t{kRows} * columns), tops(kRows * lists), sums(kRows * lists);
  std::vector<Word> words(size_t{kRows} * ranks * lists);
  std::vector<uint8_t> barred(columns, 0);
  for (float& logit : logits)
    logit = 6.0f * static_cast<float>(random() % different) / static_cast<float>(different) - 3;
  for (int i = 0; i < columns / 10 + 1; ++i) barred[random() % columns] = 1;
  const WordLists out{ranks, lists, list_columns, tops.data(), sums.data(), words.data()};
  std::vector<Word> found(size_t{kRows} * ranks, Word{NAN, -2});
  std::vector<int> counts(kRows);
  std::vector<Softmax> softmax(kRows);
  pycap::emulation::launch({1, 1, 32 * kRows, 0}, order, [&] {
    const int row = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    for (int list = 0; list < lists; ++list) {
      const int first = list * list_columns;
      list_words(out, logits.data() + size_t(row) * columns + first, std::min(list_columns, columns - first),
                 first, barred.data(), row, list, lane);
    }
  });
  pycap::emulation::launch({1, 1, 32 * kRows, kRows * merge_bytes(lists)}, order, [&] {
    const int row = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    PYCAP_SHARED(shared);
    softmax[row] = merge_sums(out, row, lane);
    counts[row] = merge_lists(out, row, shared + row * merge_bytes(lists), lane,
                              [&](int rank, const Word& word) { found[size_t(row) * ranks + rank] = word; });
  });
  bool good = true;
  for (int row = 0; row < kRows; ++row) {
    const float* own = logits.data() + size_t(row) * columns;
    std::vector<int> tokens;
    double sum = 0;
    for (int token = 0; token < columns; ++token) {
      sum += std::exp(double(own[token]));
      if (!barred[token]) tokens.push_back(token);
    }
    std::stable_sort(tokens.begin(), tokens.end(), [&](int a, int b) { return own[a] > own[b]; });
    const auto expected = std::min(ranks, static_cast<int>(tokens.size()));
    good &=
        counts[row] == expected && std::fabs(softmax[row].top + softmax[row].log_sum - std::log(sum)) < 1e-5;
    for (int rank = 0; rank < expected; ++rank) {
      const Word& word = found[size_t(row) * ranks + rank];
      good &= word.token == tokens[rank] && word.logit == own[tokens[rank]];
    }
  }
  report(good, "ranking of " + std::to_string(columns) + " words in lists of " +
                   std::to_string(list_columns) + ", " + std::to_string(ranks) + " wanted, " +
                   std::to_string(different) + " different logits");
}

void check_beam_merge(int beams, int capacity, int most, Order order) {
  std::mt19937 random(11);
  std::vector<Candidate> lists(size_t(beams) * capacity), all, ranked(most);
  std::vector<int> counts(beams), taken(beams);
  for (int beam = 0; beam < beams; ++beam) {
    counts[beam] = static_cast<int>(random() % (capacity + 1));
    Candidate* own = lists.data() + size_t(beam) * capacity;
    for (int i = 0; i < counts[beam]; ++i) own[i] = {0.5f * static_cast<float>(random() % 6), beam, 10 * i};
    std::sort(own, own + counts[beam], pycap::ranks_before);
    all.insert(all.end(), own, own + counts[beam]);
  }
  std::sort(all.begin(), all.end(), pycap::ranks_before);
  all.resize(std::min(all.size(), static_cast<size_t>(most)));
  int found = -1;
  pycap::emulation::launch({1, 1, 32, 0}, order, [&] {
    const int lane = static_cast<int>(threadIdx.x);
    const int count =
        merge_beams(lists.data(), counts.data(), taken.data(), capacity, beams, ranked.data(), most, lane);
    if (lane == 0) found = count;
  });
  bool good = found == static_cast<int>(all.size());
  for (size_t i = 0; good && i < all.size(); ++i) {
    good = ranked[i].value == all[i].value && ranked[i].parent == all[i].parent &&
           ranked[i].token == all[i].token;
  }
  report(good, "merge of " + std::to_string(beams) + " beams");
}

// ---- books

// Random searches, kept by both implementations of the rules, step by step.
void check_books() {
  std::mt19937 random(13);
  bool good = true;
  int searches = 0, sentences = 0;
  for (int beam = 1; beam <= 6; ++beam) {
    for (int trial = 0; trial < 60; ++trial, ++searches) {
      const int length = 1 + static_cast<int>(random() % 7), n_best = 1 + static_cast<int>(random() % beam),
                end = 2;
      const pycap::SearchSettings settings{size_t(beam), size_t(length), size_t(n_best), 0.7, 1, end, 0};
      const pycap::LengthNorm norm(settings);
      pycap::BeamSearch search(settings, norm);
      std::vector<float> norms(length + 1);
      for (int words = 0; words <= length; ++words) norms[words] = float(std::pow(double(words + 1), 0.7));
      std::vector<float> totals(beam, NAN);
      std::vector<Link> links(size_t(length) * beam);
      std::vector<Ended> ended(n_best);
      Progress progress{};
      const SearchRules rules{beam, length, n_best, end, norms.data()};
      const BeamState state{&progress, totals.data(), links.data(), ended.data()};
      begin_search(state);
      for (bool on = true; on;) {
        std::vector<Candidate> ranked;
        const bool last = progress.words == length;
        for (int parent = 0; parent < progress.live; ++parent) {
          const float total = totals[parent];
          if (progress.words > 0) ranked.push_back({total - 0.25f * float(random() % 20), parent, end});
          for (int token = 3; !last && token < 12; ++token) {
            if (random() % 4 != 0) ranked.push_back({total - 0.25f * float(random() % 20), parent, token});
          }
        }
        std::sort(ranked.begin(), ranked.end(), pycap::ranks_before);
        if (ranked.size() > size_t(2 * beam)) ranked.resize(2 * beam);
        const bool theirs = search.advance(ranked.data(), ranked.size());
        on = advance_search(rules, state, ranked.data(), static_cast<int>(ranked.size()));
        good &= on == theirs && search.finished().size() == size_t(progress.ended);
        for (int n = 0; good && n < progress.ended; ++n, ++sentences) {
          const pycap::Finished& other = search.finished()[n];
          good &= other.score == ended[n].score && other.log_prob == ended[n].log_prob &&
                  other.words == size_t(ended[n].words) && other.beam == ended[n].beam;
        }
        for (size_t row = 0; on && good && row < search.live(); ++row) {
          const Link link = links[size_t(progress.words - 1) * beam + row];
          good &= search.live() == size_t(progress.live) && search.total(row) == totals[row] &&
                  search.token(row) == link.token && search.parent(row) == link.parent;
        }
        if (!good) on = false;
      }
    }
  }
  report(good && sentences > 0,
         "books of " + std::to_string(searches) + " searches as core/beam.h keeps them");
}

}  // namespace

int main() {
  const ProductCase cases[] = {
      {"one sum", 1, 1, 1, 1, 16, Order::kForward},       {"a tile", 128, 128, 1, 64, 16, Order::kBackward},
      {"ragged", 133, 131, 1, 40, 16, Order::kShuffled},  {"two depths", 70, 40, 2, 72, 16, Order::kForward},
      {"odd", 37, 19, 2, 50, 16, Order::kShuffled},       {"deep", 40, 24, 1, 512, 16, Order::kBackward},
      {"few", 5, 48, 1, 128, 16, Order::kForward},        {"few ragged", 13, 50, 2, 64, 16, Order::kShuffled},
      {"few lists", 32, 200, 1, 64, 128, Order::kForward}};
  for (const ProductCase& c : cases) {
    check_product<float>(c);
    check_product<__nv_bfloat16>(c);
    check_product<__half>(c);
  }
  check_banks();
  check_ranking(1000, 128, 10, 1 << 20, Order::kForward);
  check_ranking(517, 80, 10, 9, Order::kShuffled);
  check_ranking(300, 128, 6, 1, Order::kBackward);
  check_ranking(7, 128, 10, 3, Order::kForward);
  check_ranking(4500, 16, 40, 50, Order::kForward);
  check_beam_merge(5, 11, 10, Order::kForward);
  check_beam_merge(40, 5, 64, Order::kShuffled);
  check_beam_merge(1, 3, 2, Order::kBackward);
  check_books();
  std::printf("%d failed\n", failures);
  return failures != 0;
}
