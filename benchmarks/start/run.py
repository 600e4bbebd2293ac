#!/usr/bin/env python3
"""What the binding costs: an operator called from C#, from Python and from C++; and the start of a process up to its first prediction.

    ./tessera bench start [--rounds 15 --calls 200000]

Overhead: add, reshape and linear on tensors of a few elements, in nanoseconds, one thread; what C++ takes is libtorch's own work,
the rest is the binding's. Start: wall time from the start of a process that reads vit_tiny_patch16_224 from a safetensors file and
classifies an image with it until it says the class, and until it has ended; files in the page cache; C# is compiled ahead of time together with the framework (ReadyToRun, composite). Sides in turn, medians over the rounds. Needs
Debian's python3-torch, python3-numpy, g++ and libtorch-dev, and ./tessera. Writes results.csv and results.md beside this file, or
to --out.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "inference")]
import side_by_side as sbs  # noqa: E402
from files import Files  # noqa: E402

MODEL = "vit_tiny_patch16_224"
OPERATORS = ["add", "reshape", "linear"]
START, END = "start to first prediction", "start to end of the process"


def compile_cpp():
    """The C++ side, against the libtorch that Tessera uses."""
    libtorch = os.environ.get("TESSERA_LIBTORCH")
    include = pathlib.Path(libtorch) / "include" if libtorch else pathlib.Path("/usr/include")
    folders = [pathlib.Path(libtorch) / "lib"] if libtorch else sorted(pathlib.Path("/usr/lib").glob("*-linux-gnu"))
    library = next((folder for folder in folders if (folder / "libtorch_cpu.so").exists()), None)
    if library is None or not (include / "ATen" / "ATen.h").exists():
        sys.exit("no libtorch with headers: apt-get install libtorch-dev, or let TESSERA_LIBTORCH name a folder with include/ and lib/")
    target = sbs.CACHE / "start" / "overhead"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.stat().st_mtime < (HERE / "overhead.cpp").stat().st_mtime:
        # The system's folder is searched anyway; named once more, it would come before that of the C library.
        own = ["-std=c++20", "-isystem", include] if libtorch else ["-std=c++17"]
        subprocess.run(["g++", *own, "-O2", HERE / "overhead.cpp", "-o", target, f"-L{library}", f"-Wl,-rpath,{library}", "-ltorch_cpu", "-lc10"], check=True)
    return [str(target)]


def output(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=sbs.environment(1), cwd=sbs.ROOT)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout


def answered(command):
    """Milliseconds from the start of a process until it says its first line, and until it has ended."""
    began = time.perf_counter()
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=sbs.environment(1), cwd=sbs.ROOT) as process:
        process.stdout.readline()
        first = time.perf_counter()
        process.wait()
        return 1000 * (first - began), 1000 * (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=200_000, help="of an operator in a round")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter with torch and numpy")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder of the results")
    args = parser.parse_args()
    version = sbs.check_python(args.python)
    tessera, cpp = sbs.build("start", ahead=True), compile_cpp()
    files = Files(sbs.build("inference"), args.python)
    weights, image = files.weights(MODEL)[0], files.images(224, 1)
    facts = sbs.machine() | {"torch": version, ".NET SDK": subprocess.run(["dotnet", "--version"], capture_output=True, text=True, check=True).stdout.strip()}
    print(sbs.describe(facts))

    overhead = {"C++": [*cpp, args.calls], "C#": [*tessera, "overhead", args.calls], "Python": [args.python, HERE / "overhead.py", args.calls]}
    start = {"C#": [*tessera, "predict", MODEL, weights, image], "Python": [args.python, HERE / "predict.py", MODEL, weights, image]}
    taken = {}
    answers = {side: output(command) for side, command in start.items()}
    if len(set(answers.values())) > 1:
        sys.exit(f"the sides do not agree: {answers}")
    for _ in range(args.rounds):
        for side, command in overhead.items():
            for line in output(command).splitlines():
                name, value = line.split()
                taken.setdefault((name, side), []).append(float(value))
        for side, command in start.items():
            for what, milliseconds in zip((START, END), answered(command)):
                taken.setdefault((what, side), []).append(milliseconds)

    rows = [{"what": what, "side": side, "median": round(statistics.median(values), 1), "unit": "ns" if what in OPERATORS else "ms", "lowest": round(min(values), 1), "highest": round(max(values), 1)}
            for (what, side), values in taken.items()]
    median = {(row["what"], row["side"]): row["median"] for row in rows}
    body = [[f"{name}, ns", median[name, "C++"], median[name, "C#"], median[name, "Python"], f"{median[name, 'C#'] - median[name, 'C++']:.0f}", f"{median[name, 'Python'] - median[name, 'C++']:.0f}",
             f"{median[name, 'C#'] / median[name, 'Python']:.2f}"] for name in OPERATORS]
    for what in (START, END):
        body.append([f"{what}, ms", "", median[what, "C#"], median[what, "Python"], "", "", f"{median[what, 'C#'] / median[what, 'Python']:.2f}"])
    text = "# Calls and start\n\nWritten by run.py. Above C++: what the binding adds to libtorch's own work.\n\n" + "".join(f"- {name}: {value}\n" for name, value in facts.items())
    text += "\n" + sbs.table(["", "C++", "C#", "Python", "C# above C++", "Python above C++", "C# / Python"], body)
    print(text[text.index("|"):], end="")
    args.out.mkdir(parents=True, exist_ok=True)
    sbs.write_csv(args.out / "results.csv", facts, rows)
    (args.out / "results.md").write_text(text)
    print(f"written to {os.path.relpath(args.out)}/results.csv and .md")


if __name__ == "__main__":
    main()
