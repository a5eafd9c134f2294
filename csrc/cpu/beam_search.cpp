#include "cpu/beam_search.h"

#include <algorithm>

#include "cpu/pool.h"
#include "cpu/search_group.h"

namespace pycap {
namespace {

constexpr size_t kRowsPerGroup = 96;    // rows that share one reading of the weights
constexpr size_t kImagesPerThread = 2;  // from here on threads take whole images instead of columns

}  // namespace

bool search_beams(const Decoder& decoder, const RegionBatch& batch, const SearchSettings& settings,
                  const uint8_t* barred, size_t threads, const SearchOutput& output) {
  if (batch.images == 0) return true;
  threads = threads == 0 ? thread_count() : std::min(threads, thread_count());
  SearchCall call{decoder, batch, settings, barred, output, LengthNorm(settings)};
  const size_t most = std::max<size_t>(1, kRowsPerGroup / settings.beam);  // images of a group
  if (threads == 1 || batch.images < threads * kImagesPerThread) {
    SearchGroup(call, std::min(batch.images, most), threads).run();
  } else {
    const size_t slots = std::min((batch.images + threads - 1) / threads, most);
    parallel_for(threads, [&](size_t) { SearchGroup(call, slots, 1).run(); });
  }
  return call.finite;
}

}  // namespace pycap
