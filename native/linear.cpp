// Linear maps of training on the CPU in float32 by kernels of our own: the bias is where sums begin instead of being copied into the
// result first, and weights are packed once for all rows. Registered as the autograd kernel of the engine's own operator on
// the CPU, so that whoever calls aten::linear has it; other types, small products and inference mode stay with the engine.
#include "kernels/kernels.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linear_native.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace tessera {
namespace {

// Fewer rows do not pay for packing the weights.
constexpr int64_t least_rows = 32, least_size = 16;

bool has_kernel(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
    auto plain = [](const at::Tensor& t) { return t.device().is_cpu() && t.layout() == at::kStrided && t.scalar_type() == at::kFloat; };
    if (!plain(input) || !plain(weight) || (bias.defined() && !plain(bias)) || !kernels::current().vectors) return false;
    if (input.dim() < 2 || weight.dim() != 2 || input.size(-1) != weight.size(1) ||
        (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0))))
        return false;
    auto depth = weight.size(1), columns = weight.size(0);
    return depth >= least_size && columns >= least_size && input.numel() / depth >= least_rows;
}

// [..., depth] as [rows, depth], whose rows lie without gaps.
at::Tensor as_rows(const at::Tensor& x) { return x.contiguous().view({-1, x.size(-1)}); }

// a b + bias; a [rows, depth] of dense rows, b [depth, columns] of any strides.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, at::IntArrayRef sizes) {
    auto out = at::empty(sizes, a.options());
    kernels::Product p{};
    p.a = a.data_ptr<float>(), p.b = b.data_ptr<float>(), p.out = out.data_ptr<float>();
    p.bias = bias.defined() ? bias.data_ptr<float>() : nullptr;
    p.rows = a.size(0), p.depth = a.size(1), p.columns = b.size(1);
    p.b_stride[0] = b.stride(0), p.b_stride[1] = b.stride(1);
    kernels::current().product(p, at::in_parallel_region() ? 1 : at::get_num_threads());
    return out;
}

at::Tensor run(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
    auto sizes = input.sizes().vec();
    sizes.back() = weight.size(0);
    return product(as_rows(input), weight.t(), bias.defined() ? bias.contiguous() : bias, sizes);
}

struct Linear : torch::autograd::Function<Linear> {
    static at::Tensor forward(
        torch::autograd::AutogradContext* context, const at::Tensor& input, const at::Tensor& weight, const Optional<at::Tensor>& bias) {
        context->save_for_backward({input, weight});
        context->saved_data["bias"] = bias.has_value();
        at::AutoDispatchBelowADInplaceOrView below;
        return run(input, weight, bias.value_or(at::Tensor()));
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto saved = context->get_saved_variables();
        const auto &input = saved[0], &weight = saved[1];
        auto gradient = as_rows(gradients[0]);
        at::Tensor of_input, of_weight, of_bias;
        if (context->needs_input_grad(0))
            of_input = c10::GradMode::is_enabled() ? at::matmul(gradients[0], weight) : product(gradient, weight, {}, input.sizes());
        if (context->needs_input_grad(1)) of_weight = at::mm(gradient.t(), as_rows(input));
        if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) of_bias = gradient.sum(0);
        return {of_input, of_weight, of_bias};
    }
};

at::Tensor linear(const at::Tensor& input, const at::Tensor& weight, const Optional<at::Tensor>& given) {
    auto bias = given.value_or(at::Tensor());
    if (!has_kernel(input, weight, bias)) return at::native::linear(input, weight, given);
    bool graph =
        c10::GradMode::is_enabled() && (input.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
    if (!graph) return run(input, weight, bias);
    return Linear::apply(input, weight, bias.defined() ? given : Optional<at::Tensor>());
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_IMPL(aten, AutogradCPU, library) { library.impl("linear", tessera::linear); }
