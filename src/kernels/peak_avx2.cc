// The peak loops for avx2.
#define LAMINA_ISA avx2
#define LAMINA_VECTOR_BYTES 32
#include "kernels/peak-inl.h"
