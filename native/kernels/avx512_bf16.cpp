// The kernels compiled for AVX-512 with bfloat16 products; CMakeLists.txt gives this file its instruction set.
#define TESSERA_KERNELS avx512_bf16
#include "kernels.inc"
