// Convolutions of signs with packed weights (Rastegari et al., "XNOR-Net", 2016, arXiv:1603.05279, section 3.2): the kernels of
// kernels/binary.inc behind tessera::binary_conv2d.
#include "kernels/binary.h"
#include "kernels/kernels.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <cstring>
#include <sstream>

namespace tessera {
namespace {

// Those that go with the kernels of compiled inference. Not every processor with AVX-512 counts the bits of a vector.
const kernels::BinaryTable& in_use() {
#if defined(TESSERA_X86_KERNELS)
    const char* name = kernels::current().name;
    __builtin_cpu_init();
    if (std::strncmp(name, "avx512", 6) == 0 && __builtin_cpu_supports("avx512vpopcntdq")) return kernels::binary_avx512();
    if (std::strcmp(name, "plain") != 0) return kernels::binary_avx2();
#endif
    return kernels::binary_plain();
}

void require(bool right, const std::string& message) {
    if (!right) throw Failure(ErrorKind::Shape, "binary_conv2d: " + message);
}

std::string text(at::IntArrayRef shape) {
    std::ostringstream out;
    out << shape;
    return out.str();
}

void pair(at::IntArrayRef from, int64_t least, const char* name, int64_t* to) {
    require(from.size() == 2 && from[0] >= least && from[1] >= least && from[0] < (1 << 20) && from[1] < (1 << 20),
        std::string(name) + " has to be two numbers of at least " + std::to_string(least) + ", it is " + text(from));
    to[0] = from[0];
    to[1] = from[1];
}

at::Tensor binary_conv2d(const at::Tensor& input, const at::Tensor& weight, const Optional<at::Tensor>& scale, at::IntArrayRef kernel,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
    kernels::BinaryConv c{};
    require(input.dim() == 4 && input.scalar_type() == at::kFloat,
        "the input has to be [B, C, H, W] in float32, it is " + text(input.sizes()) + " of " + c10::toString(input.scalar_type()));
    pair(kernel, 1, "the kernel", c.kernel);
    pair(stride, 1, "the stride", c.step);
    pair(padding, 0, "the padding", c.pad);
    pair(dilation, 1, "the dilation", c.dilation);
    c.batch = input.size(0), c.channels = input.size(1), c.height = input.size(2), c.width = input.size(3), c.groups = groups;
    require(groups > 0 && c.channels > 0 && c.channels % groups == 0,
        std::to_string(c.channels) + " channels of the input have to be a multiple of " + std::to_string(groups) + " groups");
    auto depth = c.channels / groups * kernel[0] * kernel[1];
    // Up to there float32 holds every whole number.
    require(depth <= (1 << 24), "a filter of " + std::to_string(depth) + " values has to have at most 2^24");
    auto bytes = (depth + 7) / 8;
    require(weight.dim() == 3 && weight.scalar_type() == at::kByte && (weight.size(0) == 1 || weight.size(0) == 2) &&
                weight.size(1) % groups == 0 && weight.size(2) == bytes,
        "the packed weights have to be [1 or 2, a multiple of " + std::to_string(groups) + ", " + std::to_string(bytes) +
            "] in uint8, they are " + text(weight.sizes()) + " of " + c10::toString(weight.scalar_type()));
    c.planes = weight.size(0);
    c.out_channels = weight.size(1);
    for (int i = 0; i < 2; i++) {
        auto room = input.size(2 + i) + 2 * c.pad[i] - c.dilation[i] * (c.kernel[i] - 1);
        require(room > 0, "a map of " + text(input.sizes()) + " is smaller than the kernel");
        (i == 0 ? c.out_height : c.out_width) = (room - 1) / c.step[i] + 1;
    }
    auto x = input.contiguous(), w = weight.contiguous();
    at::Tensor s;
    if (scale.has_value() && scale->defined()) {
        require(scale->numel() == c.out_channels && scale->scalar_type() == at::kFloat,
            "the scale has to be " + std::to_string(c.out_channels) + " numbers in float32, it is " + text(scale->sizes()) + " of " +
                c10::toString(scale->scalar_type()));
        s = scale->contiguous();
    }
    for (const auto& tensor : {w, s})
        if (tensor.defined() && !tensor.device().is_cpu())
            throw Failure(ErrorKind::Value, "binary_conv2d: weights and scale have to be on the CPU, like the input");
    auto output = at::empty({c.batch, c.out_channels, c.out_height, c.out_width}, x.options());
    if (output.numel() == 0) return output;
    c.input = x.data_ptr<float>();
    c.weights = w.data_ptr<uint8_t>();
    c.scale = s.defined() ? s.data_ptr<float>() : nullptr;
    c.out = output.data_ptr<float>();
    in_use().conv(c, at::in_parallel_region() ? 1 : at::get_num_threads());
    return output;
}

// A sign has no derivative, and the packed weights cannot change: a graph through them would silently lose its gradient.
at::Tensor binary_conv2d_autograd(const at::Tensor& input, const at::Tensor& weight, const Optional<at::Tensor>& scale,
    at::IntArrayRef kernel, at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
    if (c10::GradMode::is_enabled() && (input.requires_grad() || (scale.has_value() && scale->defined() && scale->requires_grad())))
        throw Failure(ErrorKind::NotImplemented, "gradients of binary_conv2d: use conv2d of the signs for them");
    at::AutoDispatchBelowADInplaceOrView below;
    static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::binary_conv2d", "").typed<decltype(binary_conv2d)>();
    return op.call(input, weight, scale, kernel, stride, padding, dilation, groups);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("binary_conv2d(Tensor input, Tensor weight, Tensor? scale, int[2] kernel, int[2] stride, int[2] padding, int[2] dilation, "
                "int groups) -> Tensor");
}

TORCH_LIBRARY_IMPL(tessera, CPU, library) { library.impl("binary_conv2d", tessera::binary_conv2d); }

TORCH_LIBRARY_IMPL(tessera, Autograd, library) { library.impl("binary_conv2d", tessera::binary_conv2d_autograd); }

// The name of the kernels of binary convolutions that are in use.
TESSERA_API int32_t tessera_binary_kernels_name(const char** name) {
    return tessera::guarded([&] { *name = tessera::in_use().name; });
}
