// Focal loss (Lin et al., 2017, arXiv:1708.02002, equation 5) over sigmoids, summed: one pass over the logits, and one for their
// gradient. Nothing of the logits' size is stored but that gradient. Reached as tessera::focal_loss.
#include "clones.h"
#include "tessera.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

namespace tessera {
namespace {

// e^x for x <= 0 to a unit or two in the last place, by operations alone that vectorise.
TESSERA_INLINE float exponential(float x) {
    x = std::max(x, -87.0f);
    const float whole = std::nearbyint(x * 1.44269504f);
    const float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1;
    const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof(power));
    return sum * power;
}
// Of double, glibc's is a symbol newer than 2.27; of long double, one of all.
TESSERA_INLINE double exponential(double x) { return static_cast<double>(std::exp(static_cast<long double>(x))); }

// log(1 + x) for x from 0 to 1: the series of the inverse hyperbolic tangent of x / (2 + x), which is at most a third.
TESSERA_INLINE float logarithm_of_one_plus(float x) {
    const float s = x / (2 + x), q = s * s;
    float sum = 1.0f / 17;
    sum = sum * q + 1.0f / 15;
    sum = sum * q + 1.0f / 13;
    sum = sum * q + 1.0f / 11;
    sum = sum * q + 1.0f / 9;
    sum = sum * q + 1.0f / 7;
    sum = sum * q + 1.0f / 5;
    sum = sum * q + 1.0f / 3;
    return 2 * s * (sum * q + 1);
}
TESSERA_INLINE double logarithm_of_one_plus(double x) { return std::log1p(x); }

constexpr int64_t most = 1024;  // logits that are computed at a time

// What is alike for all logits: with z = x for the background and -x for the class of the row, q = sigmoid(z) is how wrong a logit is,
// and its loss is share * q^gamma * log(1 + e^z).
template <typename T, typename Acc> struct Pass {
    int64_t rows, classes;
    const T* logits;
    const int64_t* labels;
    const Acc* weights;  // of rows; null: all 1
    Acc alpha, gamma;
    double* sums;  // forward: one for each block of rows
    T* gradient;   // backward
    Acc incoming;  // backward
};

template <bool Square, typename Acc> TESSERA_INLINE Acc power(Acc wrong, Acc log_wrong, Acc gamma) {
    return Square ? wrong * wrong : exponential(gamma * log_wrong);
}

// The rows from `first`, at most `count` logits: their signed logits and their shares.
template <typename T, typename Acc>
TESSERA_INLINE void gather(const Pass<T, Acc>& pass, int64_t first, int64_t count, Acc* __restrict z, Acc* __restrict share) {
    const T* __restrict x = pass.logits + first;
    for (int64_t k = 0; k < count; k++) z[k] = static_cast<Acc>(x[k]);
    for (auto row = first / pass.classes; row * pass.classes < first + count; row++) {
        const Acc weight = pass.weights ? pass.weights[row] : Acc(1);
        const auto begin = std::max(row * pass.classes - first, int64_t(0)), end = std::min((row + 1) * pass.classes - first, count);
        for (auto k = begin; k < end; k++) share[k] = weight * (1 - pass.alpha);
        const auto own = row * pass.classes + pass.labels[row] - first;
        if (pass.labels[row] < pass.classes && own >= begin && own < end) z[own] = -z[own], share[own] = weight * pass.alpha;
    }
}

// Block b is the logits from b * most; its sum is of sixteen sums, so that the number of threads and the processor do not matter.
template <bool Square, typename T, typename Acc> TESSERA_INLINE void forward_blocks(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {
    constexpr int64_t lanes = 16;
    alignas(64) Acc z[most], share[most], loss[most];
    for (auto block = begin; block < end; block++) {
        const auto first = block * most, count = std::min(most, pass.rows * pass.classes - first);
        gather(pass, first, count, z, share);
#pragma omp simd
        for (int64_t k = 0; k < count; k++) {
            const Acc e = exponential(-std::abs(z[k])), small = logarithm_of_one_plus(e);
            const Acc wrong = (z[k] >= 0 ? Acc(1) : e) / (1 + e);
            loss[k] = share[k] * power<Square>(wrong, -(std::max(-z[k], Acc(0)) + small), pass.gamma) * (std::max(z[k], Acc(0)) + small);
        }
        std::fill(loss + count, loss + (count + lanes - 1) / lanes * lanes, Acc(0));
        double sums[lanes] = {};
        for (int64_t k = 0; k < count; k += lanes)
            for (int64_t lane = 0; lane < lanes; lane++) sums[lane] += static_cast<double>(loss[k + lane]);
        double sum = 0;
        for (auto part : sums) sum += part;
        pass.sums[block] = sum;
    }
}

template <bool Square, typename T, typename Acc> TESSERA_INLINE void backward_blocks(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {
    alignas(64) Acc z[most], share[most];
    for (auto block = begin; block < end; block++) {
        const auto first = block * most, count = std::min(most, pass.rows * pass.classes - first);
        gather(pass, first, count, z, share);
#pragma omp simd
        for (int64_t k = 0; k < count; k++) {
            const Acc e = exponential(-std::abs(z[k])), small = logarithm_of_one_plus(e);
            const Acc wrong = (z[k] >= 0 ? Acc(1) : e) / (1 + e), right = (z[k] >= 0 ? e : Acc(1)) / (1 + e);
            share[k] *= pass.incoming * power<Square>(wrong, -(std::max(-z[k], Acc(0)) + small), pass.gamma) *
                        (wrong + pass.gamma * right * (std::max(z[k], Acc(0)) + small));
        }
        T* __restrict target = pass.gradient + first;
        for (auto row = first / pass.classes; row * pass.classes < first + count; row++) {
            const auto own = row * pass.classes + pass.labels[row] - first;
            if (pass.labels[row] < pass.classes && own >= 0 && own < count) share[own] = -share[own];
        }
        for (int64_t k = 0; k < count; k++) target[k] = static_cast<T>(share[k]);
    }
}

// Plain functions of one type each, as clones have to be.
#define TESSERA_FOCAL_LOSS(T, Acc)                                                                                                         \
    TESSERA_CLONES void forward(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {                                                    \
        pass.gamma == 2 ? forward_blocks<true>(pass, begin, end) : forward_blocks<false>(pass, begin, end);                                \
    }                                                                                                                                      \
    TESSERA_CLONES void backward(const Pass<T, Acc>& pass, int64_t begin, int64_t end) {                                                   \
        pass.gamma == 2 ? backward_blocks<true>(pass, begin, end) : backward_blocks<false>(pass, begin, end);                              \
    }
TESSERA_FOCAL_LOSS(float, float)
TESSERA_FOCAL_LOSS(double, double)
TESSERA_FOCAL_LOSS(at::BFloat16, float)

// Calls the body with the element type and the type that it computes in.
template <typename Body> void typed(at::ScalarType type, Body&& body) {
    switch (type) {
    case at::kFloat: return body(float(), float());
    case at::kDouble: return body(double(), double());
    case at::kBFloat16: return body(at::BFloat16(), float());
    default: throw Failure(ErrorKind::Type, std::string("focal_loss takes float32, float64 and bfloat16, not ") + c10::toString(type));
    }
}

void check(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) {
    auto require = [](bool right, const std::string& message) {
        if (!right) throw Failure(ErrorKind::Shape, "focal_loss: " + message);
    };
    auto text = [](at::IntArrayRef shape) {
        std::ostringstream out;
        out << shape;
        return out.str();
    };
    require(logits.dim() == 2 && logits.size(1) > 0, "the logits have to be [n, classes], they are " + text(logits.sizes()));
    auto rows = logits.size(0);
    require(labels.dim() == 1 && labels.size(0) == rows,
        "the labels have to be [" + std::to_string(rows) + "], they are " + text(labels.sizes()));
    require(!weights.defined() || (weights.dim() == 1 && weights.size(0) == rows),
        "the weights have to be [" + std::to_string(rows) + "], they are " + (weights.defined() ? text(weights.sizes()) : ""));
    if (labels.scalar_type() != at::kLong)
        throw Failure(
            ErrorKind::Type, std::string("focal_loss: the labels have to be int64, they are ") + c10::toString(labels.scalar_type()));
    auto values = labels.contiguous();
    auto label = values.data_ptr<int64_t>();
    for (int64_t row = 0; row < rows; row++)
        if (label[row] < 0 || label[row] > logits.size(1))
            throw Failure(ErrorKind::Index, "focal_loss: row " + std::to_string(row) + " has label " + std::to_string(label[row]) +
                                                ", there are " + std::to_string(logits.size(1)) +
                                                " classes (that number is the background)");
}

// The loss of all logits, in the type that it is computed in, and their gradient where one comes in.
at::Tensor run(const at::Tensor& incoming, const at::Tensor& logits, const at::Tensor& labels, const Optional<at::Tensor>& weights,
    double alpha, double gamma) {
    auto given = weights.has_value() ? *weights : at::Tensor();
    check(logits, labels, given);
    auto x = logits.contiguous(), l = labels.contiguous();
    at::Tensor result;
    typed(x.scalar_type(), [&](auto element, auto accumulator) {
        using T = decltype(element);
        using Acc = decltype(accumulator);
        constexpr auto wide = c10::CppTypeToScalarType<Acc>::value;
        auto w = given.defined() ? given.to(wide).contiguous() : given;
        auto blocks = (x.numel() + most - 1) / most;
        std::vector<double> sums(blocks);
        Pass<T, Acc> pass{x.size(0), x.size(1), x.template data_ptr<T>(), l.template data_ptr<int64_t>(),
            w.defined() ? w.template data_ptr<Acc>() : nullptr, static_cast<Acc>(alpha), static_cast<Acc>(gamma), sums.data(), nullptr, 0};
        if (incoming.defined()) {
            result = at::empty_like(x);
            pass.gradient = result.template data_ptr<T>();
            pass.incoming = static_cast<Acc>(incoming.item<double>());
            at::parallel_for(0, blocks, 16, [&](int64_t begin, int64_t end) { backward(pass, begin, end); });
            return;
        }
        at::parallel_for(0, blocks, 16, [&](int64_t begin, int64_t end) { forward(pass, begin, end); });
        double total = 0;
        for (auto sum : sums) total += sum;
        result = at::full({}, total, x.options().dtype(wide));
    });
    return result;
}

at::Tensor focal_loss_cpu(
    const at::Tensor& logits, const at::Tensor& labels, const Optional<at::Tensor>& weights, double alpha, double gamma) {
    return run(at::Tensor(), logits, labels, weights, alpha, gamma);
}

at::Tensor focal_loss_backward_cpu(const at::Tensor& gradient, const at::Tensor& logits, const at::Tensor& labels,
    const Optional<at::Tensor>& weights, double alpha, double gamma) {
    return run(gradient, logits, labels, weights, alpha, gamma);
}

using ForwardType = decltype(focal_loss_cpu);
using BackwardType = decltype(focal_loss_backward_cpu);

struct FocalLoss : torch::autograd::Function<FocalLoss> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& logits, const at::Tensor& labels,
        const Optional<at::Tensor>& weights, double alpha, double gamma) {
        context->save_for_backward({logits, labels, weights.has_value() ? *weights : at::Tensor()});
        context->saved_data["alpha"] = alpha;
        context->saved_data["gamma"] = gamma;
        at::AutoDispatchBelowADInplaceOrView below;
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::focal_loss", "").typed<ForwardType>();
        return op.call(logits, labels, weights, alpha, gamma);
    }

    static torch::autograd::variable_list backward(
        torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
        auto saved = context->get_saved_variables();
        static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::focal_loss_backward", "").typed<BackwardType>();
        auto logits =
            op.call(gradients[0], saved[0], saved[1], saved[2].defined() ? Optional<at::Tensor>(saved[2]) : Optional<at::Tensor>(),
                context->saved_data["alpha"].toDouble(), context->saved_data["gamma"].toDouble());
        at::Tensor none;
        return {logits, none, none, none, none};
    }
};

at::Tensor focal_loss_autograd(
    const at::Tensor& logits, const at::Tensor& labels, const Optional<at::Tensor>& weights, double alpha, double gamma) {
    return FocalLoss::apply(logits, labels, weights, alpha, gamma);
}

// The backward has no backward: a graph through it would silently lose its gradient, so it is refused.
at::Tensor focal_loss_backward_autograd(const at::Tensor& gradient, const at::Tensor& logits, const at::Tensor& labels,
    const Optional<at::Tensor>& weights, double alpha, double gamma) {
    if (c10::GradMode::is_enabled() && (gradient.requires_grad() || logits.requires_grad()))
        throw Failure(ErrorKind::NotImplemented, "gradients of gradients of focal_loss: use the plain composition for them");
    at::AutoDispatchBelowADInplaceOrView below;
    static auto op = c10::Dispatcher::singleton().findSchemaOrThrow("tessera::focal_loss_backward", "").typed<BackwardType>();
    return op.call(gradient, logits, labels, weights, alpha, gamma);
}

}  // namespace
}  // namespace tessera

TORCH_LIBRARY_FRAGMENT(tessera, library) {
    library.def("focal_loss(Tensor logits, Tensor labels, Tensor? weights, float alpha, float gamma) -> Tensor");
    library.def("focal_loss_backward(Tensor gradient, Tensor logits, Tensor labels, Tensor? weights, float alpha, float gamma) -> Tensor");
}

TORCH_LIBRARY_IMPL(tessera, CPU, library) {
    library.impl("focal_loss", tessera::focal_loss_cpu);
    library.impl("focal_loss_backward", tessera::focal_loss_backward_cpu);
}

TORCH_LIBRARY_IMPL(tessera, Autograd, library) {
    library.impl("focal_loss", tessera::focal_loss_autograd);
    library.impl("focal_loss_backward", tessera::focal_loss_backward_autograd);
}
