// Convolutions of signs, 64 of them in a word: written once (binary.inc), compiled for each instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace tessera::kernels {

// out = scale * the sum over kernel and channels of the group of sign(input) * weight, where padding and inputs that are 0 or not a number
// count nothing. The weights of an output channel are bits, set where one is negative, ordered (height, width, channel) and filled up to
// whole bytes. With two planes, a weight is the mean of two: 0 where their bits differ.
struct BinaryConv {
    const float* input;      // [batch, channels, height, width]
    const uint8_t* weights;  // [planes, out_channels, bytes]
    const float* scale;      // [out_channels], or null for 1
    float* out;              // [batch, out_channels, out_height, out_width]
    int64_t batch, channels, height, width, groups, planes, out_channels, out_height, out_width;
    int64_t kernel[2], step[2], pad[2], dilation[2];
};

struct BinaryTable {
    const char* name;
    void (*conv)(const BinaryConv&, int threads);
};

const BinaryTable& binary_avx512();
const BinaryTable& binary_avx2();
const BinaryTable& binary_plain();

}  // namespace tessera::kernels
