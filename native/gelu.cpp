// GELU. On the CPU in float32 and bfloat16 by kernels of our own, several times faster than those of the engine; elsewhere the
// engine's, made safe to differentiate: the backward of 1.13's exact form leaves its result unwritten on the CPU where the
// incoming gradient is dense but permuted (docs/engine-defects.md), so that gradient is made contiguous first.
#include "kernels/kernels.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace tessera {
namespace {

bool has_kernel(const at::Tensor& x, StringView approximate) {
    return x.device().is_cpu() && approximate == "none" && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
           x.is_non_overlapping_and_dense();
}

at::Tensor run(const at::Tensor& x) {
    auto out = at::empty_like(x);
    kernels::current().gelu(
        x.data_ptr(), out.data_ptr(), x.numel(), x.scalar_type() == at::kBFloat16, at::in_parallel_region() ? 1 : at::get_num_threads());
    return out;
}

struct Gelu : torch::autograd::Function<Gelu> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x) {
        context->save_for_backward({x});
        at::AutoDispatchBelowADInplaceOrView below;
        return run(x);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto x = context->get_saved_variables()[0];
        // A graph through the backward needs one that can be differentiated itself.
        if (c10::GradMode::is_enabled()) return {at::gelu_backward(gradients[0].contiguous(), x.contiguous())};
        // Element for element both have to lie alike.
        auto gradient = gradients[0].scalar_type() == x.scalar_type() && gradients[0].strides() == x.strides()
                            ? gradients[0]
                            : at::empty_like(x).copy_(gradients[0]);
        auto out = at::empty_like(x);
        kernels::current().gelu_backward(
            gradient.data_ptr(), x.data_ptr(), out.data_ptr(), x.numel(), x.scalar_type() == at::kBFloat16, at::get_num_threads());
        return {out};
    }
};

at::Tensor gelu(const at::Tensor& self, StringView approximate) {
    if (has_kernel(self, approximate)) return c10::GradMode::is_enabled() && self.requires_grad() ? Gelu::apply(self) : run(self);
    auto result = at::gelu(self, approximate);
#if !TESSERA_TORCH_AT_LEAST(2, 0)
    if (result.requires_grad() && result.device().is_cpu() && approximate == "none")
        result.register_hook([](const at::Tensor& gradient) { return gradient.contiguous(); });
#endif
    return result;
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) { library.def("gelu(Tensor self, *, str approximate=\"none\") -> Tensor"); }

// Composed of engine operators: autograd and autocast act on those.
TORCH_LIBRARY_IMPL(tessera, CompositeImplicitAutograd, library) { library.impl("gelu", tessera::gelu); }
