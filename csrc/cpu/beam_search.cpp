#include "cpu/beam_search.h"

#include "cpu/search_group.h"

namespace pycap {

bool search_beams(const Decoder& decoder, const RegionBatch& batch, const SearchSettings& settings,
                  const uint8_t* barred, size_t threads, const SearchOutput& output) {
  SearchCall call{{decoder, batch, settings.beam, settings.max_length, settings.start},
                  settings,
                  barred,
                  output,
                  LengthNorm(settings)};
  return decode_images<SearchGroup>(call, threads);
}

}  // namespace pycap
