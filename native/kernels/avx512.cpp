// The kernels compiled for AVX-512; CMakeLists.txt gives this file its instruction set.
#define TESSERA_KERNELS avx512
#include "kernels.inc"
