// Prelude text: what only a GPU has.
#include "exec/cuda/prelude.h"

namespace lamina::cuda {

// Register layouts of mma.sync (PTX ISA, "Warp-level matrix instructions"), g = lane / 4 and
// t = lane % 4: c[0..1] are row g, columns 2t and 2t + 1, c[2..3] the same of row g + 8.
// m16n8k16: a[0] is row g, k = 2t and 2t + 1; a[1] row g + 8; a[2], a[3] the same of k + 8; b[0] is
// column g, k = 2t and 2t + 1; b[1] the same of k + 8.
// m16n8k8 (tf32): a[0] is row g, k = t; a[1] row g + 8; a[2], a[3] the same of k + 4; b[0] is
// column g, k = t; b[1] of k + 4.
const std::string_view kIntrinsics = R"lm(
#pragma nv_diag_suppress 177, 550
#define LM static __device__ __forceinline__
#define LM_KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#define LM_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#define LM_SYNC() __syncthreads()
LM int lm_thread() { return (int)threadIdx.x; }
LM long lm_block() { return (long)blockIdx.x; }
LM float lm_bits_float(unsigned u) { return __uint_as_float(u); }
LM unsigned lm_float_bits(float x) { return __float_as_uint(x); }
LM float lm_f16_float(unsigned short h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}
LM unsigned short lm_float_f16(float x) {
  unsigned short h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
}
LM unsigned lm_to_tf32(float x) {
  unsigned u;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(u) : "f"(x));
  return u;
}
LM float lm_shuffle_xor(float x, int lane) { return __shfl_xor_sync(0xffffffffu, x, lane); }
LM long lm_shuffle_xor(long x, int lane) { return __shfl_xor_sync(0xffffffffu, x, lane); }
LM double lm_shuffle_xor(double x, int lane) { return __shfl_xor_sync(0xffffffffu, x, lane); }

// Copies BYTES (4, 8 or 16) to shared memory; of these `valid` are read, the rest become 0.
template <int BYTES> LM void lm_copy_async(void* to, const void* from, int valid) {
  const unsigned at = (unsigned)__cvta_generic_to_shared(to);
  if (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(valid)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from), "n"(BYTES),
                 "r"(valid) : "memory");
}
LM void lm_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until at most LEFT groups of this thread's copies are on their way.
template <int LEFT> LM void lm_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

// Four (or two) matrices of 8 x 8 16-bit elements: lane l gives the address of row l % 8 of matrix
// l / 8, in shared memory, and gets of each matrix the elements 2t and 2t + 1 of row g; transposed:
// element g of the rows 2t and 2t + 1.
LM unsigned lm_shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
#define LM_LDMATRIX(TRANS) \
  { \
    if (COUNT == 4) \
      asm volatile("ldmatrix.sync.aligned.m8n8.x4" TRANS ".shared.b16 {%0, %1, %2, %3}, [%4];" \
          : "=r"(r[0]), "=r"(r[1]), "=r"(r[COUNT - 2]), "=r"(r[COUNT - 1]) \
          : "r"(lm_shared_address(p)) : "memory"); \
    else \
      asm volatile("ldmatrix.sync.aligned.m8n8.x2" TRANS ".shared.b16 {%0, %1}, [%2];" \
          : "=r"(r[0]), "=r"(r[1]) : "r"(lm_shared_address(p)) : "memory"); \
  }
template <int COUNT, bool TRANSPOSED> LM void lm_ldmatrix(unsigned* r, const void* p) {
  if (TRANSPOSED) LM_LDMATRIX(".trans")
  else LM_LDMATRIX("")
}

#define LM_MMA16(NAME, TYPE) \
  LM void NAME(float* c, const unsigned* a, const unsigned* b) { \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE ".f32 " \
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
LM_MMA16(lm_mma_bf16, "bf16")
LM_MMA16(lm_mma_f16, "f16")
LM void lm_mma_tf32(float* c, const unsigned* a, const unsigned* b) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
)lm";

}  // namespace lamina::cuda
