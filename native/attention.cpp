// Attention for training on the CPU in float32 and bfloat16: forward and backward never write the scores to memory, and dropout of
// the weights keeps no mask. Dao et al., "FlashAttention", 2022, arXiv:2205.14135.
#include "kernels/kernels.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace tessera {
namespace {

void set_strides(int64_t (&to)[4], const at::Tensor& tensor) {
    for (int i = 0; i < 4; i++) to[i] = tensor.stride(i);
}

int threads() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }

// [B, h, N, e], and the logarithms of the sums of exponentials [B, h, N] where they are wanted.
at::Tensor run(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, double scale, double dropout, uint32_t seed,
    at::Tensor* log_sums) {
    auto batch = query.size(0), heads = query.size(1), queries = query.size(2);
    // The heads of a token lie together, as the product after attention reads them.
    auto out = at::empty({batch, queries, heads, value.size(3)}, query.options()).transpose(1, 2);
    kernels::Attention t{};
    t.query = query.data_ptr(), t.key = key.data_ptr(), t.value = value.data_ptr(), t.out = out.data_ptr();
    t.outer = batch, t.heads = heads, t.queries = queries, t.keys = key.size(2), t.dim = query.size(3), t.value_dim = value.size(3);
    set_strides(t.query_stride, query), set_strides(t.key_stride, key), set_strides(t.value_stride, value), set_strides(t.out_stride, out);
    t.scale = static_cast<float>(scale), t.dropout = static_cast<float>(dropout), t.seed = seed;
    t.type = t.out_type = query.scalar_type() == at::kBFloat16;
    if (log_sums != nullptr) {
        *log_sums = at::empty({batch, heads, queries}, query.options().dtype(at::kFloat));
        t.log_sums = log_sums->data_ptr<float>();
    }
    if (out.numel() > 0) kernels::current().attention(t, threads());
    return out;
}

struct Attention : torch::autograd::Function<Attention> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& query, const at::Tensor& key,
        const at::Tensor& value, double scale, double dropout, int64_t seed) {
        at::AutoDispatchBelowADInplaceOrView below;
        at::Tensor log_sums;
        auto out = run(query, key, value, scale, dropout, static_cast<uint32_t>(seed), &log_sums);
        context->save_for_backward({query, key, value, log_sums});
        context->saved_data["scale"] = scale;
        context->saved_data["dropout"] = dropout;
        context->saved_data["seed"] = seed;
        return out;
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto saved = context->get_saved_variables();
        auto scale = context->saved_data["scale"].toDouble(), dropout = context->saved_data["dropout"].toDouble();
        at::Tensor none;
        if (c10::GradMode::is_enabled()) {
            if (dropout > 0)
                throw Failure(ErrorKind::NotImplemented, "gradients of gradients of attention with dropout: leave dropout out");
            // Written out in operators that have gradients of their own.
            auto weights = at::softmax(at::matmul(saved[0] * scale, saved[1].transpose(-2, -1)), -1), gradient = gradients[0];
            auto slopes = at::matmul(gradient, saved[2].transpose(-2, -1));
            slopes = weights * (slopes - (slopes * weights).sum(-1, true)) * scale;
            return {at::matmul(slopes, saved[1]), at::matmul(slopes.transpose(-2, -1), saved[0]),
                at::matmul(weights.transpose(-2, -1), gradient), none, none, none};
        }
        const auto &query = saved[0], &key = saved[1], &value = saved[2];
        auto gradient = gradients[0].to(query.scalar_type());
        auto query_gradient = at::empty(query.sizes(), query.options()), key_gradient = at::empty(key.sizes(), key.options()),
             value_gradient = at::empty(value.sizes(), value.options());
        kernels::AttentionBackward t{};
        t.query = query.data_ptr(), t.key = key.data_ptr(), t.value = value.data_ptr(), t.gradient = gradient.data_ptr(),
        t.log_sums = saved[3].data_ptr<float>();
        t.query_gradient = query_gradient.data_ptr(), t.key_gradient = key_gradient.data_ptr(),
        t.value_gradient = value_gradient.data_ptr();
        t.outer = query.size(0), t.heads = query.size(1), t.queries = query.size(2), t.keys = key.size(2), t.dim = query.size(3),
        t.value_dim = value.size(3);
        set_strides(t.query_stride, query), set_strides(t.key_stride, key), set_strides(t.value_stride, value),
            set_strides(t.gradient_stride, gradient);
        t.scale = static_cast<float>(scale), t.dropout = static_cast<float>(dropout),
        t.seed = static_cast<uint32_t>(context->saved_data["seed"].toInt());
        t.type = query.scalar_type() == at::kBFloat16;
        if (query_gradient.numel() > 0) kernels::current().attention_backward(t, threads());
        return {query_gradient, key_gradient, value_gradient, none, none, none};
    }
};

// softmax(scale q k^T) v with dropout of the weights; query [B, h, N, d], key [B, h, M, d], value [B, h, M, e].
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, double scale, double dropout) {
    auto type = query.scalar_type();
    if (!query.device().is_cpu() || (type != at::kFloat && type != at::kBFloat16) || key.scalar_type() != type ||
        value.scalar_type() != type)
        throw Failure(ErrorKind::Type, "attention takes three tensors on the CPU, all float32 or all bfloat16");
    if (query.dim() != 4 || key.dim() != 4 || value.dim() != 4 || query.sizes().slice(0, 2) != key.sizes().slice(0, 2) ||
        query.sizes().slice(0, 2) != value.sizes().slice(0, 2) || query.size(3) != key.size(3) || key.size(2) != value.size(2))
        throw Failure(ErrorKind::Shape, "attention takes [B, h, N, d], [B, h, M, d] and [B, h, M, e]");
    if (!(dropout >= 0 && dropout < 1)) throw Failure(ErrorKind::Value, "dropout is at least 0 and below 1");
    int64_t seed = dropout > 0 ? at::empty({}, at::kLong).random_().item<int64_t>() & 0xffffffff : 0;
    bool graph = c10::GradMode::is_enabled() && (query.requires_grad() || key.requires_grad() || value.requires_grad());
    return graph ? Attention::apply(query, key, value, scale, dropout, seed)
                 : run(query, key, value, scale, dropout, static_cast<uint32_t>(seed), nullptr);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("attention(Tensor query, Tensor key, Tensor value, float scale, float dropout=0.) -> Tensor");
}

TORCH_LIBRARY_IMPL(tessera, CompositeImplicitAutograd, library) { library.impl("attention", tessera::attention); }
