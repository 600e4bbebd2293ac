// GELU that is safe to differentiate: the backward of 1.13's exact form leaves its result unwritten on the CPU where the
// incoming gradient is dense but permuted (docs/engine-defects.md), so that gradient is made contiguous first.
#include "tessera.h"

#include <torch/library.h>

namespace tessera {
namespace {

at::Tensor gelu(const at::Tensor& self, c10::string_view approximate) {
    auto result = at::gelu(self, approximate);
#if !TESSERA_TORCH_AT_LEAST(2, 0)
    if (result.requires_grad() && result.device().is_cpu() && approximate == "none")
        result.register_hook([](const at::Tensor& gradient) { return gradient.contiguous(); });
#endif
    return result;
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("gelu(Tensor self, *, str approximate=\"none\") -> Tensor");
}

// Composed of engine operators: autograd and autocast act on those.
TORCH_LIBRARY_IMPL(tessera, CompositeImplicitAutograd, library) {
    library.impl("gelu", tessera::gelu);
}
