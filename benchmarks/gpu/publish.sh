#!/usr/bin/env bash
# Puts the benchmark, the conformance program and the command line into one folder that runs without .NET (linux-x64), and packs it:
#   benchmarks/gpu/publish.sh [FOLDER]        artifacts/gpu by default: FOLDER/app and FOLDER/app.tar.xz
# Needs the .NET SDK. libtessera.so is not in it: run.sh compiles that against the PyTorch of the machine with the GPU.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:-$root/artifacts/gpu}
mkdir -p "$out"
out=$(cd -- "$out" && pwd)
rm -rf -- "$out/app" "$out/app.tar.xz"
log=$out/publish.log
: > "$log"
# The same assemblies and one runtime: what the second and third write over is equal.
for project in src/Tessera.Cli tests/Tessera.Conformance benchmarks/gpu; do
    if ! dotnet publish "$root/$project" -c Release -r linux-x64 --self-contained true -o "$out/app" -v quiet -nologo -tl:off \
        -p:DebugType=none -p:PublishTrimmed=false -p:IncludeSourceRevisionInInformationalVersion=false >> "$log" 2>&1 < /dev/null; then
        tail -n 20 "$log" >&2
        echo "publishing $project failed; the whole log is $log" >&2
        exit 1
    fi
done
find "$out/app" \( -name '*.pdb' -o -name '*.xml' \) -delete
tar -C "$out" -cf - app | xz -T0 -6 > "$out/app.tar.xz"
du -sh "$out/app" "$out/app.tar.xz"
