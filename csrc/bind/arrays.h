// Named numpy arguments: checked for presence, dtype, shape and layout, then seen as plain pointers.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "bind/shape.h"

namespace pycap {

// The keyword arguments of one call. They stay alive, and their pointers valid, as long as this object.
class Arrays {
 public:
  explicit Arrays(pybind11::kwargs arrays) : arrays_(std::move(arrays)) {}

  pybind11::array get(const char* name) const {
    if (!arrays_.contains(name)) throw pybind11::type_error(std::string("missing array ") + name);
    pybind11::object value = arrays_[name];
    if (!pybind11::isinstance<pybind11::array>(value))
      throw pybind11::type_error(std::string(name) + " must be a numpy array");
    return pybind11::reinterpret_borrow<pybind11::array>(value);
  }

  // Size of one axis, for the arguments that define a dimension.
  size_t size(const char* name, int axis) const {
    pybind11::array array = get(name);
    if (axis >= array.ndim()) throw pybind11::value_error(std::string(name) + " has too few axes");
    return static_cast<size_t>(array.shape(axis));
  }

  template <class T>
  const T* read(const char* name, std::initializer_list<Dim> shape) const {
    return static_cast<const T*>(check<T>(name, shape).data());
  }

  template <class T>
  T* write(const char* name, std::initializer_list<Dim> shape) const {
    return static_cast<T*>(check<T>(name, shape).mutable_data());  // throws when read-only
  }

 private:
  template <class T>
  pybind11::array check(const char* name, std::initializer_list<Dim> shape) const {
    pybind11::array array = get(name);
    bool fits = array.ndim() == static_cast<pybind11::ssize_t>(shape.size());
    int axis = 0;
    for (const Dim& dim : shape) {
      fits = fits && (dim.size < 0 || array.shape(axis) == dim.size);
      ++axis;
    }
    if (!fits)
      throw pybind11::value_error(std::string(name) + " must be " + describe(shape) + ", got " +
                                  std::string(pybind11::str(array.attr("shape"))));
    pybind11::dtype wanted = pybind11::dtype::of<T>();
    if (!array.dtype().is(wanted) && !array.dtype().equal(wanted))
      throw pybind11::value_error(std::string(name) + " must be " + std::string(pybind11::str(wanted)) +
                                  ", got " + std::string(pybind11::str(array.dtype())));
    if (!(array.flags() & pybind11::array::c_style))
      throw pybind11::value_error(std::string(name) +
                                  " must be contiguous, row by row; pass a contiguous copy");
    return array;
  }

  pybind11::kwargs arrays_;
};

}  // namespace pycap
