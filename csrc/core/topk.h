// A short list of the best candidates, kept sorted: what a search remembers of a large vocabulary.
//
// Every function has internal linkage, so that kernel sources compiled for several instruction sets may
// include this without the linker mixing their copies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pycap {

struct Candidate {
  float value;     // log-probability or logit
  int32_t parent;  // beam it continues
  int32_t token;
};

// Order of candidates: larger value, then lower parent, then lower token.
static inline bool ranks_before(const Candidate& a, const Candidate& b) {
  if (a.value != b.value) return a.value > b.value;
  if (a.parent != b.parent) return a.parent < b.parent;
  return a.token < b.token;
}

// Insert into the sorted list of at most `capacity` candidates; the worst falls off. Returns the new count.
static inline size_t insert_candidate(Candidate* list, size_t count, size_t capacity,
                                      const Candidate& fresh) {
  if (count == capacity) {
    if (count == 0 || !ranks_before(fresh, list[count - 1])) return count;
    --count;
  }
  size_t place = count;
  for (; place > 0 && ranks_before(fresh, list[place - 1]); --place) list[place] = list[place - 1];
  list[place] = fresh;
  return count + 1;
}

}  // namespace pycap
