// The shape an argument must have, in named dimensions, and how a message writes it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace pycap {

struct Dim {
  const char* name;
  int64_t size;  // negative: any
};

// "(batch=8, regions=49, attention_dim)"
inline std::string describe(std::initializer_list<Dim> shape) {
  std::string text;
  for (const Dim& dim : shape) {
    text += (text.empty() ? "(" : ", ") + std::string(dim.name);
    if (dim.size >= 0) text += "=" + std::to_string(dim.size);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace pycap
