// Convolutions of signs compiled for AVX2; CMakeLists.txt gives this file its instruction set.
#define TESSERA_BINARY_KERNELS binary_avx2
#include "binary.inc"
