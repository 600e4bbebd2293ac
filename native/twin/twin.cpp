// A twin of CUDA for tests: a device "cuda:0" without a GPU. Loaded into a process, it gives a libtorch without CUDA a device
// guard, default generator and kernels for that device, all of which compute on the processor. What a GPU would refuse it
// refuses: operators over tensors of two devices, generators of another device, operators that only the processor has, and
// reading its memory directly, whose addresses are made unreadable. It never shows the speed of a GPU, the rounding of its
// kernels, what they lack, nor what runs there asynchronously. No part of the product: only tests load it (docs/architecture.md).
//
// It has to be loaded before the engine first differentiates: the engine starts a thread for each device then, as for GPUs.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>
#include <torch/version.h>

#include <mutex>
#include <unordered_set>

namespace {

const c10::Device gpu(c10::DeviceType::CUDA, 0);
const c10::DispatchKeySet cuda_keys(c10::DispatchKey::CUDA), cpu_keys(c10::DispatchKey::CPU);

// ---- Devices, streams and random numbers ----------------------------------------------------------------------------

void require_device(c10::Device d) {
    TORCH_CHECK(d.type() == gpu.type() && d.index() <= 0, "CUDA error: invalid device ordinal (", d, ")");
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
    c10::DeviceType type() const override { return gpu.type(); }
    c10::Device exchangeDevice(c10::Device d) const override { return require_device(d), gpu; }
    c10::Device getDevice() const override { return gpu; }
    void setDevice(c10::Device d) const override { require_device(d); }
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, gpu); }
    c10::Stream getDefaultStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, gpu); }
    c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return c10::Stream(c10::Stream::DEFAULT, gpu); }
    c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
    c10::DeviceIndex deviceCount() const noexcept override { return 1; }
    void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
    void block(void*, const c10::Stream&) const override {}
    bool queryEvent(void*) const override { return true; }
    bool queryStream(const c10::Stream&) const override { return true; }
    void synchronizeStream(const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)

// Kernels of the processor draw from a generator of the processor's, which is not the processor's own.
struct DeviceGenerator final : c10::GeneratorImpl {
    mutable at::Generator own = at::detail::createCPUGenerator();
    DeviceGenerator() : GeneratorImpl(gpu, cuda_keys) {}
    void set_current_seed(uint64_t seed) override {
        locked([&] { own.set_current_seed(seed); });
    }
    uint64_t current_seed() const override { return own.current_seed(); }
    uint64_t seed() override { return own.seed(); }
    void set_state(const c10::TensorImpl& state) override {
        locked([&] { own.unsafeGetGeneratorImpl()->set_state(state); });
    }
    c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
        c10::intrusive_ptr<c10::TensorImpl> state;
        locked([&] { state = own.get_state().getIntrusivePtr(); });
        return state;
    }
#if TORCH_VERSION_MAJOR >= 2
    void set_offset(uint64_t offset) override { own.set_offset(offset); }
    uint64_t get_offset() const override { return own.get_offset(); }
#endif
    GeneratorImpl* clone_impl() const override { TORCH_CHECK(false, "the twin has one generator"); }

private:
    template <typename Body> void locked(Body&& body) const {
        std::lock_guard<std::mutex> lock(own.mutex());
        body();
    }
};

const at::Generator& generator() {
    static at::Generator one = at::make_generator<DeviceGenerator>();
    return one;
}

at::Generator generator_of_kernels() { return static_cast<DeviceGenerator*>(generator().unsafeGetGeneratorImpl())->own; }

}  // namespace

// What libtorch asks of CUDA from outside of its CUDA library; the registry wants this name, in this namespace.
namespace at {
struct CUDAHooks final : CUDAHooksInterface {
    explicit CUDAHooks(CUDAHooksArgs) {}
#if TORCH_VERSION_MAJOR >= 2
    void init() const override {}
    bool isPinnedPtr(const void*) const override { return false; }
    const Generator& getDefaultGenerator(DeviceIndex = -1) const override { return generator(); }
    bool hasPrimaryContext(DeviceIndex) const override { return true; }
    DeviceIndex current_device() const override { return 0; }
    void deviceSynchronize(DeviceIndex) const override {}
#else
    void initCUDA() const override {}
    const Generator& getDefaultCUDAGenerator(DeviceIndex = -1) const override { return generator(); }
    bool hasPrimaryContext(int64_t) const override { return true; }
    int64_t current_device() const override { return 0; }
    void deviceSynchronize(int64_t) const override {}
#endif
    bool hasCUDA() const override { return true; }
    Allocator* getPinnedMemoryAllocator() const override { return c10::GetAllocator(c10::DeviceType::CPU); }
    std::string showConfig() const override { return "a twin of CUDA on the processor, for tests"; }
    int getNumGPUs() const override { return 1; }
};
REGISTER_CUDA_HOOKS(CUDAHooks);
}  // namespace at

namespace {

// ---- One memory, two devices ----------------------------------------------------------------------------------------

// With this bit an address is none that a processor can read: whoever takes the twin's memory for its own crashes.
constexpr uintptr_t beyond = uintptr_t{1} << 62;
void* hidden(void* data) { return data == nullptr ? nullptr : reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(data) | beyond); }
void* shown(void* data) { return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(data) & ~beyond); }

c10::Storage storage_over(c10::DataPtr data, size_t bytes) {
    return c10::Storage(
        c10::Storage::use_byte_size_t(), bytes, std::move(data), c10::GetAllocator(c10::DeviceType::CPU), /*resizable=*/true);
}

// The device's memory that a storage of the processor's is from now on.
c10::DataPtr adopted(const c10::Storage& storage) {
    return {hidden(const_cast<void*>(storage.data())), new c10::Storage(storage),
        [](void* kept) { delete static_cast<c10::Storage*>(kept); }, gpu};
}

at::Tensor tensor_over(const c10::Storage& storage, c10::DispatchKeySet keys, const at::Tensor& like, bool view) {
    auto tensor = view ? at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, c10::Storage(storage), keys, like.dtype())
                       : at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), keys, like.dtype());
    tensor.unsafeGetTensorImpl()->set_storage_offset(like.storage_offset());
    tensor.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides());
    return tensor;
}

// The device's tensors of one call as tensors of the processor over the same memory, and the results back as the device's:
// what was changed in place or is a view stays what it was, what is new moves to the device.
class Crossing {
    struct Pair {
        c10::Storage device, cpu;
        c10::DispatchKeySet keys;
    };
    std::vector<Pair> storages;
    std::vector<std::pair<at::Tensor, at::Tensor>> tensors;  // of the device, of the processor

public:
    at::Tensor to_cpu(const at::Tensor& tensor) {
        if (!tensor.defined() || !tensor.is_cuda()) return tensor;
        for (auto& [ours, lent] : tensors)
            if (ours.is_same(tensor)) return lent;
        auto pair = std::find_if(storages.begin(), storages.end(),
            [&](auto& p) { return p.device.unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl(); });
        if (pair == storages.end()) {
            const auto& storage = tensor.storage();
            c10::DataPtr data(shown(const_cast<void*>(storage.data())), c10::Device(c10::DeviceType::CPU));
            pair = storages.insert(storages.end(), {storage, storage_over(std::move(data), storage.nbytes()), tensor.key_set()});
        }
        tensors.emplace_back(tensor, tensor_over(pair->cpu, cpu_keys, tensor, false));
        return tensors.back().second;
    }

    at::Tensor to_device(const at::Tensor& tensor) {
        if (!tensor.defined()) return tensor;
        for (auto& [ours, lent] : tensors)
            if (lent.is_same(tensor)) return ours;
        for (auto& pair : storages)
            if (pair.cpu.unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl())
                return tensor_over(pair.device, pair.keys, tensor, true);
        const auto& made = tensor.storage();
        storages.push_back({storage_over(adopted(made), made.nbytes()), made, cuda_keys});
        return tensor_over(storages.back().device, cuda_keys, tensor, false);
    }

    // Arguments that the operator gave another shape or more memory.
    void settle() {
        for (auto& pair : storages)
            if (pair.cpu.data() != shown(const_cast<void*>(pair.device.data()))) {
                // The tensors keep their storage; its memory is what the processor's has now.
                auto grown = storage_over(c10::DataPtr(), 0);
                grown.set_nbytes(pair.cpu.nbytes());
                grown.set_data_ptr(pair.cpu.set_data_ptr(c10::DataPtr(nullptr, c10::Device(c10::DeviceType::CPU))));
                pair.device.set_nbytes(grown.nbytes());
                pair.device.set_data_ptr(adopted(grown));
            }
        for (auto& [ours, lent] : tensors) {
            TORCH_CHECK(std::any_of(storages.begin(), storages.end(),
                            [&](auto& p) { return p.cpu.unsafeGetStorageImpl() == lent.storage().unsafeGetStorageImpl(); }),
                "the twin does not give a tensor another storage");
            if (ours.sizes() == lent.sizes() && ours.strides() == lent.strides() && ours.storage_offset() == lent.storage_offset())
                continue;
            ours.unsafeGetTensorImpl()->set_storage_offset(lent.storage_offset());
            ours.unsafeGetTensorImpl()->set_sizes_and_strides(lent.sizes(), lent.strides());
        }
    }
};

// ---- Kernels --------------------------------------------------------------------------------------------------------

// Operators that take tensors of two devices, and those that take single numbers of the processor beside tensors of the device.
const std::unordered_set<std::string> of_two_devices{"copy_", "_copy_from", "_copy_from_and_resize"};
const std::unordered_set<std::string> with_numbers{"add", "sub", "rsub", "mul", "div", "remainder", "fmod", "floor_divide", "pow",
    "float_power", "eq", "ne", "lt", "le", "gt", "ge", "maximum", "minimum", "fmax", "fmin", "atan2", "logical_and", "logical_or",
    "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "xlogy", "hypot", "fill", "masked_fill", "_index_put_impl"};

// 1.13's give wrong numbers on the processor alone where their arguments lie in different orders (docs/engine-defects.md).
bool wants_contiguous(const c10::FunctionSchema& schema) {
    return schema.name() == "aten::gelu_backward" || schema.name() == "aten::native_batch_norm" ||
           schema.name() == "aten::native_batch_norm_backward";
}

std::string plain_name(const c10::FunctionSchema& schema) {
    auto name = schema.name().substr(schema.name().rfind(':') + 1);
    if (name.size() > 1 && name.back() == '_') name.pop_back();
    return name;
}

void require_ours(const c10::FunctionSchema& schema, size_t argument, const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.device() == gpu) return;
    if (tensor.is_cpu() && tensor.dim() == 0 &&
        (tensor.unsafeGetTensorImpl()->is_wrapped_number() || with_numbers.count(plain_name(schema)) > 0))
        return;
    TORCH_CHECK(of_two_devices.count(schema.name().substr(schema.name().rfind(':') + 1)) > 0,
        "Expected all tensors to be on the same device, but found at least two devices, ", gpu, " and ", tensor.device(),
        "! (when checking argument for argument ", schema.arguments()[argument].name(), " in method ", schema.operator_name(), ")");
}

bool is_generator(const c10::TypePtr& type) {
    return type->kind() == c10::TypeKind::OptionalType &&
           type->castRaw<c10::OptionalType>()->getElementType()->kind() == c10::TypeKind::GeneratorType;
}

// Replaces the tensors of a value, if it holds any.
template <typename Change> bool map_tensors(c10::IValue& value, Change&& change) {
    if (value.isTensor())
        value = change(value.toTensor());
    else if (value.isTensorList()) {
        c10::List<at::Tensor> list;
        for (const auto& tensor : value.toTensorVector()) list.push_back(change(tensor));
        value = list;
    } else if (value.isOptionalTensorList()) {
        c10::List<c10::optional<at::Tensor>> list;
        for (const auto& tensor : value.toOptionalTensorVector())
            list.push_back(tensor ? c10::optional<at::Tensor>(change(*tensor)) : c10::nullopt);
        value = list;
    } else
        return false;
    return true;
}

void to_cpu(const c10::FunctionSchema& schema, size_t argument, c10::IValue& value, Crossing& crossing) {
    auto lent = [&](const at::Tensor& tensor) {
        require_ours(schema, argument, tensor);
        auto lent = crossing.to_cpu(tensor);
        return wants_contiguous(schema) ? lent.contiguous() : lent;
    };
    if (map_tensors(value, lent)) return;
    if (value.isDevice()) {
        require_device(value.toDevice());
        value = c10::Device(c10::DeviceType::CPU);
    } else if (value.isGenerator()) {
        auto given = value.toGenerator().device();
        TORCH_CHECK(given == gpu, "Expected a 'cuda' device type for generator but found '", given.type(), "'");
        value = generator_of_kernels();
    } else if (value.isNone() && is_generator(schema.arguments()[argument].type()))
        value = generator_of_kernels();
}

bool asks_for_half(const c10::Argument& argument, const c10::IValue& value) {
    return value.isInt() && argument.name().find("dtype") != std::string::npos && value.toInt() == static_cast<int64_t>(at::kHalf);
}

// float16, which few of the processor's kernels take: computed in float32, then rounded, as a GPU's kernels do.
void compute_in_float(const c10::OperatorHandle& op, c10::Stack& stack) {
    const auto& schema = op.schema();
    std::vector<std::pair<at::Tensor, at::Tensor>> pairs, written;  // in float16, in float32
    bool stays = false;
    for (size_t i = 0; i < stack.size(); i++) {
        const auto& argument = schema.arguments()[i];
        map_tensors(stack[i], [&](const at::Tensor& tensor) {
            if (!tensor.defined() || tensor.scalar_type() != at::kHalf) return tensor;
            auto known = std::find_if(pairs.begin(), pairs.end(), [&](auto& pair) { return pair.first.is_same(tensor); });
            if (known == pairs.end()) known = pairs.insert(pairs.end(), {tensor, tensor.to(at::kFloat)});
            if (argument.alias_info() != nullptr && argument.alias_info()->isWrite()) written.push_back(*known);
            return known->second;
        });
        if (asks_for_half(argument, stack[i])) stack[i] = static_cast<int64_t>(at::kFloat);
        if (argument.name() == "half_to_float" && stack[i].toBool()) stack[i] = false, stays = true;
    }
    op.redispatchBoxed(cpu_keys, &stack);
    for (auto& [half, wide] : written) half.resize_(wide.sizes()).copy_(wide);
    // Statistics of norms are in float32 there, too.
    bool statistics = schema.name().find("_norm") != std::string::npos && schema.name().find("backward") == std::string::npos;
    for (size_t i = 0; i < stack.size() && !stays; i++)
        map_tensors(stack[i], [&](const at::Tensor& tensor) {
            for (auto& [half, wide] : pairs)
                if (wide.is_same(tensor)) return half;
            return tensor.defined() && tensor.scalar_type() == at::kFloat && !(statistics && i > 0) ? tensor.to(at::kHalf) : tensor;
        });
}

void compute(const c10::OperatorHandle& op, c10::Stack* stack) {
    const auto& schema = op.schema();
    Crossing crossing;
    c10::Stack arguments(stack->end() - static_cast<std::ptrdiff_t>(schema.arguments().size()), stack->end());
    stack->resize(stack->size() - arguments.size());
    bool half = false;
    for (size_t i = 0; i < arguments.size(); i++) {
        to_cpu(schema, i, arguments[i], crossing);
        half |= asks_for_half(schema.arguments()[i], arguments[i]);
        map_tensors(
            arguments[i], [&](const at::Tensor& tensor) { return half |= tensor.defined() && tensor.scalar_type() == at::kHalf, tensor; });
    }
    at::AutoDispatchBelowADInplaceOrView below;
    c10::impl::ExcludeDispatchKeyGuard as_it_is(c10::autocast_dispatch_keyset);
    auto results = arguments;
    try {
        op.redispatchBoxed(cpu_keys, &results);
    } catch (const c10::Error&) {
        if (!half) throw;
        compute_in_float(op, results = arguments);
    }
    crossing.settle();
    for (auto& value : results) {
        map_tensors(value, [&](const at::Tensor& tensor) { return crossing.to_device(tensor); });
        stack->push_back(std::move(value));
    }
}

// The processor's has no argument for a generator.
std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p, c10::optional<bool> train) {
    if (train && !*train) return {input.clone(), at::ones_like(input, input.options().dtype(at::kBool))};
    auto kept = at::empty_like(input, input.options().dtype(at::kBool)).bernoulli_(1 - p);
    return {input * kept * (p == 1 ? 0.0 : 1 / (1 - p)), kept};
}

// Every operator of libtorch's that has a kernel for the processor, and those whose one kernel asks for the device itself.
TORCH_LIBRARY_IMPL(aten, CUDA, library) {
    auto& dispatcher = c10::Dispatcher::singleton();
    for (const auto& name : dispatcher.getAllOpNames()) {
        if (name.name.rfind("aten::", 0) != 0 || name.name == "aten::native_dropout") continue;
        auto op = dispatcher.findOp(name);
        if (!op || !op->hasSchema() || !op->hasKernelForDispatchKey(c10::DispatchKey::CPU)) continue;
        auto full = name.name.substr(6) + (name.overload_name.empty() ? "" : "." + name.overload_name);
        library.impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&compute>());
    }
    for (const auto* name : {"copy_", "convolution", "_convolution", "convolution_backward"})
        library.impl(name, torch::CppFunction::makeFromBoxedFunction<&compute>());
    library.impl("native_dropout", native_dropout);
}

}  // namespace
