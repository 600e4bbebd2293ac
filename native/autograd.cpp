// Gradients: backward, gradients of outputs with respect to inputs, functions whose backward is C#, hooks, modes.
#include "tessera.h"

#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

namespace ag = torch::autograd;

namespace tessera {
namespace {

// A C# backward: gradients of the outputs in, of the inputs out (owning handles, null where none is needed).
// Callbacks return 0, or the number under which C# keeps the exception: it travels as the message of the failure.
using Backward = int32_t (*)(
    void* context, void* node, const Handle* gradients, int32_t count, const uint8_t* needed, Handle* results, int32_t result_count);
using Released = void (*)(void* context);
using Hook = int32_t (*)(void* context, Handle gradient, Handle* replacement);

struct ManagedNode final : ag::Node {
    Backward backward;
    Released released;
    void* context;
    std::vector<ag::SavedVariable> saved;
    int32_t inputs;

    ManagedNode(Backward backward, Released released, void* context, int32_t inputs)
        : backward(backward), released(released), context(context), inputs(inputs) {}
    ~ManagedNode() override { released(context); }

    std::string name() const override { return "TesseraFunction"; }

    void release_variables() override {
        for (auto& variable : saved) variable.reset_data();
    }

    ag::variable_list apply(ag::variable_list&& gradients) override {
        std::vector<Handle> given;
        for (auto& gradient : gradients) given.push_back(gradient.defined() ? gradient.unsafeGetTensorImpl() : nullptr);
        std::vector<uint8_t> needed(inputs);
        for (int32_t i = 0; i < inputs; i++) needed[i] = task_should_compute_output(i);
        std::vector<Handle> results(inputs, nullptr);
        int32_t status = backward(context, this, given.data(), static_cast<int32_t>(given.size()), needed.data(), results.data(), inputs);
        ag::variable_list list;
        for (auto handle : results)
            list.push_back(handle == nullptr ? at::Tensor()
                                             : at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(handle)));
        if (status != 0) throw Failure(ErrorKind::Callback, std::to_string(status));
        return list;
    }
};

// A node that is held: by std::shared_ptr, and in newer versions of libtorch by an intrusive pointer. What only one of both has is named
// by way of the type, so that the other compiles.
using HeldNode = decltype(ag::Edge::function);
constexpr bool nodes_are_shared = std::is_same_v<HeldNode, std::shared_ptr<ag::Node>>;

template <typename Node, typename... Arguments> HeldNode make_node(Arguments... arguments) {
    if constexpr (nodes_are_shared)
        return HeldNode(new Node(arguments...), [](Node* node) { deleteNode(node); });
    else
        return c10::make_intrusive<Node>(arguments...);
}

template <typename Node, typename Held = HeldNode> Held held(Node* node) {
    if constexpr (nodes_are_shared)
        return node->shared_from_this();
    else
        return Held::reclaim_copy(node);
}

struct HookState {
    Hook hook;
    Released released;
    void* context;
    ~HookState() { released(context); }
};

}  // namespace
}  // namespace tessera

using namespace tessera;

// A backward pass runs in the types of its forward pass. Autocast that is still on would shorten other products than those, and
// on CUDA to float16 whatever was asked for: the engine's own thread there does not know.
using WithoutAutocast = c10::impl::ExcludeDispatchKeyGuard;

TESSERA_API int32_t tessera_backward(
    const Handle* outputs, int32_t count, const Handle* gradients, int32_t retain_graph, int32_t create_graph) {
    return guarded([&] {
        WithoutAutocast guard(c10::autocast_dispatch_keyset);
        ag::backward(borrow_all(outputs, count), borrow_all(gradients, count), retain_graph != 0, create_graph != 0);
    });
}

TESSERA_API int32_t tessera_grad(const Handle* outputs, int32_t output_count, const Handle* inputs, int32_t input_count,
    const Handle* gradients, int32_t retain_graph, int32_t create_graph, int32_t allow_unused, Handle* results) {
    return guarded([&] {
        WithoutAutocast guard(c10::autocast_dispatch_keyset);
        auto list = ag::grad(borrow_all(outputs, output_count), borrow_all(inputs, input_count), borrow_all(gradients, output_count),
            retain_graph != 0, create_graph != 0, allow_unused != 0);
        for (size_t i = 0; i < list.size(); i++) results[i] = release(std::move(list[i]));
    });
}

TESSERA_API int32_t tessera_get_gradient(Handle tensor, Handle* result) {
    return guarded([&] { *result = release(borrow(tensor).grad()); });
}

TESSERA_API int32_t tessera_set_gradient(Handle tensor, Handle gradient) {
    return guarded([&] {
        auto t = borrow(tensor), g = borrow(gradient);
        if (g.defined() && g.sizes() != t.sizes())
            throw Failure(ErrorKind::Shape, "a gradient of shape " + c10::str(g.sizes()) + " for a tensor of shape " + c10::str(t.sizes()));
        if (g.defined() && (g.scalar_type() != t.scalar_type() || g.device() != t.device()))
            throw Failure(ErrorKind::Type,
                c10::str("a gradient of ", g.scalar_type(), " on ", g.device(), " for a tensor of ", t.scalar_type(), " on ", t.device()));
        t.mutable_grad() = g;
    });
}

TESSERA_API int32_t tessera_set_requires_grad(Handle tensor, int32_t value) {
    return guarded([&] { borrow(tensor).requires_grad_(value != 0); });
}

// A custom function in three steps: a node over the inputs, the outputs that it leads to, what it saves for backward.
TESSERA_API int32_t tessera_function_new(
    const Handle* inputs, int32_t count, Backward backward, Released released, void* context, void** result) {
    return guarded([&] {
        auto node = make_node<ManagedNode>(backward, released, context, count);
        ag::edge_list edges;
        for (auto& input : borrow_all(inputs, count))
            edges.push_back(input.defined() && input.requires_grad() ? ag::impl::gradient_edge(input) : ag::Edge());
        node->set_next_edges(std::move(edges));
        *result = new HeldNode(std::move(node));
    });
}

TESSERA_API int32_t tessera_function_outputs(void* node, const Handle* outputs, int32_t count) {
    return guarded([&] {
        auto& own = *static_cast<HeldNode*>(node);
        for (auto& output : borrow_all(outputs, count)) ag::set_history(output, own);
    });
}

TESSERA_API int32_t tessera_function_save(void* node, Handle tensor, int32_t is_output) {
    return guarded(
        [&] { static_cast<ManagedNode*>(static_cast<HeldNode*>(node)->get())->saved.emplace_back(borrow(tensor), is_output != 0); });
}

TESSERA_API void tessera_function_release(void* node) { delete static_cast<HeldNode*>(node); }

// Called inside backward, with the node that it was given.
TESSERA_API int32_t tessera_function_saved(void* node, int32_t index, Handle* result) {
    return guarded([&] {
        auto self = static_cast<ManagedNode*>(node);
        *result = release(self->saved.at(index).unpack(held(self)));
    });
}

TESSERA_API int32_t tessera_add_hook(Handle tensor, Hook hook, Released released, void* context, uint32_t* id) {
    std::shared_ptr<HookState> state(new HookState{hook, released, context});
    return guarded([&] {
        *id = borrow(tensor).register_hook([state](at::Tensor gradient) -> at::Tensor {
            Handle replacement = nullptr;
            int32_t status = state->hook(state->context, gradient.defined() ? gradient.unsafeGetTensorImpl() : nullptr, &replacement);
            if (status != 0) throw Failure(ErrorKind::Callback, std::to_string(status));
            return replacement == nullptr ? gradient
                                          : at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(replacement));
        });
    });
}

TESSERA_API int32_t tessera_remove_hook(Handle tensor, uint32_t id) {
    return guarded([&] { borrow(tensor).remove_hook(id); });
}

TESSERA_API int32_t tessera_grad_mode() { return at::GradMode::is_enabled(); }
TESSERA_API void tessera_set_grad_mode(int32_t enabled) { at::GradMode::set_enabled(enabled != 0); }

// Inference mode is a guard of libtorch's own, entered and left on the same thread in the order of a stack.
TESSERA_API void* tessera_enter_inference() { return new c10::InferenceMode(true); }
TESSERA_API void tessera_leave_inference(void* guard) { delete static_cast<c10::InferenceMode*>(guard); }

// Autocast of one device type: whether it is on and to which type; returns what was before through the pointers.
TESSERA_API int32_t tessera_set_autocast(int32_t cuda, int32_t enabled, int32_t dtype, int32_t* was_enabled, int32_t* was_dtype) {
    return guarded([&] {
        auto type = static_cast<at::ScalarType>(dtype);
#if TESSERA_TORCH_AT_LEAST(2, 4)
        auto device = cuda ? at::kCUDA : at::kCPU;
        *was_enabled = at::autocast::is_autocast_enabled(device);
        *was_dtype = static_cast<int32_t>(at::autocast::get_autocast_dtype(device));
        at::autocast::set_autocast_enabled(device, enabled != 0);
        at::autocast::set_autocast_dtype(device, type);
#else
        *was_enabled = cuda ? at::autocast::is_enabled() : at::autocast::is_cpu_enabled();
        *was_dtype = static_cast<int32_t>(cuda ? at::autocast::get_autocast_gpu_dtype() : at::autocast::get_autocast_cpu_dtype());
        if (cuda) {
            at::autocast::set_enabled(enabled != 0);
            at::autocast::set_autocast_gpu_dtype(type);
        } else {
            at::autocast::set_cpu_enabled(enabled != 0);
            at::autocast::set_autocast_cpu_dtype(type);
        }
#endif
    });
}

// Weights cast once are kept until the outermost autocast region ends.
TESSERA_API void tessera_autocast_enter() { at::autocast::increment_nesting(); }
TESSERA_API void tessera_autocast_leave() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}
