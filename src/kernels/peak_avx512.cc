// The peak loops for avx512.
#define LAMINA_ISA avx512
#define LAMINA_VECTOR_BYTES 64
#include "kernels/peak-inl.h"
