// Kernels of compiled inference and of training: what they are given, and the table of one instruction set's versions.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tessera::kernels {

// Mirrored by Tessera.Deploy.Activation.
enum class Activation : int32_t {
    None = 0,
    Gelu = 1,
    GeluTanh = 2,
    Relu = 3,
    Silu = 4,
    QuickGelu = 5,
    Sigmoid = 6,
    Tanh = 7,
    Hardswish = 8
};

// Mirrored by Tessera.Deploy.Arithmetic.
enum class Arithmetic : int32_t { Add = 0, Subtract = 1, Multiply = 2 };

constexpr int max_dims = 8;

// All strides are in elements. A type is 0 for float32 and 1 for bfloat16.

// out[m, n] = activation(sum_k a[m, k] b[k, n] + bias[n]) + residual[m, n]; b and bias as Table::pack left them.
struct Gemm {
    const void* a;
    const void* b;
    const float* bias;
    const float* residual;
    void* out;
    int64_t rows, columns, depth;
    int64_t a_stride, residual_stride, out_stride;
    int32_t b_type, out_type;  // a has b's type
    Activation activation;
};

// out[m, n] = sum_k a[m, k] b[k, n] + bias[n] in float32, for training: b is packed as it goes. Rows of a and out lie without gaps.
struct Product {
    const float* a;
    const float* b;
    const float* bias;  // or null
    float* out;
    int64_t rows, columns, depth;
    int64_t b_stride[2];  // of depth and column
};

// Convolution as products: rows of inputs are gathered by output position. Weights as Table::pack left them, their depth
// ordered (height, width, channel) if the input's channels lie together, else (channel, height, width).
struct Conv {
    const float* input;
    const void* weights;
    const float* bias;
    const float* residual;
    void* out;
    int64_t batch, channels, height, width, out_channels, out_height, out_width;
    int64_t input_stride[4];     // of batch, channel, height, width
    int64_t out_batch, out_row;  // strides of batch and position; channels lie together
    int64_t residual_batch, residual_row;
    int32_t kernel[2], step[2], pad[2], dilation[2];
    int32_t weights_type, out_type;
    Activation activation;
};

// Depthwise convolution of maps whose channels lie together; weights are [kernel height * kernel width, channels].
struct Depthwise {
    const float* input;
    const float* weights;
    const float* bias;
    void* out;
    int64_t batch, channels, height, width, out_height, out_width;
    int64_t input_stride[3], out_stride[3];  // of batch, height, width
    int32_t kernel[2], step[2], pad[2], dilation[2];
    int32_t out_type;
    Activation activation;
};

// out = softmax(scale q k^T + bias) v for all of [outer, heads]; no scores outside of a strip of rows that stays in the cache.
struct Attention {
    const void* query;
    const void* key;
    const void* value;
    const float* bias[2];
    void* out;
    int64_t outer, heads, queries, keys, dim, value_dim;
    int64_t query_stride[4], key_stride[4], value_stride[4], out_stride[4];  // of outer, head, token, channel (of out: 1)
    int64_t bias_stride[2][4];                                               // of outer, head, query, key
    float scale;
    int32_t type, out_type;  // of query, key and value alike
    // For training: log of the sum of exponentials of each row, [outer, heads, queries], or null; and dropout of the weights,
    // by a hash of seed and position, so that the backward pass finds the same ones.
    float* log_sums;
    float dropout;
    uint32_t seed;
};

// Gradients of attention without bias. All strides are of outer, head, token, channel; gradients are dense [outer, heads, tokens,
// channels].
struct AttentionBackward {
    const void* query;
    const void* key;
    const void* value;
    const void* gradient;
    const float* log_sums;
    void* query_gradient;
    void* key_gradient;
    void* value_gradient;
    int64_t outer, heads, queries, keys, dim, value_dim;
    int64_t query_stride[4], key_stride[4], value_stride[4], gradient_stride[4];
    float scale, dropout;
    uint32_t seed;
    int32_t type;  // of all
};

// (x - mean) / sqrt(variance + eps) * weight + bias over rows of channels that lie together.
struct LayerNorm {
    const float* input;
    const float* weight;
    const float* bias;
    void* out;
    int64_t rows, channels, input_stride, out_stride;
    double eps;
    int32_t out_type;
};

// out = a op b, any strides (0 repeats).
struct Binary {
    const float* a;
    const float* b;
    void* out;
    int64_t sizes[max_dims], a_stride[max_dims], b_stride[max_dims], out_stride[max_dims];
    int32_t dims;
    Arithmetic op;
    int32_t out_type;
};

// out = activation(a), any strides and types.
struct Map {
    const void* a;
    void* out;
    int64_t sizes[max_dims], a_stride[max_dims], out_stride[max_dims];
    int32_t dims;
    Activation activation;
    int32_t a_type, out_type;
};

// A map that Resize reads, its channels together. Every row of the result lies between two rows of the map, and every column between two of
// its columns: their offsets in elements, the lower and the higher one in turn, and the share of the higher one.
struct ResizeSource {
    const float* input;
    const int64_t* rows;         // [height, 2]
    const int64_t* columns;      // [width, 2]
    const float* row_shares;     // [height], or null: the lower one alone counts
    const float* column_shares;  // [width], or null like row_shares
};

constexpr int max_sources = 4;

// out = activation(add + the sum of the sources, each brought to the size of out); add may be out.
struct Resize {
    ResizeSource sources[max_sources];
    const float* add;  // channels together, or null
    float* out;
    int64_t channels, height, width;
    int64_t add_stride[2];  // of row and column
    int64_t out_stride[3];  // of channel, row, column; either channels or columns lie together
    int32_t count;          // of sources
    Activation activation;
};

// activation((x - mean) / sqrt(variance + eps) * weight + bias), with mean and variance over all positions and the channels of a group.
struct GroupNorm {
    const float* input;
    const float* weight;  // or null
    const float* bias;    // or null
    float* out;
    int64_t positions, channels, groups, input_stride, out_stride;
    double eps;
    Activation activation;
};

// The kernels of one instruction set. threads: how many may take part.
struct Table {
    const char* name;
    bool vectors;  // whether it is written for vectors that the processor has
    // Bytes of packed weights [depth, columns], and the packing of weights given as b[k * k_stride + n * n_stride].
    size_t (*packed_bytes)(int64_t depth, int64_t columns, int32_t type);
    void (*pack)(const float* b, int64_t k_stride, int64_t n_stride, int64_t depth, int64_t columns, int32_t type, void* packed);
    void (*gemm)(const Gemm&, int threads);
    void (*conv)(const Conv&, int threads);
    void (*depthwise)(const Depthwise&, int threads);
    void (*attention)(const Attention&, int threads);
    void (*layer_norm)(const LayerNorm&, int threads);
    void (*binary)(const Binary&, int threads);
    void (*map)(const Map&, int threads);
    void (*resize)(const Resize&, int threads);
    void (*group_norm)(const GroupNorm&, int threads);
    void (*attention_backward)(const AttentionBackward&, int threads);
    void (*gelu)(const void* input, void* out, int64_t count, int32_t type, int threads);
    void (*gelu_backward)(const void* gradient, const void* input, void* out, int64_t count, int32_t type, int threads);
    void (*product)(const Product&, int threads);
    // out[q, m] = sum_k rows[m, k] queries[q, k] of at most most_dots queries; everything lies without gaps.
    void (*dots)(const float* rows, int64_t count, const float* queries, int64_t query_count, int64_t depth, float* out);
};

constexpr int64_t most_dots = 4;

const Table& avx512_bf16();
const Table& avx512();
const Table& avx2();
const Table& plain();
// Those in use: the fastest that this processor has, unless the environment variable TESSERA_KERNELS names others.
const Table& current();

}  // namespace tessera::kernels
