// A whole beam search on the GPU: what it is given, where it works, what it leaves.
// This header has no CUDA in it: the binding and the host emulation read it with any C++ compiler.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/dtype.h"

namespace pycap::cuda {

struct Word;
struct Link;
struct Ended;
struct Progress;

// What fits the shared memory of a block that keeps an image's books.
constexpr int kMaxLists = 1024;  // of 128 words each
constexpr int kMaxBeam = 32;
constexpr int kMaxLength = 1024;

// Every tensor is contiguous and on one device; those without a type are of the call's dtype.
struct BeamSearchCall {
  int images, regions, feature_dim, hidden_dim, attention_dim, embed_dim, vocab_size;
  int beam, max_length, n_best, start, end, pad;
  bool wide;        // all rows of all matrices start on 16-byte boundaries
  bool persistent;  // whether one kernel may do all steps, where weights and rows fit

  const void* features;           // (images, regions, feature_dim)
  const void* embedding;          // (vocab_size, embed_dim)
  const void* word_gates;         // (vocab_size, 4 * hidden_dim): embedding @ input + input_bias
  const void* key;                // (attention_dim, feature_dim)
  const void* key_bias;           // (attention_dim,)
  const void* query;              // (attention_dim, hidden_dim)
  const void* score;              // (attention_dim,)
  const void* gate;               // (hidden_dim,)
  const void* gate_bias;          // (1,)
  const void* context;            // (4 * hidden_dim, feature_dim)
  const void* recurrent;          // (4 * hidden_dim, hidden_dim)
  const void* initial;            // (2 * hidden_dim, feature_dim): hidden, then cell
  const void* initial_bias;       // (2 * hidden_dim,)
  const void* output_hidden;      // (embed_dim, hidden_dim)
  const void* output_context;     // (embed_dim, feature_dim)
  const void* output_bias;        // (embed_dim,)
  const void* output;             // (vocab_size, embed_dim)
  const void* output_vocab_bias;  // (vocab_size,)
  const float* norms;             // (max_length + 1,)
  const uint8_t* barred;          // (vocab_size,) 1 where a word is never emitted, and at END

  int64_t* tokens;      // (images, n_best, max_length)
  int64_t* lengths;     // (images, n_best)
  float* scores;        // (images, n_best)
  float* log_probs;     // (images, n_best)
  float* attention;     // (images, n_best, max_length, regions)
  int32_t* not_finite;  // (1,) becomes 1 when a probability is NaN or an image has no sentence

  // Workspace, placed by lay_out. Rows are image * beam + beam unless said otherwise; a packed row counts the
  // live images only, in the order of `active`.
  void* keys;         // (images, regions, attention_dim)
  void* mean;         // (images, feature_dim)
  void* hidden[2];    // (images * beam, hidden_dim), of even and odd steps
  float* cell[2];     // (images * beam, hidden_dim)
  float* queries;     // (images * beam, attention_dim)
  void* contexts;     // (packed rows, feature_dim)
  void* mixed;        // (packed rows, embed_dim)
  float* end_logits;  // (packed rows,)
  float* tops;        // (packed rows, lists)
  float* sums;        // (packed rows, lists)
  Word* words;        // (packed rows, ranks, lists)
  int ranks, lists, list_columns;
  float* history;      // (max_length, images * beam, regions)
  float* totals;       // (images, beam)
  Link* links;         // (images, max_length, beam)
  Ended* ended;        // (images, n_best)
  Progress* progress;  // (images,)
  int32_t* active;     // (max_length + 2, images): images that search on, by step
  int32_t* counts;     // (max_length + 2,): how many
  int blocks;          // of the persistent kernel; 0: a few launches a step
  void* cell_folds;  // persistent: (images, regions, 4 * hidden_dim) features @ context, gates of a unit side
                     // by side
  void* deep_folds;  // persistent: (images, regions, embed_dim) features @ output_context
  float* energies;   // persistent: (packed rows, regions)
  float* betas;      // persistent: (packed rows,)
  uint32_t* barrier;  // persistent: (1,) blocks that have arrived, ever
};

// Decides how the search runs on `device`, places the workspace at `memory` and returns its bytes; with null,
// only the bytes and the decision are right.
size_t lay_out(BeamSearchCall& call, void* memory, DType dtype, int device);

// Puts the whole search on `stream` of `device` and returns without waiting. Throws std::runtime_error naming
// the kernel and the shapes when a launch is refused.
void beam_search(const BeamSearchCall& call, DType dtype, int device, void* stream);

// Puts one kernel on `stream` that waits at `rounds` grid barriers, on all multiprocessors: what a barrier
// costs. `arrived` is one number in the GPU's memory.
void wait_at_barriers(uint32_t* arrived, int rounds, int device, void* stream);

}  // namespace pycap::cuda
