// What the test programs share: CHECK, and random values that are the same everywhere.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

namespace pycap {

template <class T>
std::vector<T> draw(std::mt19937& random, size_t count, double scale = 1) {
  std::uniform_real_distribution<double> uniform(-scale, scale);
  std::vector<T> values(count);  // exactly as long as needed: the sanitizer sees every step too far
  for (T& value : values) value = static_cast<T>(uniform(random));
  return values;
}

}  // namespace pycap
