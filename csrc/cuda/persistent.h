// Beam search in one kernel that stays on the GPU: every block keeps its share of the weights in shared
// memory for all steps and waits for the others between phases. For few rows, where launches and weight reads
// are all the time.
#pragma once

#include "cuda/beam_search.h"
#include "cuda/launcher.cuh"

namespace pycap::cuda {

// Rows, images * beam, at most: more would not leave enough registers.
constexpr int persistent_rows(DType dtype) { return dtype == DType::kFloat32 ? 16 : 64; }

// Words that a block keeps: whole tiles of 16, at most 128 where the search can be persistent.
constexpr int resident_columns(int columns, int blocks) {
  return 16 * ceil_div(ceil_div(columns, 16), blocks);
}

// Blocks of a persistent search; 0 where it is not wanted or does not fit.
int persistent_blocks(const BeamSearchCall& call, DType dtype, int device);

// Starts it, after launch_begin.
void search_persistently(const BeamSearchCall& call, DType dtype, const Launcher& launch);

}  // namespace pycap::cuda
