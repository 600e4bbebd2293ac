// The kernels compiled for AVX2 and FMA; CMakeLists.txt gives this file its instruction set.
#define TESSERA_KERNELS avx2
#include "kernels.inc"
