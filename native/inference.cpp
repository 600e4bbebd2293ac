// Runs compiled models: programs of kernels and, where there is none, of engine operators, over memory laid out beforehand.
#include "tessera.h"
#include "kernels/kernels.h"

#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <omp.h>
#include <vector>

TESSERA_API int32_t tessera_call(
    void* op, const tessera::Value* arguments, int32_t count, tessera::Value* returns, int32_t capacity, int32_t* returned);
TESSERA_API const char* tessera_last_error();

namespace tessera {

// Mirrored by Tessera.Deploy.StepKind.
enum class StepKind : int32_t { Gemm, Conv, Depthwise, Attention, LayerNorm, Binary, Map, Resize, GroupNorm, Engine };

struct Step {
    StepKind kind;
    void* arguments;
};

// A call of the engine: its results are copied into targets, tensors over the program's memory (null: not needed).
struct EngineCall {
    void* op;
    const Value* arguments;
    const Handle* targets;
    int32_t count;
    int32_t target_count;
};

// One model over memory of its own.
struct Program {
    const Step* steps;
    void* input;
    const void* output;
    // Where the last step keeps the address of its result, if it writes to the caller's memory itself; then output is nothing.
    void** target;
    int64_t input_bytes;
    int64_t output_bytes;
    int32_t count;
};

namespace kernels {
namespace {

// Kernels that this processor runs, the fastest first.
std::vector<const Table*> usable() {
    std::vector<const Table*> tables;
#if defined(TESSERA_X86_KERNELS)
    __builtin_cpu_init();
    bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    if (v4 && __builtin_cpu_supports("avx512bf16")) tables.push_back(&avx512_bf16());
    if (v4) tables.push_back(&avx512());
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2());
#endif
    tables.push_back(&plain());
    return tables;
}

const Table* find(const char* name) {
    for (const auto* table : usable())
        if (name == nullptr || *name == 0 || std::strcmp(table->name, name) == 0) return table;
    std::string names;
    for (const auto* table : usable()) names += (names.empty() ? "" : ", ") + std::string(table->name);
    throw Failure(ErrorKind::Value, "kernels '" + std::string(name) + "': this processor runs " + names);
}

std::atomic<const Table*> chosen{nullptr};

}  // namespace

const Table& current() {
    if (chosen.load() == nullptr) chosen = find(std::getenv("TESSERA_KERNELS"));
    return *chosen.load();
}

}  // namespace kernels

namespace {

void run_engine(const EngineCall& call) {
    constexpr int32_t most = 16;
    Value results[most];
    int32_t returned = 0;
    if (tessera_call(call.op, call.arguments, call.count, results, most, &returned) != 0)
        throw Failure(ErrorKind::Engine, tessera_last_error());
    int32_t at = 0;
    auto take = [&](Handle handle) {
        auto owned = at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(handle));
        if (at < call.target_count && call.targets[at] != nullptr) borrow(call.targets[at]).copy_(owned);
        at++;
    };
    for (int32_t i = 0; i < returned; i++) {
        if (results[i].tag == Tag::Tensor && results[i].pointer != nullptr)
            take(static_cast<Handle>(results[i].pointer));
        else if (results[i].tag == Tag::TensorList) {
            for (int32_t k = 0; k < results[i].count; k++) take(static_cast<Handle*>(results[i].pointer)[k]);
            std::free(results[i].pointer);
        }
    }
}

void run_step(const kernels::Table& table, const Step& step, int threads) {
    switch (step.kind) {
    case StepKind::Gemm: return table.gemm(*static_cast<const kernels::Gemm*>(step.arguments), threads);
    case StepKind::Conv: return table.conv(*static_cast<const kernels::Conv*>(step.arguments), threads);
    case StepKind::Depthwise: return table.depthwise(*static_cast<const kernels::Depthwise*>(step.arguments), threads);
    case StepKind::Attention: return table.attention(*static_cast<const kernels::Attention*>(step.arguments), threads);
    case StepKind::LayerNorm: return table.layer_norm(*static_cast<const kernels::LayerNorm*>(step.arguments), threads);
    case StepKind::Binary: return table.binary(*static_cast<const kernels::Binary*>(step.arguments), threads);
    case StepKind::Map: return table.map(*static_cast<const kernels::Map*>(step.arguments), threads);
    case StepKind::Resize: return table.resize(*static_cast<const kernels::Resize*>(step.arguments), threads);
    case StepKind::GroupNorm: return table.group_norm(*static_cast<const kernels::GroupNorm*>(step.arguments), threads);
    case StepKind::Engine: return run_engine(*static_cast<const EngineCall*>(step.arguments));
    }
}

void run_image(const kernels::Table& table, const Program& program, int64_t image, const char* images, char* results, int threads) {
    std::memcpy(program.input, images + image * program.input_bytes, static_cast<size_t>(program.input_bytes));
    char* result = results + image * program.output_bytes;
    if (program.target != nullptr) *program.target = result;
    for (int32_t i = 0; i < program.count; i++) run_step(table, program.steps[i], threads);
    if (program.target == nullptr) std::memcpy(result, program.output, static_cast<size_t>(program.output_bytes));
}

}  // namespace
}  // namespace tessera

using namespace tessera;

TESSERA_API int32_t tessera_kernels_name(const char** name) {
    return guarded([&] { *name = kernels::current().name; });
}

// Chooses kernels by name; an empty one the fastest. What was packed for others must not be run any more.
TESSERA_API int32_t tessera_kernels_use(const char* name) {
    return guarded([&] { kernels::chosen = kernels::find(name); });
}

// Bytes of packed weights; with memory given, packs them there.
TESSERA_API int32_t tessera_pack(
    const float* b, int64_t k_stride, int64_t n_stride, int64_t depth, int64_t columns, int32_t type, void* packed, int64_t* bytes) {
    return guarded([&] {
        const auto& table = kernels::current();
        *bytes = static_cast<int64_t>(table.packed_bytes(depth, columns, type));
        if (packed != nullptr) table.pack(b, k_stride, n_stride, depth, columns, type, packed);
    });
}

// With one program all threads work on one image; with several, each program is a thread's and takes image after image.
TESSERA_API int32_t tessera_program_run(
    const Program* programs, int32_t program_count, int32_t threads, const char* images, char* results, int64_t count) {
    return guarded([&] {
        c10::InferenceMode inference;
        const auto& table = kernels::current();
        if (program_count <= 1) {
            for (int64_t i = 0; i < count; i++) run_image(table, programs[0], i, images, results, threads);
            return;
        }
        std::atomic<int64_t> next{0};
        std::mutex guard;
        std::string failed;
#pragma omp parallel num_threads(program_count)
        {
            c10::InferenceMode inside;
            try {
                for (int64_t i = next++; i < count; i = next++) run_image(table, programs[omp_get_thread_num()], i, images, results, 1);
            } catch (const std::exception& error) {
                std::lock_guard<std::mutex> lock(guard);
                failed = error.what();
            }
        }
        if (!failed.empty()) throw Failure(ErrorKind::Engine, failed);
    });
}

// Runs one program once over what its input holds, and tells the nanoseconds that each step took.
TESSERA_API int32_t tessera_program_profile(const Program* program, int32_t threads, int64_t* nanoseconds) {
    return guarded([&] {
        c10::InferenceMode inference;
        const auto& table = kernels::current();
        std::vector<char> result;
        if (program->target != nullptr) {
            result.resize(static_cast<size_t>(program->output_bytes));
            *program->target = result.data();
        }
        for (int32_t i = 0; i < program->count; i++) {
            double start = omp_get_wtime();
            run_step(table, program->steps[i], threads);
            nanoseconds[i] = static_cast<int64_t>((omp_get_wtime() - start) * 1e9);
        }
    });
}
