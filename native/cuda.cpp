// CUDA as far as the build has it: without it there are no devices and the rest is an error that says so.
#include "tessera.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#if TESSERA_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#endif

using namespace tessera;

namespace {

#if TESSERA_CUDA
// A graph and the stream on which it is recorded: it cannot be the default one.
struct Recording {
    at::cuda::CUDAGraph graph;
    c10::cuda::CUDAStream stream;
    c10::cuda::CUDAStream before;
    explicit Recording(c10::DeviceIndex device)
        : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)), before(c10::cuda::getCurrentCUDAStream(device)) {}

    void enter() {
        c10::cuda::device_synchronize();
        before = c10::cuda::getCurrentCUDAStream(stream.device_index());
        c10::cuda::setCurrentCUDAStream(stream);
    }

    void leave() {
        // Whatever the device has to report, the stream is the one of before.
        c10::cuda::setCurrentCUDAStream(before);
        c10::cuda::device_synchronize();
    }
};

template <typename Body> int32_t on_recording(void* graph, Body&& body) {
    return guarded([&] { body(*static_cast<Recording*>(graph)); });
}
#else
[[noreturn]] void no_graphs() {
    throw Failure(ErrorKind::NotImplemented, "this build of libtorch has no CUDA: there is nothing to record a graph on");
}

template <typename Body> int32_t on_recording(void*, Body&&) { return guarded(no_graphs); }

// The tests' twin of CUDA has a device without libtorch having any: nothing to wait for and no figures.
void require_twin(int32_t device) {
    if (!c10::impl::hasDeviceGuardImpl(at::kCUDA))
        throw Failure(ErrorKind::NotImplemented, "this build of libtorch has no CUDA: no device " + std::to_string(device));
}
#endif

}  // namespace

TESSERA_API int32_t tessera_cuda_devices(int32_t* count) {
    // What stands for CUDA in this process, CUDA itself or the tests' twin of it, says how many it has.
    return guarded(
        [&] { *count = c10::impl::hasDeviceGuardImpl(at::kCUDA) ? c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() : 0; });
}

TESSERA_API int32_t tessera_cuda_synchronize(int32_t device) {
    return guarded([&] {
#if TESSERA_CUDA
        c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
        c10::cuda::device_synchronize();
#else
        require_twin(device);
#endif
    });
}

// Bytes in use now, at most since the last reset, and reserved from the device.
TESSERA_API int32_t tessera_cuda_memory(int32_t device, int64_t* allocated, int64_t* peak, int64_t* reserved) {
    return guarded([&] {
#if TESSERA_CUDA
        auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
        *allocated = stats.allocated_bytes[0].current;
        *peak = stats.allocated_bytes[0].peak;
        *reserved = stats.reserved_bytes[0].current;
#else
        require_twin(device);
        *allocated = *peak = *reserved = 0;
#endif
    });
}

TESSERA_API int32_t tessera_cuda_reset_peak(int32_t device) {
    return guarded([&] {
#if TESSERA_CUDA
        c10::cuda::CUDACachingAllocator::resetPeakStats(static_cast<c10::DeviceIndex>(device));
#else
        require_twin(device);
#endif
    });
}

TESSERA_API int32_t tessera_cuda_empty_cache() {
    return guarded([&] {
#if TESSERA_CUDA
        c10::cuda::CUDACachingAllocator::emptyCache();
#endif
    });
}

TESSERA_API int32_t tessera_cuda_graph_new(int32_t device, void** result) {
    return guarded([&] {
#if TESSERA_CUDA
        c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
        *result = new Recording(static_cast<c10::DeviceIndex>(device));
#else
        (void)device, (void)result;
        no_graphs();
#endif
    });
}

TESSERA_API int32_t tessera_cuda_graph_free(void* graph) {
    return on_recording(graph, [](auto& recording) { delete &recording; });
}

// From here to its counterpart, what this thread calls runs on the graph's own stream; both wait for all that was begun before.
TESSERA_API int32_t tessera_cuda_graph_enter(void* graph) {
    return on_recording(graph, [](auto& recording) { recording.enter(); });
}

TESSERA_API int32_t tessera_cuda_graph_leave(void* graph) {
    return on_recording(graph, [](auto& recording) { recording.leave(); });
}

// Between begin and end nothing is computed: kernels are recorded. The engine registers its default generator by itself, so that
// every replay draws new numbers.
TESSERA_API int32_t tessera_cuda_graph_begin(void* graph) {
    return on_recording(graph, [](auto& recording) { recording.graph.capture_begin(); });
}

TESSERA_API int32_t tessera_cuda_graph_end(void* graph) {
    return on_recording(graph, [](auto& recording) { recording.graph.capture_end(); });
}

// On the current stream.
TESSERA_API int32_t tessera_cuda_graph_replay(void* graph) {
    return on_recording(graph, [](auto& recording) { recording.graph.replay(); });
}
