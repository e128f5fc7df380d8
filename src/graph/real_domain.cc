// Between tensors and the arrays of the interpreter over doubles.
#include "graph/real_domain.h"

namespace lamina {

Array<double> to_array(const Tensor& tensor) {
  Array<double> array{tensor.dtype(), tensor.shape(), {}, {}, !traits(tensor.dtype()).is_float};
  if (array.is_whole) {
    array.whole = tensor.to_integers();
  } else {
    array.real = tensor.to_doubles();
  }
  return array;
}

Tensor to_tensor(const Array<double>& array, DType dtype) {
  if (array.is_whole) return Tensor::from_integers(dtype, array.shape, array.whole);
  return Tensor::from_doubles(dtype, array.shape, array.real);
}

}  // namespace lamina
