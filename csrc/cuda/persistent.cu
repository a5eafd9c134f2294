#include "cuda/persistent.cuh"

namespace pycap::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, 1) barriers_only(uint32_t* arrived, int rounds) {
  uint32_t target = 0;
  for (int round = 0; round < rounds; ++round) grid_barrier(arrived, target);
}

__global__ void __launch_bounds__(kThreads, 1) zero(uint32_t* number) {
  if (threadIdx.x == 0) *number = 0;
}

// Tiles of 8 rows that a thread's registers hold: floats take a register each, pairs of halves another.
template <class T>
int row_tiles(const BeamSearchCall& call) {
  const int rows = call.images * call.beam;
  if (rows <= 8) return 1;
  return sizeof(T) == 4 ? 2 : rows <= 32 ? 4 : 8;
}

template <class T>
bool fits(const BeamSearchCall& call, const Limits& limits) {
  for (const int depth : {call.feature_dim, call.hidden_dim, call.attention_dim, call.embed_dim})
    if (depth % kChunk<T> != 0) return false;
  const int columns = resident_columns(call.vocab_size, limits.processors);
  if (columns > kListColumns) return false;
  const int lists = ceil_div(call.vocab_size, columns);
  return residence_of<T>(call, limits.processors, row_tiles<T>(call), columns, lists).end <=
         limits.shared_bytes;
}

template <class T>
void start(const BeamSearchCall& call, const Launcher& launch) {
  launch_product<T, Folds<T>>(call, 0, "folds", call.images * call.regions, kFewColumns, launch);
  const int tiles = row_tiles<T>(call);
  const Geometry geometry{static_cast<unsigned>(call.blocks), 1,
                          residence_of<T>(call, call.blocks, tiles, call.list_columns, call.lists).end};
  const char* name = "search_in_place";
  if (tiles == 1) return launch.together(geometry, name, search_in_place<T, 1>, call);
  if constexpr (sizeof(T) == 4) {
    launch.together(geometry, name, search_in_place<T, 2>, call);
  } else {
    if (tiles == 4) return launch.together(geometry, name, search_in_place<T, 4>, call);
    launch.together(geometry, name, search_in_place<T, 8>, call);
  }
}

}  // namespace

int persistent_blocks(const BeamSearchCall& call, DType dtype, int device) {
  if (!call.persistent || !call.wide || call.images == 0 || call.images > persistent_rows(dtype) / call.beam)
    return 0;
  const Limits limits = limits_of(device);
  if (!limits.cooperative) return 0;
  const bool fit = with_type(dtype, [&](auto type) { return fits<decltype(type)>(call, limits); });
  return fit ? limits.processors : 0;
}

void wait_at_barriers(uint32_t* arrived, int rounds, int device, void* stream) {
  const DeviceGuard guard(device);
  const Launcher launch("wait_at_barriers", "rounds=" + std::to_string(rounds), stream);
  launch(Geometry{1, 1, 0}, "zero", zero, arrived);
  const auto blocks = static_cast<unsigned>(limits_of(device).processors);
  launch.together(Geometry{blocks, 1, 0}, "barriers_only", barriers_only, arrived, rounds);
}

void search_persistently(const BeamSearchCall& call, DType dtype, const Launcher& launch) {
  with_type(dtype, [&](auto type) { start<decltype(type)>(call, launch); });
}

}  // namespace pycap::cuda
