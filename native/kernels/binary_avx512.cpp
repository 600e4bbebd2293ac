// Convolutions of signs compiled for AVX-512 with VPOPCNTDQ; CMakeLists.txt gives this file its instruction set.
#define TESSERA_BINARY_KERNELS binary_avx512
#include "binary.inc"
