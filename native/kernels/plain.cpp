// The kernels compiled for any processor.
#define TESSERA_KERNELS plain
#include "kernels.inc"
