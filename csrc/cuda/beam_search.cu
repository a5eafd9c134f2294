#include <algorithm>

#include "cuda/beam_search.cuh"
#include "cuda/launcher.cuh"
#include "cuda/persistent.h"

namespace pycap::cuda {
namespace {

std::string shapes(const BeamSearchCall& call) {
  std::ostringstream text;
  text << "images=" << call.images << ", regions=" << call.regions << ", feature_dim=" << call.feature_dim
       << ", hidden_dim=" << call.hidden_dim << ", attention_dim=" << call.attention_dim
       << ", embed_dim=" << call.embed_dim << ", vocab_size=" << call.vocab_size << ", beam=" << call.beam
       << ", max_length=" << call.max_length;
  return text.str();
}

}  // namespace

size_t lay_out(BeamSearchCall& call, void* memory, DType dtype, int device) {
  call.ranks = std::min(2 * call.beam, call.vocab_size);
  call.blocks = persistent_blocks(call, dtype, device);
  call.list_columns = call.blocks > 0 ? resident_columns(call.vocab_size, call.blocks) : kListColumns;
  call.lists = ceil_div(call.vocab_size, call.list_columns);
  return with_type(dtype, [&](auto type) { return lay_out_search<decltype(type)>(call, memory); });
}

void beam_search(const BeamSearchCall& call, DType dtype, int device, void* stream) {
  if (call.images == 0) return;
  const DeviceGuard guard(device);
  const Launcher launch("beam_search", shapes(call), stream);
  with_type(dtype, [&](auto type) {
    launch_begin<decltype(type)>(call, launch);
    if (call.blocks == 0) launch_steps<decltype(type)>(call, launch);
  });
  if (call.blocks > 0) search_persistently(call, dtype, launch);
}

}  // namespace pycap::cuda
