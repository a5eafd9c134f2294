// Lists every launch of a search and of a sequence: kernel, grid, shared memory. The test compiles this
// twice, by nvcc and by the host's compiler, runs both on the host and compares: nvcc replaces a device
// function by a call of exit() when host code in a template calls it, and says nothing.
#include <cstdio>
#include <cstring>

#include "cuda/attend_lstm_backward.cuh"
#include "cuda/persistent.cuh"

using namespace pycap::cuda;

namespace {

struct List {
  template <class Kernel, class... Arguments>
  void operator()(const Geometry& geometry, const char* name, Kernel kernel,
                  const Arguments&... arguments) const {
    std::printf("%s %u x %u, %zu bytes, %zu arguments%s\n", name, geometry.grid_x, geometry.grid_y,
                geometry.shared_bytes, sizeof...(arguments), kernel == nullptr ? ", no kernel" : "");
  }
};

template <class T>
void list(const char* name, bool wide) {
  for (const int images : {1, 3, 40}) {
    std::printf("%s, %d images, %s\n", name, images, wide ? "wide" : "not wide");
    BeamSearchCall search{};
    search.images = images, search.regions = 49, search.vocab_size = 300, search.beam = 5,
    search.max_length = 3;
    search.n_best = 1, search.feature_dim = search.hidden_dim = search.attention_dim = search.embed_dim = 64;
    search.wide = wide, search.ranks = 10, search.list_columns = 128, search.lists = 3;
    std::printf("%zu bytes of workspace\n", lay_out_search<T>(search, nullptr));
    launch_begin<T>(search, List{});
    launch_steps<T>(search, List{});
    launch_product<T, Folds<T>>(search, 0, "folds", images * search.regions, kFewColumns, List{});
    std::printf("%zu bytes for the persistent kernel\n", residence_of<T>(search, 8, 1, 48, 7).end);

    AttendLSTMGradients sequence{};
    sequence.batch = 5 * images, sequence.images = images, sequence.time = 2, sequence.regions = 49;
    sequence.feature_dim = sequence.hidden_dim = sequence.attention_dim = 64, sequence.wide = wide;
    launch_forward<T>(sequence, List{});
    launch_backward<T>(sequence, List{});
  }
}

}  // namespace

int main() {
  list<__nv_bfloat16>("bfloat16", true);
  list<__nv_bfloat16>("bfloat16", false);
  std::printf("done\n");
}
