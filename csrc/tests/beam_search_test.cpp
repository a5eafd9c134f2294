// The beam search: same results for every thread count and batch, from several callers at once, on odd sizes.
#include "cpu/beam_search.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "cpu/pool.h"
#include "tests/check.h"
#include "tests/decoder_model.h"

namespace {

using namespace pycap;

struct Result {
  std::vector<int64_t> tokens, lengths;
  std::vector<float> scores, log_probs, attention;

  bool operator==(const Result& other) const {
    return tokens == other.tokens && lengths == other.lengths && scores == other.scores &&
           log_probs == other.log_probs && attention == other.attention;
  }
};

Result search(const Decoder& decoder, const std::vector<float>& features, size_t images, size_t regions,
              const SearchSettings& settings) {
  const size_t sentences = images * settings.n_best, words = sentences * settings.max_length;
  Result result{std::vector<int64_t>(words, -7), std::vector<int64_t>(sentences, -7),
                std::vector<float>(sentences, NAN), std::vector<float>(sentences, NAN),
                std::vector<float>(words * regions, NAN)};
  std::vector<uint8_t> barred(decoder.sizes().vocab_size, 0);
  for (size_t token : {0, 1, 2, 3}) barred[token] = 1;
  const SearchOutput output{result.tokens.data(), result.lengths.data(), result.scores.data(),
                            result.log_probs.data(), result.attention.data()};
  CHECK(search_beams(decoder, {features.data(), images, regions}, settings, barred.data(), 0, output));
  for (int64_t token : result.tokens) CHECK(token == 0 || token > 3);
  for (float value : result.attention) CHECK(value >= 0 && value <= 1.0001f);
  return result;
}

void check_shape(const DecoderSizes& sizes, size_t images, size_t regions, const SearchSettings& settings,
                 Precision precision = Precision::float32) {
  std::mt19937 random(1);
  Model model{sizes, {}};
  model.arrays.reserve(20);
  const Decoder decoder = model.pack(random, precision);
  const std::vector<float> features = draw<float>(random, images * regions * sizes.feature_dim);
  set_thread_count(1);
  const Result expected = search(decoder, features, images, regions, settings);
  for (size_t threads : {2, 3, 5}) {
    set_thread_count(threads);
    CHECK(search(decoder, features, images, regions, settings) == expected);
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] { CHECK(search(decoder, features, images, regions, settings) == expected); });
  for (std::thread& caller : callers) caller.join();
  const size_t first = sizes.feature_dim * regions;  // the last image alone
  const std::vector<float> last(features.end() - first, features.end());
  const Result alone = search(decoder, last, 1, regions, settings);
  CHECK(std::equal(alone.scores.begin(), alone.scores.end(), expected.scores.end() - settings.n_best));
  CHECK(std::equal(alone.tokens.begin(), alone.tokens.end(), expected.tokens.end() - alone.tokens.size()));
}

}  // namespace

int main() {
  check_shape({300, 40, 65, 33, 50}, 7, 9, {3, 6, 2, 0.7, 1, 2, 0});   // folded
  check_shape({131, 32, 32, 32, 32}, 2, 40, {2, 5, 1, 0.0, 1, 2, 0});  // multiplied each step
  check_shape({5, 1, 1, 1, 1}, 3, 1, {4, 3, 4, 1.0, 1, 2, 0});         // one word to emit, all widths 1
  check_shape({40, 7, 5, 3, 2}, 26, 2, {1, 4, 1, 0.7, 1, 2, 0});  // greedy, more images than rows at once
  check_shape({300, 64, 128, 64, 64}, 7, 9, {3, 6, 2, 0.7, 1, 2, 0}, Precision::int8);    // whole AMX tiles
  check_shape({300, 64, 128, 64, 64}, 20, 40, {2, 5, 1, 0.7, 1, 2, 0}, Precision::int8);  // many rows
  check_shape({131, 40, 65, 33, 50}, 7, 9, {3, 6, 2, 0.7, 1, 2, 0}, Precision::int8);     // odd depths
  check_shape({5, 1, 1, 1, 1}, 3, 1, {4, 3, 4, 1.0, 1, 2, 0}, Precision::int8);
  std::puts("beam_search: ok");
}
