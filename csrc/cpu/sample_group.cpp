#include "cpu/sample_group.h"

#include "cpu/isa.h"

namespace pycap {

SampleGroup::SampleGroup(SampleCall& call, size_t slots, Team& team)
    : DecodeGroup(call, slots, team), call_(call), images_(slots) {
  const size_t rows = slots * call.settings.samples;
  for (Image& image : images_) image.live.reserve(call.settings.samples);
  draw_rows_.reserve(rows);
  keys_.reserve(rows);
  draw_.mask = call.mask;
  draw_.end = call.settings.end;
  draw_.temperature = call.settings.temperature;
  draw_.sharpness = 1 / call.settings.temperature;
  arena_.plan(draw_.best, tiles_ * rows);
  commit();
}

void SampleGroup::begin(size_t slot) {
  const SampleSettings& settings = call_.settings;
  const size_t image = slots_[slot].image, first = image * settings.samples;
  const NoiseKey noise = absorb(seed_noise(settings.seed), static_cast<uint32_t>(image));
  Image& state = images_[slot];
  state.words = 0;
  state.live.clear();
  for (uint32_t sample = 0; sample < settings.samples; ++sample)
    state.live.push_back(
        {absorb(noise, sample), 0, settings.start, static_cast<uint32_t>(first) + sample, 0});
  std::fill_n(call_.output.tokens + first * settings.max_length, settings.samples * settings.max_length,
              settings.pad);
}

void SampleGroup::extend(size_t slot, uint32_t parents) {
  for (const Sentence& sentence : images_[slot].live) append(sentence.token, parents + sentence.last_row);
}

void SampleGroup::predict() {
  draw_rows_.clear();
  keys_.clear();
  for (size_t s = 0; s < slots_.size(); ++s) {  // in the order of rows_
    if (!slots_[s].busy) continue;
    Image& image = images_[s];
    image.first_draw = keys_.size();
    const uint32_t live = static_cast<uint32_t>(image.live.size());
    const uint32_t each = slots_[s].fresh ? live : 1;  // the first word of all is drawn from one row
    for (uint32_t draw = 0; draw < live; draw += each)
      draw_rows_.push_back({static_cast<uint32_t>(image.first_draw) + draw, each, image.words > 0});
    for (const Sentence& sentence : image.live)
      keys_.push_back(absorb(sentence.noise, static_cast<uint32_t>(image.words)));
  }
  draw_.rows = draw_rows_.data();
  draw_.keys = keys_.data();
  draw_.draws = keys_.size();
  team_.cut(tiles_, [&](size_t begin, size_t end, size_t task) {
    PYCAP_DISPATCH(draw_words(view_, draw_, begin, end, task));
  });
}

bool SampleGroup::advance(size_t slot) {
  const SampleSettings& settings = call_.settings;
  Image& image = images_[slot];
  size_t going = 0;
  for (size_t i = 0; i < image.live.size(); ++i) {
    Sentence sentence = image.live[i];
    const size_t row = slots_[slot].fresh ? 0 : i;
    const Drawn drawn = pick(image.first_draw + i);
    const Softmax softmax = merge_tiles(slots_[slot].first_row + row, draw_.sharpness);
    sentence.log_prob += (drawn.logit - softmax.top) * draw_.sharpness - softmax.log_sum;
    if (drawn.word == settings.end) {
      finish(sentence, image.words, true);
      continue;
    }
    sentence.token = drawn.word;
    sentence.last_row = static_cast<uint32_t>(row);
    call_.output.tokens[sentence.place * settings.max_length + image.words] = drawn.word;
    image.live[going++] = sentence;
  }
  image.live.resize(going);
  if (++image.words < settings.max_length) return going > 0;
  for (const Sentence& sentence : image.live) finish(sentence, image.words, false);
  return false;
}

Drawn SampleGroup::pick(size_t draw) const {
  Drawn best = draw_.best[draw];
  for (size_t tile = 1; tile < tiles_; ++tile) {
    const Drawn& other = draw_.best[tile * draw_.draws + draw];
    if (other.score > best.score) best = other;
  }
  return best;
}

void SampleGroup::finish(const Sentence& sentence, size_t words, bool ended) {
  call_.output.lengths[sentence.place] = static_cast<int64_t>(words);
  call_.output.log_probs[sentence.place] = sentence.log_prob;
  call_.output.ended[sentence.place] = ended;
}

}  // namespace pycap
