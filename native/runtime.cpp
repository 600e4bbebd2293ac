// The engine's settings: random state, threads, determinism, memory policy, version, devices.
#include "tessera.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Config.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <cstring>
#include <malloc.h>
#include <mutex>

using namespace tessera;

namespace {

at::Generator& generator_of(void* generator) { return *static_cast<at::Generator*>(generator); }

}  // namespace

TESSERA_API int32_t tessera_abi() { return abi; }

// device -1: a fresh CPU generator with its own state; otherwise the default one of a device. Freed by the caller.
TESSERA_API int32_t tessera_generator(int64_t device, uint64_t seed, void** result) {
    return guarded([&] {
        *result = new at::Generator(
            device < 0 ? at::detail::createCPUGenerator(seed) : at::globalContext().defaultGenerator(unpack_device(device)));
    });
}

TESSERA_API void tessera_generator_free(void* generator) { delete static_cast<at::Generator*>(generator); }

TESSERA_API int32_t tessera_generator_seed(void* generator, uint64_t seed) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator_of(generator).mutex());
        generator_of(generator).set_current_seed(seed);
    });
}

TESSERA_API int32_t tessera_generator_get_state(void* generator, Handle* result) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator_of(generator).mutex());
        *result = release(generator_of(generator).get_state());
    });
}

TESSERA_API int32_t tessera_generator_set_state(void* generator, Handle state) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator_of(generator).mutex());
        generator_of(generator).set_state(borrow(state));
    });
}

TESSERA_API int32_t tessera_threads() { return at::get_num_threads(); }
TESSERA_API int32_t tessera_set_threads(int32_t count) {
    return guarded([&] { at::set_num_threads(count); });
}
TESSERA_API int32_t tessera_set_interop_threads(int32_t count) {
    return guarded([&] { at::set_num_interop_threads(count); });
}

TESSERA_API int32_t tessera_set_deterministic(int32_t enabled, int32_t warn_only) {
    return guarded([&] {
        at::globalContext().setDeterministicAlgorithms(enabled != 0, warn_only != 0);
        at::globalContext().setDeterministicCuDNN(enabled != 0);
        at::globalContext().setBenchmarkCuDNN(false);
    });
}
TESSERA_API int32_t tessera_deterministic() { return at::globalContext().deterministicAlgorithms(); }

// tf32 shortens float32 products and convolutions on CUDA: off unless asked for.
TESSERA_API int32_t tessera_set_tf32(int32_t allowed) {
    return guarded([&] {
#if TESSERA_TORCH_AT_LEAST(2, 6)
        // Some versions since 2.9 warn that there are newer settings; these exist in all of them.
        struct Silent : c10::WarningHandler {
            void process(const c10::Warning&) override {}
        } silent;
        c10::WarningUtils::WarningHandlerGuard quiet(&silent);
#endif
        at::globalContext().setAllowTF32CuBLAS(allowed != 0);
        at::globalContext().setAllowTF32CuDNN(allowed != 0);
    });
}

// Freed blocks stay with the process instead of being returned to the kernel and faulted in again at every step.
TESSERA_API void tessera_keep_freed_memory(int64_t largest_block) {
    mallopt(M_MMAP_THRESHOLD, static_cast<int>(largest_block));
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_TOP_PAD, 64 << 20);
}
TESSERA_API void tessera_release_freed_memory() { malloc_trim(0); }

TESSERA_API const char* tessera_torch_version() { return TORCH_VERSION; }

// How libtorch was built and what it uses; the caller frees it.
TESSERA_API int32_t tessera_build_info(char** result) {
    return guarded([&] { *result = strdup((at::show_config() + "\n" + at::get_parallel_info()).c_str()); });
}

TESSERA_API int32_t tessera_has_mkldnn() { return at::globalContext().hasMKLDNN(); }
