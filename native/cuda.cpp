// CUDA as far as the build has it: without it there are no devices and the rest is an error that says so.
#include "tessera.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#if TESSERA_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#endif

using namespace tessera;

#if !TESSERA_CUDA
namespace {

// The tests' twin of CUDA has a device without libtorch having any: nothing to wait for and no figures.
void require_twin(int32_t device) {
    if (!c10::impl::hasDeviceGuardImpl(at::kCUDA)) throw Failure(ErrorKind::NotImplemented, "this build of libtorch has no CUDA: no device " + std::to_string(device));
}

}  // namespace
#endif

TESSERA_API int32_t tessera_cuda_devices(int32_t* count) {
    // What stands for CUDA in this process, CUDA itself or the tests' twin of it, says how many it has.
    return guarded([&] { *count = c10::impl::hasDeviceGuardImpl(at::kCUDA) ? c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount() : 0; });
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
