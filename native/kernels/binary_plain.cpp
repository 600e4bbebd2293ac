// Convolutions of signs compiled for any processor.
#define TESSERA_BINARY_KERNELS binary_plain
#include "binary.inc"
