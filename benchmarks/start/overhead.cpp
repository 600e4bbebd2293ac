// Nanoseconds of an operator on tensors of next to nothing, from C++. Argument: calls.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

template <typename Call>
static void measure(const char* name, long calls, Call call) {
    using clock = std::chrono::steady_clock;
    for (long i = 0; i < calls / 10; i++) call();
    const auto start = clock::now();
    for (long i = 0; i < calls; i++) call();
    const std::chrono::duration<double, std::nano> taken = clock::now() - start;
    std::printf("%s %.1f\n", name, taken.count() / calls);
}

int main(int, char** arguments) {
    const long calls = std::atol(arguments[1]);
    const c10::InferenceMode inference;
    at::set_num_threads(1);
    const auto a = at::ones({1}), b = at::ones({1});
    const auto x = at::ones({1, 4}), weight = at::ones({4, 4}), bias = at::ones({4});
    measure("add", calls, [&] { return at::add(a, b); });
    measure("reshape", calls, [&] { return at::reshape(x, {4, 1}); });
    measure("linear", calls, [&] { return at::linear(x, weight, bias); });
}
