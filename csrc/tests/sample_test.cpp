// Sampling: same draws for every thread count and batch, from several callers at once, on odd sizes.
#include "cpu/sample.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include "cpu/isa.h"
#include "cpu/pool.h"
#include "cpu/sample_kernel.h"
#include "tests/check.h"
#include "tests/decoder_model.h"

namespace {

using namespace pycap;

struct Result {
  std::vector<int64_t> tokens, lengths;
  std::vector<float> log_probs;
  std::vector<char> ended;

  bool operator==(const Result& other) const {
    return tokens == other.tokens && lengths == other.lengths && log_probs == other.log_probs &&
           ended == other.ended;
  }
};

Result sample(const Decoder& decoder, const std::vector<float>& features, size_t images, size_t regions,
              const SampleSettings& settings) {
  const size_t sentences = images * settings.samples;
  Result result{std::vector<int64_t>(sentences * settings.max_length, -7),
                std::vector<int64_t>(sentences, -7),
                std::vector<float>(sentences, NAN),
                {}};
  std::vector<uint8_t> barred(decoder.sizes().vocab_size, 0);
  for (size_t token : {0, 1, 3}) barred[token] = 1;
  std::unique_ptr<bool[]> ended(new bool[sentences]);
  const SampleOutput output{result.tokens.data(), result.lengths.data(), result.log_probs.data(),
                            ended.get()};
  CHECK(sample_captions(decoder, {features.data(), images, regions}, settings, barred.data(), 0, output));
  result.ended.assign(ended.get(), ended.get() + sentences);
  for (size_t i = 0; i < sentences; ++i) {
    CHECK(result.lengths[i] >= 1 && result.lengths[i] <= static_cast<int64_t>(settings.max_length));
    CHECK(result.ended[i] || result.lengths[i] == static_cast<int64_t>(settings.max_length));
    CHECK(result.log_probs[i] <= 0.001f);
    for (int64_t word = 0; word < static_cast<int64_t>(settings.max_length); ++word) {
      const int64_t token = result.tokens[i * settings.max_length + word];
      CHECK(word < result.lengths[i] ? token > 3 : token == settings.pad);
    }
  }
  return result;
}

void check_shape(const DecoderSizes& sizes, size_t images, size_t regions, const SampleSettings& settings) {
  std::mt19937 random(1);
  Model model{sizes, {}};
  model.arrays.reserve(20);
  const Decoder decoder = model.pack(random);
  const std::vector<float> features = draw<float>(random, images * regions * sizes.feature_dim);
  set_thread_count(1);
  const Result expected = sample(decoder, features, images, regions, settings);
  for (size_t threads : {2, 3, 5}) {
    set_thread_count(threads);
    CHECK(sample(decoder, features, images, regions, settings) == expected);
  }
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] { CHECK(sample(decoder, features, images, regions, settings) == expected); });
  for (std::thread& caller : callers) caller.join();
  const size_t first = sizes.feature_dim * regions;  // the first image alone: it keeps its place
  const std::vector<float> head(features.begin(), features.begin() + first);
  const Result alone = sample(decoder, head, 1, regions, settings);
  CHECK(std::equal(alone.log_probs.begin(), alone.log_probs.end(), expected.log_probs.begin()));
  CHECK(std::equal(alone.tokens.begin(), alone.tokens.end(), expected.tokens.begin()));
}

void check_noise() {
  std::mt19937 random(2);
  std::vector<uint32_t> bits{0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  for (int i = 0; i < 4000; ++i) bits.push_back(random() >> (i % 32));
  std::vector<float> noise(bits.size(), NAN);
  PYCAP_DISPATCH(gumbel_noise(bits.data(), noise.data(), bits.size()));
  for (size_t i = 0; i < bits.size(); ++i) {
    const float uniform = std::min((static_cast<float>(bits[i] >> 1) + 0.5f) / 2147483648.0f, 1 - 0x1p-24f);
    const double exact = -std::log(-std::log1p(-static_cast<double>(uniform)));
    CHECK(std::abs(noise[i] - exact) <= 3e-7 + 6e-8 * std::abs(exact));
  }
}

}  // namespace

int main() {
  check_noise();
  check_shape({300, 40, 65, 33, 50}, 7, 9, {3, 6, 5, 1.0f, 1, 2, 0});   // folded
  check_shape({131, 32, 32, 32, 32}, 2, 40, {2, 5, 6, 0.3f, 1, 2, 0});  // multiplied each step
  check_shape({5, 1, 1, 1, 1}, 3, 1, {4, 3, 7, 2.0f, 1, 2, 0});         // one word to draw, all widths 1
  check_shape({40, 7, 5, 3, 2}, 26, 2, {7, 4, uint64_t{1} << 63, 1.0f, 1, 2, 0});  // images come and go
  check_shape({40, 7, 5, 3, 2}, 3, 2, {130, 4, 9, 1.0f, 1, 2, 0});                 // an image is a group
  std::puts("sample: ok");
}
