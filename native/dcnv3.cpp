// The core of a deformable convolution of the third version (Wang et al., 2022, arXiv:2211.05778, section 3.1): every output
// pixel and group sums P bilinear samples of its group's channels, each times a modulation. Both passes run point by point
// into registers, so nothing of P times the size of the features is ever stored. Reached as tessera::dcnv3.
#include "clones.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace tessera {
namespace {

struct Geometry {
    int64_t batch, height, width, channels, groups, depth;  // of the value; depth: channels of a group
    int64_t out_height, out_width, points;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    double scale;
    bool remove_center;

    // Where point p samples for output pixel (0, 0) without any offset. Points are counted column by column, and the scale
    // spreads the regular grid as well as the offsets.
    template <typename Acc> void grid(std::vector<Acc>& xs, std::vector<Acc>& ys) const {
        auto half_w = dilation_w * (kernel_w - 1) / 2, half_h = dilation_h * (kernel_h - 1) / 2;
        for (int64_t i = 0; i < kernel_w; i++)
            for (int64_t j = 0; j < kernel_h; j++) {
                if (remove_center && i == kernel_w / 2 && j == kernel_h / 2) continue;
                xs.push_back(static_cast<Acc>(half_w - pad_w + (i * dilation_w - half_w) * scale));
                ys.push_back(static_cast<Acc>(half_h - pad_h + (j * dilation_h - half_h) * scale));
            }
    }
};

template <typename T, typename Acc> struct Pass {
    Geometry at;
    const T *value, *offset, *mask;
    const Acc *grid_x, *grid_y;
    T* output;            // forward
    const T* gradient;    // backward: of the output
    Acc* value_gradient;  // backward: in the accumulating type, zero at first
    T *offset_gradient, *mask_gradient;
};

// A position between four pixels. Corners outside of the image count as zero.
template <typename Acc> struct Corners {
    int64_t at[4];  // elements from the image's first: top left, top right, bottom left, bottom right
    Acc weight[4], right, below;
    bool inside[4], any, all;

    TESSERA_INLINE Corners(const Geometry& g, Acc x, Acc y) {
        // Written so that a position that is not a number lies outside.
        any = x > -1 && y > -1 && x < static_cast<Acc>(g.width) && y < static_cast<Acc>(g.height);
        if (!any) return;
        auto left = static_cast<int64_t>(std::floor(x)), top = static_cast<int64_t>(std::floor(y));
        right = x - static_cast<Acc>(left), below = y - static_cast<Acc>(top);
        weight[0] = (1 - right) * (1 - below), weight[1] = right * (1 - below);
        weight[2] = (1 - right) * below, weight[3] = right * below;
        at[0] = (top * g.width + left) * g.channels;
        at[1] = at[0] + g.channels, at[2] = at[0] + g.width * g.channels, at[3] = at[2] + g.channels;
        bool l = left >= 0, r = left + 1 < g.width, t = top >= 0, b = top + 1 < g.height;
        inside[0] = l && t, inside[1] = r && t, inside[2] = l && b, inside[3] = r && b;
        all = inside[0] && inside[3];
    }
};

// Fixed: channels of a group where they are known at compile time, else 0 and at most `most` at a time.
constexpr int64_t most = 64;

template <int64_t Fixed, typename T, typename Acc>
TESSERA_INLINE void forward_pixels(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {
    const auto& g = pass.at;
    for (int64_t pixel = begin; pixel < end; pixel++) {
        auto image = pixel / (g.out_height * g.out_width);
        auto base_x = static_cast<Acc>(pixel % g.out_width * g.stride_w),
             base_y = static_cast<Acc>(pixel / g.out_width % g.out_height * g.stride_h);
        auto source = pass.value + image * g.height * g.width * g.channels;
        for (int64_t group = 0; group < g.groups; group++) {
            auto first = (pixel * g.groups + group) * g.points;
            for (int64_t from = 0; from < g.depth; from += Fixed ? Fixed : most) {
                const int64_t width = Fixed ? Fixed : std::min(most, g.depth - from);
                const int64_t channel = group * g.depth + from;
                Acc sum[Fixed ? Fixed : most] = {};
                for (int64_t p = 0; p < g.points; p++) {
                    Corners<Acc> corners(g,
                        base_x + pass.grid_x[p] + static_cast<Acc>(pass.offset[2 * (first + p)]) * static_cast<Acc>(g.scale),
                        base_y + pass.grid_y[p] + static_cast<Acc>(pass.offset[2 * (first + p) + 1]) * static_cast<Acc>(g.scale));
                    if (!corners.any) continue;
                    auto modulation = static_cast<Acc>(pass.mask[first + p]);
                    auto start = source + channel;
                    if (corners.all) {
                        auto a = start + corners.at[0], b = start + corners.at[1], c = start + corners.at[2], d = start + corners.at[3];
                        const Acc wa = corners.weight[0] * modulation, wb = corners.weight[1] * modulation,
                                  wc = corners.weight[2] * modulation, wd = corners.weight[3] * modulation;
#pragma omp simd
                        for (int64_t k = 0; k < width; k++)
                            sum[k] += wa * static_cast<Acc>(a[k]) + wb * static_cast<Acc>(b[k]) + wc * static_cast<Acc>(c[k]) +
                                      wd * static_cast<Acc>(d[k]);
                        continue;
                    }
                    for (int corner = 0; corner < 4; corner++) {
                        if (!corners.inside[corner]) continue;
                        auto a = start + corners.at[corner];
                        Acc w = corners.weight[corner] * modulation;
#pragma omp simd
                        for (int64_t k = 0; k < width; k++) sum[k] += w * static_cast<Acc>(a[k]);
                    }
                }
                auto target = pass.output + pixel * g.channels + channel;
                for (int64_t k = 0; k < width; k++) target[k] = static_cast<T>(sum[k]);
            }
        }
    }
}

// One unit is a group of one image: it alone writes those channels' gradients, so nothing races and the order of the sums,
// thus every bit of the result, does not depend on the number of threads.
template <int64_t Fixed, typename T, typename Acc>
TESSERA_INLINE void backward_groups(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {
    const auto& g = pass.at;
    const int64_t depth = Fixed ? Fixed : g.depth;
    const auto scale = static_cast<Acc>(g.scale);
    for (int64_t unit = begin; unit < end; unit++) {
        auto image = unit / g.groups, group = unit % g.groups;
        auto start = image * g.height * g.width * g.channels + group * depth;
        for (int64_t oy = 0; oy < g.out_height; oy++)
            for (int64_t ox = 0; ox < g.out_width; ox++) {
                auto pixel = (image * g.out_height + oy) * g.out_width + ox;
                auto first = (pixel * g.groups + group) * g.points;
                const T* __restrict incoming = pass.gradient + pixel * g.channels + group * depth;
                for (int64_t p = 0; p < g.points; p++) {
                    Corners<Acc> corners(g,
                        static_cast<Acc>(ox * g.stride_w) + pass.grid_x[p] + static_cast<Acc>(pass.offset[2 * (first + p)]) * scale,
                        static_cast<Acc>(oy * g.stride_h) + pass.grid_y[p] + static_cast<Acc>(pass.offset[2 * (first + p) + 1]) * scale);
                    if (!corners.any) {
                        pass.mask_gradient[first + p] = pass.offset_gradient[2 * (first + p)] = pass.offset_gradient[2 * (first + p) + 1] =
                            static_cast<T>(0);
                        continue;
                    }
                    auto modulation = static_cast<Acc>(pass.mask[first + p]);
                    Acc dot[4] = {};  // of the incoming gradient with each corner
                    for (int corner = 0; corner < 4; corner++) {
                        if (!corners.inside[corner]) continue;
                        const T* __restrict pixel_value = pass.value + start + corners.at[corner];
                        Acc* __restrict pixel_gradient = pass.value_gradient + start + corners.at[corner];
                        Acc w = corners.weight[corner] * modulation, sum = 0;
#pragma omp simd reduction(+ : sum)
                        for (int64_t k = 0; k < depth; k++) {
                            auto d = static_cast<Acc>(incoming[k]);
                            sum += d * static_cast<Acc>(pixel_value[k]);
                            pixel_gradient[k] += w * d;
                        }
                        dot[corner] = sum;
                    }
                    auto right = corners.right, below = corners.below;
                    pass.mask_gradient[first + p] = static_cast<T>(
                        corners.weight[0] * dot[0] + corners.weight[1] * dot[1] + corners.weight[2] * dot[2] + corners.weight[3] * dot[3]);
                    pass.offset_gradient[2 * (first + p)] =
                        static_cast<T>(modulation * scale * ((1 - below) * (dot[1] - dot[0]) + below * (dot[3] - dot[2])));
                    pass.offset_gradient[2 * (first + p) + 1] =
                        static_cast<T>(modulation * scale * ((1 - right) * (dot[2] - dot[0]) + right * (dot[3] - dot[1])));
                }
            }
    }
}

// Plain functions of one type each, as clones have to be.
#define TESSERA_DCNV3(T, Acc)                                                                                                              \
    TESSERA_CLONES void forward(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {                                                    \
        switch (pass.at.depth) {                                                                                                           \
        case 16: return forward_pixels<16>(pass, begin, end);                                                                              \
        case 32: return forward_pixels<32>(pass, begin, end);                                                                              \
        default: return forward_pixels<0>(pass, begin, end);                                                                               \
        }                                                                                                                                  \
    }                                                                                                                                      \
    TESSERA_CLONES void backward(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {                                                   \
        switch (pass.at.depth) {                                                                                                           \
        case 16: return backward_groups<16>(pass, begin, end);                                                                             \
        case 32: return backward_groups<32>(pass, begin, end);                                                                             \
        default: return backward_groups<0>(pass, begin, end);                                                                              \
        }                                                                                                                                  \
    }
TESSERA_DCNV3(float, float)
TESSERA_DCNV3(double, double)
TESSERA_DCNV3(at::BFloat16, float)

// Calls the body with the element type and the type that it accumulates in.
template <typename Body> void typed(at::ScalarType type, Body&& body) {
    switch (type) {
    case at::kFloat: return body(float(), float());
    case at::kDouble: return body(double(), double());
    case at::kBFloat16: return body(at::BFloat16(), float());
    default: throw Failure(ErrorKind::Type, std::string("dcnv3 takes float32, float64 and bfloat16, not ") + c10::toString(type));
    }
}

int64_t out_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

Geometry geometry(const at::Tensor& value, const at::Tensor& offset, const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, double scale, bool remove_center) {
    auto require = [](bool right, const std::string& message) {
        if (!right) throw Failure(ErrorKind::Shape, "dcnv3: " + message);
    };
    auto text = [](at::IntArrayRef shape) {
        std::ostringstream out;
        out << shape;
        return out.str();
    };
    require(value.dim() == 4, "the value has to be [N, H, W, C], it is " + text(value.sizes()));
    require(groups > 0 && value.size(3) % groups == 0,
        std::to_string(value.size(3)) + " channels do not divide into " + std::to_string(groups) + " groups");
    require(kernel.size() == 2 && stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
        "kernel, stride, padding and dilation are pairs");
    require(kernel[0] > 0 && kernel[1] > 0 && stride[0] > 0 && stride[1] > 0 && dilation[0] > 0 && dilation[1] > 0 && padding[0] >= 0 &&
                padding[1] >= 0,
        "kernel, stride and dilation have to be positive, padding not negative");
    require(!remove_center || (kernel[0] == kernel[1] && kernel[0] % 2 == 1), "only a square kernel of odd size has a centre to remove");
    Geometry g{};
    g.batch = value.size(0), g.height = value.size(1), g.width = value.size(2), g.channels = value.size(3), g.groups = groups,
    g.depth = g.channels / groups;
    g.kernel_h = kernel[0], g.kernel_w = kernel[1], g.stride_h = stride[0], g.stride_w = stride[1], g.pad_h = padding[0],
    g.pad_w = padding[1];
    g.dilation_h = dilation[0], g.dilation_w = dilation[1], g.scale = scale, g.remove_center = remove_center;
    g.points = g.kernel_h * g.kernel_w - (remove_center ? 1 : 0);
    g.out_height = out_size(g.height, g.kernel_h, g.stride_h, g.pad_h, g.dilation_h),
    g.out_width = out_size(g.width, g.kernel_w, g.stride_w, g.pad_w, g.dilation_w);
    require(
        g.out_height > 0 && g.out_width > 0, "nothing is left of a map of " + std::to_string(g.height) + " x " + std::to_string(g.width));
    auto expect = [&](const at::Tensor& tensor, const char* name, int64_t per_point) {
        std::vector<int64_t> shape{g.batch, g.out_height, g.out_width, groups * g.points * per_point};
        require(
            tensor.sizes() == at::IntArrayRef(shape), std::string(name) + " has to be " + text(shape) + ", it is " + text(tensor.sizes()));
        if (tensor.scalar_type() != value.scalar_type())
            throw Failure(ErrorKind::Type, std::string("dcnv3: ") + name + " has another element type than the value");
    };
    expect(offset, "the offset", 2);
    expect(mask, "the mask", 1);
    return g;
}

at::Tensor dcnv3_cpu(const at::Tensor& value, const at::Tensor& offset, const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, double scale, bool remove_center) {
    auto g = geometry(value, offset, mask, groups, kernel, stride, padding, dilation, scale, remove_center);
    auto v = value.contiguous(), o = offset.contiguous(), m = mask.contiguous();
    auto output = at::empty({g.batch, g.out_height, g.out_width, g.channels}, v.options());
    typed(v.scalar_type(), [&](auto element, auto accumulator) {
        using T = decltype(element);
        using Acc = decltype(accumulator);
        std::vector<Acc> xs, ys;
        g.grid(xs, ys);
        Pass<T, Acc> pass{g, v.template data_ptr<T>(), o.template data_ptr<T>(), m.template data_ptr<T>(), xs.data(), ys.data(),
            output.template data_ptr<T>(), nullptr, nullptr, nullptr, nullptr};
        // About a tenth of a millisecond of work at least per thread.
        auto grain = std::max<int64_t>(1, 262144 / std::max<int64_t>(1, g.channels * g.points));
        at::parallel_for(0, g.batch * g.out_height * g.out_width, grain, [&](int64_t begin, int64_t end) { forward(pass, begin, end); });
    });
    return output;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> dcnv3_backward_cpu(const at::Tensor& gradient, const at::Tensor& value,
    const at::Tensor& offset, const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, double scale, bool remove_center) {
    auto g = geometry(value, offset, mask, groups, kernel, stride, padding, dilation, scale, remove_center);
    auto v = value.contiguous(), o = offset.contiguous(), m = mask.contiguous(), d = gradient.to(value.scalar_type()).contiguous();
    auto offset_gradient = at::empty_like(o), mask_gradient = at::empty_like(m);
    at::Tensor value_gradient;
    typed(v.scalar_type(), [&](auto element, auto accumulator) {
        using T = decltype(element);
        using Acc = decltype(accumulator);
        std::vector<Acc> xs, ys;
        g.grid(xs, ys);
        value_gradient = at::zeros(v.sizes(), v.options().dtype(c10::CppTypeToScalarType<Acc>::value));
        Pass<T, Acc> pass{g, v.template data_ptr<T>(), o.template data_ptr<T>(), m.template data_ptr<T>(), xs.data(), ys.data(), nullptr,
            d.template data_ptr<T>(), value_gradient.template data_ptr<Acc>(), offset_gradient.template data_ptr<T>(),
            mask_gradient.template data_ptr<T>()};
        at::parallel_for(0, g.batch * g.groups, 1, [&](int64_t begin, int64_t end) { backward(pass, begin, end); });
    });
    return {value_gradient.to(v.scalar_type()), offset_gradient, mask_gradient};
}

using ForwardType = decltype(dcnv3_cpu);
using BackwardType = decltype(dcnv3_backward_cpu);

struct Dcnv3 : torch::autograd::Function<Dcnv3> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& value, const at::Tensor& offset,
        const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel, at::IntArrayRef stride, at::IntArrayRef padding,
        at::IntArrayRef dilation, double scale, bool remove_center) {
        context->save_for_backward({value, offset, mask});
        context->saved_data["groups"] = groups;
        context->saved_data["kernel"] = kernel.vec();
        context->saved_data["stride"] = stride.vec();
        context->saved_data["padding"] = padding.vec();
        context->saved_data["dilation"] = dilation.vec();
        context->saved_data["scale"] = scale;
        context->saved_data["remove_center"] = remove_center;
        at::AutoDispatchBelowADInplaceOrView below;
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::dcnv3", "").typed<ForwardType>();
        return op.call(value, offset, mask, groups, kernel, stride, padding, dilation, scale, remove_center);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto saved = context->get_saved_variables();
        auto& data = context->saved_data;
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::dcnv3_backward", "").typed<BackwardType>();
        auto [value, offset, mask] = op.call(gradients[0], saved[0], saved[1], saved[2], data["groups"].toInt(),
            data["kernel"].toIntVector(), data["stride"].toIntVector(), data["padding"].toIntVector(), data["dilation"].toIntVector(),
            data["scale"].toDouble(), data["remove_center"].toBool());
        at::Tensor none;
        return {value, offset, mask, none, none, none, none, none, none, none};
    }
};

at::Tensor dcnv3_autograd(const at::Tensor& value, const at::Tensor& offset, const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel,
    at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, double scale, bool remove_center) {
    return Dcnv3::apply(value, offset, mask, groups, kernel, stride, padding, dilation, scale, remove_center);
}

// The backward has no backward: a graph through it would silently lose its gradient, so it is refused.
std::tuple<at::Tensor, at::Tensor, at::Tensor> dcnv3_backward_autograd(const at::Tensor& gradient, const at::Tensor& value,
    const at::Tensor& offset, const at::Tensor& mask, int64_t groups, at::IntArrayRef kernel, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, double scale, bool remove_center) {
    if (c10::GradMode::is_enabled() &&
        (gradient.requires_grad() || value.requires_grad() || offset.requires_grad() || mask.requires_grad()))
        throw Failure(ErrorKind::NotImplemented, "gradients of gradients of dcnv3: use the plain composition for them");
    at::AutoDispatchBelowADInplaceOrView below;
    static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::dcnv3_backward", "").typed<BackwardType>();
    return op.call(gradient, value, offset, mask, groups, kernel, stride, padding, dilation, scale, remove_center);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("dcnv3(Tensor value, Tensor offset, Tensor mask, int groups, int[2] kernel, int[2] stride, int[2] padding, int[2] "
                "dilation, float offset_scale, bool remove_center) -> Tensor");
    library.def("dcnv3_backward(Tensor gradient, Tensor value, Tensor offset, Tensor mask, int groups, int[2] kernel, int[2] stride, "
                "int[2] padding, int[2] dilation, float offset_scale, bool remove_center) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(tessera, CPU, library) {
    library.impl("dcnv3", tessera::dcnv3_cpu);
    library.impl("dcnv3_backward", tessera::dcnv3_backward_cpu);
}

TORCH_LIBRARY_IMPL(tessera, Autograd, library) {
    library.impl("dcnv3", tessera::dcnv3_autograd);
    library.impl("dcnv3_backward", tessera::dcnv3_backward_autograd);
}
