// The products of compiled inference against oneDNN's matmul primitive with packed weights, one thread, sides in turn.
// Built and run by run.sh beside this file.
#include "../../native/kernels/kernels.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <vector>

using namespace tessera::kernels;

static double best_of(int rounds, const std::function<void()>& body) {
    double best = 1e9;
    for (int r = 0; r < rounds; r++) {
        auto start = std::chrono::steady_clock::now();
        body();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}

int main() {
    const Table& table = avx512_bf16();
    dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    std::printf("rows,depth,columns,type,ours_gflops,onednn_gflops,ratio\n");
    for (auto [rows, depth, columns] : {std::array<int64_t, 3>{197, 192, 576}, {197, 192, 768}, {197, 768, 192}, {197, 384, 1536}, {197, 1536, 384}, {256, 256, 512}, {3136, 64, 256}, {3136, 96, 288}, {49, 768, 3072}}) {
        for (int type = 0; type < 2; type++) {
            std::vector<float> weights(depth * columns, 0.01f);
            void* packed = std::aligned_alloc(64, (table.packed_bytes(depth, columns, type) + 63) / 64 * 64);
            table.pack(weights.data(), 1, depth, depth, columns, type, packed);
            void* a = std::aligned_alloc(64, (rows * depth * 4 + 63) / 64 * 64);
            std::memset(a, 0, rows * depth * 4);
            void* out = std::aligned_alloc(64, (rows * columns * 4 + 63) / 64 * 64);
            Gemm gemm{a, packed, nullptr, nullptr, out, rows, columns, depth, depth, 0, columns, type, type, Activation::None};

            auto kind = type ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
            using tag = dnnl::memory::format_tag;
            dnnl::memory::desc source({rows, depth}, kind, tag::ab), any({depth, columns}, kind, tag::any), target({rows, columns}, kind, tag::ab);
            dnnl::matmul::primitive_desc description(dnnl::matmul::desc(source, any, target), engine);
            dnnl::matmul matmul(description);
            dnnl::memory source_memory(source, engine, a), weights_memory(description.weights_desc(), engine), target_memory(target, engine, out);
            std::memset(weights_memory.get_data_handle(), 0, description.weights_desc().get_size());
            auto ours = [&] { for (int i = 0; i < 10; i++) table.gemm(gemm, 1); };
            auto theirs = [&] {
                for (int i = 0; i < 10; i++) matmul.execute(stream, {{DNNL_ARG_SRC, source_memory}, {DNNL_ARG_WEIGHTS, weights_memory}, {DNNL_ARG_DST, target_memory}});
                stream.wait();
            };
            double mine = 1e9, other = 1e9;
            for (int round = 0; round < 5; round++) {
                mine = std::min(mine, best_of(6, ours));
                other = std::min(other, best_of(6, theirs));
            }
            double flops = 2.0 * rows * depth * columns * 10 / 1e9;
            std::printf("%ld,%ld,%ld,%s,%.0f,%.0f,%.2f\n", rows, depth, columns, type ? "bfloat16" : "float32", flops / mine, flops / other, other / mine);
            std::free(packed);
            std::free(a);
            std::free(out);
        }
    }
}
