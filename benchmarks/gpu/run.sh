#!/usr/bin/env bash
# Builds, checks and times everything on a machine with a GPU and PyTorch, without .NET:
#   benchmarks/gpu/run.sh [all|build|check|time|cifar10] [OUT] [options of run.py, or --set ... of the training]
# OUT: folder of logs and results; $OUT or artifacts/gpu/results by default. At most 8 files come to lie in it.
#   all      build, check and time
#   build    compiles libtessera.so against the PyTorch of python3, and unpacks what publish.sh made (artifacts/gpu/app.tar.xz)
#   check    the goldens in float32 and in bf16
#   time     run.py: images a second beside PyTorch, eager and compiled
#   cifar10  CCT-7/3x1 on CIFAR-10, 300 epochs; called again, it goes on where it was stopped. MINUTES (9 by default) bounds one call;
#            the data lie below $TESSERA_DATA (tessera data get cifar10, on a machine with a network)
# DEVICE=cpu tries all of it without a GPU.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/setup.sh
source "$here/../../scripts/setup.sh"

stage=all
case ${1:-} in all | build | check | time | cifar10) stage=$1; shift ;; esac
if [[ -n ${1:-} && $1 != -* ]]; then out=$1; shift; else out=${OUT:-$artifacts/gpu/results}; fi
mkdir -p "$out"
out=$(cd -- "$out" && pwd)
device=${DEVICE:-cuda}
app=$artifacts/gpu/app

# The PyTorch of python3, where its folder holds headers and libraries; else the system's libtorch.
find_torch() {
    local torch
    if [[ -n ${TESSERA_LIBTORCH:-} ]]; then return; fi
    torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))') || die 2 'python3 has no torch'
    # Debian's lies in the system's folders, and the one of python3 is links to it.
    if [[ -e $torch/lib/libtorch.so && ! -L $torch/lib/libtorch.so && -d $torch/include ]]; then export TESSERA_LIBTORCH=$torch; fi
    say "libtorch: ${TESSERA_LIBTORCH:-of the system}"
}

# NVIDIA's libraries lie beside torch, where its own libraries find them; the loader is told, too.
add_library_paths() {
    local folder
    if [[ -z ${TESSERA_LIBTORCH:-} ]]; then return; fi
    for folder in "$TESSERA_LIBTORCH"/lib "$TESSERA_LIBTORCH"/../nvidia/*/lib; do
        if [[ -d $folder ]]; then LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder; fi
    done
    export LD_LIBRARY_PATH
}

keep_logs() {
    cat "$artifacts"/logs/native-*.log > "$out/build.log" 2> /dev/null || true
    # Why a header was refused stands there only.
    tail -n 400 "$native"/build/CMakeFiles/CMakeConfigureLog.yaml >> "$out/build.log" 2> /dev/null || true
}

build() {
    # CMake wants make unless it is told of another.
    if ! command -v make > /dev/null && command -v ninja > /dev/null; then export CMAKE_GENERATOR=Ninja; fi
    if native_stale; then
        trap keep_logs EXIT
        (build_native)
        keep_logs
        trap - EXIT
    fi
    if [[ ! -x $app/Tessera.Benchmarks.Gpu || $artifacts/gpu/app.tar.xz -nt $app/Tessera.Benchmarks.Gpu ]]; then
        if [[ -e $artifacts/gpu/app.tar.xz ]]; then
            say 'unpacking the programs'
            tar -C "$artifacts/gpu" --touch -xJf "$artifacts/gpu/app.tar.xz"
        elif command -v dotnet > /dev/null; then
            say 'building the programs'
            "$here/publish.sh"
        else
            die 2 "there are no programs: run benchmarks/gpu/publish.sh where .NET is, and bring artifacts/gpu/app.tar.xz"
        fi
    fi
    "$app/Tessera.Cli" info --json > "$out/info.json" 2> "$out/info.log" || { cat "$out/info.log" >&2; die 1 'libtessera.so does not run here'; }
    rm -f -- "$out/info.log"
    if [[ $device == cuda* ]] && ! grep -Eq '"cuda_devices": *[1-9]' "$out/info.json"; then
        cat "$out/info.json" >&2
        die 1 "tessera sees no GPU; what CMake found is in $out/build.log"
    fi
}

# Both precisions run, whatever the first says.
check() {
    local precision failed=0
    for precision in float32 bf16; do
        say "goldens on $device in $precision"
        "$app/Tessera.Conformance" --goldens "$root/tests/goldens" --device "$device" --precision "$precision" > "$out/conformance-$precision.txt" 2>&1 || failed=1
        { grep -E '^FAIL' "$out/conformance-$precision.txt" | head -n 20; tail -n 1 "$out/conformance-$precision.txt"; } || true
    done
    return "$failed"
}

measure() { PYTHONUNBUFFERED=1 python3 "$here/run.py" --device "$device" --app "$app" --out "$out" "$@" 2>&1 | tee "$out/time.log"; }

cifar10() {
    local run=$artifacts/gpu/cifar10 status=0
    local -a begin=(train "$root/recipes/cct/cct_7_3x1_cifar10.yaml" --out "$run" --set "train.device=$device" "$@")
    if [[ -e $run/recipe.yaml ]]; then begin=(train --resume "$run"); fi
    # An interrupt makes it write a checkpoint.
    timeout --foreground -s INT -k 30 "${MINUTES:-9}m" "$app/Tessera.Cli" "${begin[@]}" > "$out/cifar10.log" 2>&1 || status=$?
    tail -n 15 "$out/cifar10.log"
    cp -- "$run"/log.jsonl "$out/cifar10.jsonl" 2> /dev/null || say 'the run has no log yet'
    if [[ -e $run/report.html ]]; then cp -- "$run/report.html" "$out/cifar10.html"; fi
    if [[ $status == 124 ]]; then say "stopped after ${MINUTES:-9} minutes; call again to go on"; return 0; fi
    return "$status"
}

find_torch
locate_native
add_library_paths
case $stage in
    all)
        build
        checked=0
        check || checked=$?
        measure "$@"
        exit "$checked"
        ;;
    build) build ;;
    check) build; check ;;
    time) build; measure "$@" ;;
    cifar10) build; cifar10 "$@" ;;
esac
