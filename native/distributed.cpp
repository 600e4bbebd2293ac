// Several processes that train one model: the store where they meet, the group in which they exchange tensors, and c10d's reducer,
// which averages gradients in buckets while the backward pass is still going on.
#include "tessera.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

using namespace tessera;

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;
using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

Store& store_of(void* store) { return *static_cast<Store*>(store); }
Group& group_of(void* group) { return *static_cast<Group*>(group); }
c10d::Reducer& reducer_of(void* reducer) { return **static_cast<std::shared_ptr<c10d::Reducer>*>(reducer); }

// Since 2.4 a store wants libuv unless it is told otherwise, and builds without libuv (Debian's) refuse. Its own server serves as well.
template <typename Options> auto without_libuv(Options& options, int) -> decltype(void(options.useLibUV)) { options.useLibUV = false; }
template <typename Options> void without_libuv(Options&, long) {}

void finish(const c10::intrusive_ptr<c10d::Work>& work) {
    if (work) work->wait();
}

// The reducer's arguments differ by version: until 2.6 it is told the buckets' limits, later ones want to know whether to leave out
// what no process uses and whether Python reduces, the newest also a limit for each bucket. Whichever there is, is taken.
template <typename Reducer = c10d::Reducer>
std::shared_ptr<Reducer> make_reducer(std::vector<at::Tensor> tensors, std::vector<std::vector<size_t>> buckets, std::vector<size_t> limits,
    Group group, std::vector<bool> sparse, int64_t first_bucket, int64_t bucket) {
    constexpr bool find_unused = true, gradients_are_views = false, leave_out_unused = false, python = false;
    std::unordered_map<size_t, std::string> names;
    using Tensors = std::vector<at::Tensor>;
    using Buckets = std::vector<std::vector<size_t>>;
    using Names = std::unordered_map<size_t, std::string>;
    if constexpr (std::is_constructible_v<Reducer, Tensors, Buckets, std::vector<size_t>, Group, std::vector<bool>, int64_t, bool, bool,
                      Names, int64_t>)
        return std::make_shared<Reducer>(std::move(tensors), std::move(buckets), std::move(limits), std::move(group), std::move(sparse),
            bucket, find_unused, gradients_are_views, std::move(names), first_bucket);
    else if constexpr (std::is_constructible_v<Reducer, Tensors, Buckets, Group, std::vector<bool>, int64_t, bool, bool, Names, int64_t,
                           bool, bool>)
        return std::make_shared<Reducer>(std::move(tensors), std::move(buckets), std::move(group), std::move(sparse), bucket, find_unused,
            gradients_are_views, std::move(names), first_bucket, leave_out_unused, python);
    else
        return std::make_shared<Reducer>(std::move(tensors), std::move(buckets), std::move(group), std::move(sparse), bucket, find_unused,
            gradients_are_views, std::move(names), first_bucket, leave_out_unused, python, std::vector<int64_t>());
}

#if defined(USE_C10D_GLOO) || defined(USE_C10D_NCCL)
// Until 1.13 a backend is a group by itself; since 2.0 a group is a front that passes calls on to a backend per kind of device.
template <typename Backend> Group group_over(const Store& store, c10::DeviceType device, const c10::intrusive_ptr<Backend>& backend) {
#if TESSERA_TORCH_AT_LEAST(2, 0)
    auto name = backend->getBackendName();
    auto type = c10d::ProcessGroup::strToBackendType(name);
#if TESSERA_TORCH_AT_LEAST(2, 6)
    auto group = c10::make_intrusive<c10d::ProcessGroup>(store, backend->getRank(), backend->getSize());
    group->setDefaultBackend(type);
#else
    auto group =
        c10::make_intrusive<c10d::ProcessGroup>(store, backend->getRank(), backend->getSize(), c10d::ProcessGroup::Options::create(name));
#endif
    group->setBackend(device, type, backend);
    return group;
#else
    (void)store, (void)device;
    return backend;
#endif
}
#endif

// address: one of this machine, by which the others reach it; empty lets GLOO_SOCKET_IFNAME or the host's name decide.
Group group_of_gloo(const Store& store, int32_t rank, int32_t size, const std::string& address, std::chrono::milliseconds timeout) {
#ifdef USE_C10D_GLOO
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    if (auto interface = std::getenv("GLOO_SOCKET_IFNAME"))
        options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
    else
        options->devices.push_back(
            address.empty() ? c10d::ProcessGroupGloo::createDefaultDevice() : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    return group_over(store, c10::DeviceType::CPU, c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options));
#else
    (void)store, (void)rank, (void)size, (void)address, (void)timeout;
    throw Failure(ErrorKind::NotImplemented,
        "this native library was built without gloo's headers (Debian: libgloo-dev): processes without GPUs cannot train together");
#endif
}

Group group_of_nccl(const Store& store, int32_t rank, int32_t size, std::chrono::milliseconds timeout) {
#ifdef USE_C10D_NCCL
    auto options = c10d::ProcessGroupNCCL::Options::create();
    options->timeout = timeout;
    return group_over(store, c10::DeviceType::CUDA, c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options));
#else
    (void)store, (void)rank, (void)size, (void)timeout;
    throw Failure(ErrorKind::NotImplemented, "this native library was built without NCCL: GPUs cannot train together");
#endif
}

}  // namespace

// The process with server set holds the store; the others connect to it, for as long as the time-out.
TESSERA_API int32_t tessera_store_new(const char* host, int32_t port, int32_t server, int64_t timeout, void** result) {
    return guarded([&] {
        c10d::TCPStoreOptions options;
        options.port = static_cast<std::uint16_t>(port);
        options.isServer = server != 0;
        options.waitWorkers = false;
        options.timeout = std::chrono::milliseconds(timeout);
        without_libuv(options, 0);
        *result = new Store(c10::make_intrusive<c10d::TCPStore>(std::string(host), options));
    });
}

TESSERA_API int32_t tessera_store_free(void* store) {
    return guarded([&] { delete static_cast<Store*>(store); });
}

TESSERA_API int32_t tessera_store_set(void* store, const char* key, const uint8_t* value, int32_t count) {
    return guarded([&] { store_of(store)->set(key, std::vector<uint8_t>(value, value + count)); });
}

// Waits for the key. The value is the caller's to free.
TESSERA_API int32_t tessera_store_get(void* store, const char* key, int64_t timeout, uint8_t** value, int32_t* count) {
    return guarded([&] {
        store_of(store)->wait({key}, std::chrono::milliseconds(timeout));
        auto found = store_of(store)->get(key);
        *value = static_cast<uint8_t*>(std::malloc(found.empty() ? 1 : found.size()));
        if (*value == nullptr) throw std::bad_alloc();
        std::memcpy(*value, found.data(), found.size());
        *count = static_cast<int32_t>(found.size());
    });
}

TESSERA_API int32_t tessera_store_check(void* store, const char* key, int32_t* present) {
    return guarded([&] { *present = store_of(store)->check({key}); });
}

TESSERA_API int32_t tessera_store_add(void* store, const char* key, int64_t value, int64_t* result) {
    return guarded([&] { *result = store_of(store)->add(key, value); });
}

TESSERA_API int32_t tessera_has_gloo() {
#ifdef USE_C10D_GLOO
    return 1;
#else
    return 0;
#endif
}

// cuda: over NCCL, else over gloo. The name keeps what groups leave in the store apart.
TESSERA_API int32_t tessera_group_new(
    void* store, const char* name, int32_t rank, int32_t size, int32_t cuda, const char* address, int64_t timeout, void** result) {
    return guarded([&] {
        Store own = c10::make_intrusive<c10d::PrefixStore>(std::string(name), store_of(store));
        auto limit = std::chrono::milliseconds(timeout);
        *result = new Group(cuda ? group_of_nccl(own, rank, size, limit) : group_of_gloo(own, rank, size, address, limit));
    });
}

TESSERA_API int32_t tessera_group_free(void* group) {
    return guarded([&] { delete static_cast<Group*>(group); });
}

TESSERA_API int32_t tessera_group_broadcast(void* group, Handle tensor, int32_t root) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor).detach()};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        finish(group_of(group)->broadcast(tensors, options));
    });
}

TESSERA_API int32_t tessera_group_all_reduce(void* group, Handle tensor) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor).detach()};
        finish(group_of(group)->allreduce(tensors));
    });
}

// input [...], output [size, ...], both contiguous.
TESSERA_API int32_t tessera_group_all_gather(void* group, Handle input, Handle output) {
    return guarded([&] {
        std::vector<at::Tensor> inputs{borrow(input).detach()};
        std::vector<std::vector<at::Tensor>> outputs{borrow(output).detach().unbind(0)};
        finish(group_of(group)->allgather(outputs, inputs));
    });
}

// Buckets are filled from the last parameter to the first, about the order in which a backward pass reaches them; the first to be full is
// small, so that the exchange begins early. Parameters that some process does not use count as zero there.
TESSERA_API int32_t tessera_reducer_new(
    void* group, const Handle* parameters, int32_t count, int64_t first_bucket, int64_t bucket, void** result) {
    return guarded([&] {
        auto tensors = borrow_all(parameters, count);
        std::vector<bool> sparse(tensors.size(), false);
        auto [buckets, limits] =
            c10d::compute_bucket_assignment_by_size(tensors, {static_cast<size_t>(first_bucket), static_cast<size_t>(bucket)}, sparse);
        std::reverse(buckets.begin(), buckets.end());
        std::reverse(limits.begin(), limits.end());
        *result = new std::shared_ptr<c10d::Reducer>(make_reducer(
            std::move(tensors), std::move(buckets), std::move(limits), group_of(group), std::move(sparse), first_bucket, bucket));
    });
}

TESSERA_API int32_t tessera_reducer_free(void* reducer) {
    return guarded([&] { delete static_cast<std::shared_ptr<c10d::Reducer>*>(reducer); });
}

// Called between the forward and the backward pass whose gradients are to be averaged; without, they are only gathered.
TESSERA_API int32_t tessera_reducer_prepare(void* reducer, Handle loss) {
    return guarded([&] {
        reducer_of(reducer).prepare_for_forward();
        reducer_of(reducer).prepare_for_backward({borrow(loss)});
    });
}
