#!/usr/bin/env bash
# Products of compiled inference against oneDNN's with packed weights: builds products.cpp and writes results.csv beside it.
# Needs Debian's libdnnl-dev and a processor with AVX-512 and bfloat16.
set -euo pipefail
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
kernels=$here/../../native/kernels
build=$(mktemp -d)
trap 'rm -rf -- "$build"' EXIT
g++ -std=c++17 -O3 -fopenmp -fno-math-errno -fno-trapping-math -Wno-psabi -march=x86-64-v4 -mavx512bf16 -c "$kernels/avx512_bf16.cpp" -o "$build/kernels.o"
g++ -std=c++17 -O2 -fopenmp -include cstring -include array -include functional "$here/products.cpp" "$build/kernels.o" -ldnnl -o "$build/products"
{
    echo "# $(date -I), $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), oneDNN $(dpkg-query -W -f '${Version}' libdnnl2), one thread, sides in turn, best of 30"
    OMP_NUM_THREADS=1 "$build/products"
} | tee "$here/results.csv"
