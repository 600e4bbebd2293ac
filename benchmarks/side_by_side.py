"""What the benchmarks share: worker processes measured in turn, the machine that they ran on, tables."""
import csv
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

BENCHMARKS = pathlib.Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tessera" / "bench"
# Settings that change how fast the sides are; OpenBLAS's are taken away from all of them.
UNSET, KEPT = "OPENBLAS_", ("OMP_", "GOMP_", "KMP_", "MKL_", "ATEN_", "DNNL_", "ONEDNN_", "MALLOC_", "DOTNET_Tiered", "LD_PRELOAD")


def environment(threads=None):
    """The environment of every side: what would slow OpenBLAS down is not in it."""
    result = {k: v for k, v in os.environ.items() if not k.startswith(UNSET)}
    if threads is not None:
        result["OMP_NUM_THREADS"] = str(threads)
    return result


def build(name, ahead=False):
    """Builds benchmarks/NAME; gives the command that starts it. Ahead: compiled to machine code beforehand, together with the framework, as programs are that start often."""
    subprocess.run([ROOT / "tessera", "models", "vit_tiny", "--quiet"], check=True, stdout=subprocess.DEVNULL)  # builds the native library where there is none
    project = name.capitalize()
    target = ROOT / "artifacts" / "bin" / project / "release"
    command = ["dotnet", "build", str(BENCHMARKS / name), "-c", "Release", "-v", "quiet", "-nologo", "-clp:NoSummary", "-tl:off"]
    if ahead:
        target = ROOT / "artifacts" / "ahead" / project
        command[1:2] = ["publish", "--use-current-runtime", "--self-contained", "true", "-p:PublishReadyToRun=true", "-p:PublishReadyToRunComposite=true", "-o", str(target)]
        command.remove("-clp:NoSummary")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(done.stdout)
    program = target / f"Tessera.Benchmarks.{project}"
    return [str(program)] if ahead else ["dotnet", f"{program}.dll"]


def check_python(python):
    """PyTorch's version; ends the program where there is none."""
    done = subprocess.run([python, "-c", "import torch, numpy; print(torch.__version__)"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{python} has no torch or numpy: apt-get install python3-torch python3-numpy, or name another with --python")
    return done.stdout.strip()


class Worker:
    """A process that answers the commands of protocol.py."""

    def __init__(self, name, command, threads):
        self.name = name
        self.log = CACHE / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "w") as errors:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(threads), cwd=ROOT)
        self.about = json.loads(self._answer("ready"))

    def _answer(self, expected):
        line = self.process.stdout.readline()
        word, _, rest = line.partition(" ")
        if word.strip() != expected:
            self.process.wait()
            sys.exit(f"{self.name}: '{expected}' was expected, not '{line.strip()}'; its log ends with\n" + "\n".join(self.log.read_text().splitlines()[-5:]))
        return rest.strip()

    def ask(self, command, expected):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer(expected)

    def time(self, runs):
        """Milliseconds of each of so many runs."""
        return [float(word) for word in self.ask(f"time {runs}", "times").split()]

    def warm_up(self, seconds):
        """Runs until a second's worth of runs got no faster; gives the milliseconds of a run."""
        best, began = self.time(1)[0], time.monotonic()
        while time.monotonic() - began < seconds:
            best = min(best, *self.time(max(2, int(200 / max(best, 0.01)))))
        return best

    def faults(self, runs):
        """Pages that the system has to map for one run, in the mean of so many."""
        def count():
            return int(pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[7])

        before = count()
        self.time(runs)
        return (count() - before) / runs

    def memory(self):
        return float(self.ask("memory", "memory"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def alternate(workers, rounds, seconds, warm_up=3.0, pause=0.05):
    """Medians of the rounds, by side: one side runs at a time, each in every round, and the first of a round changes."""
    runs = {w.name: max(3, int(1000 * seconds / w.warm_up(warm_up))) for w in workers}
    medians = {w.name: [] for w in workers}
    for number in range(rounds):
        first = number % len(workers)
        for worker in workers[first:] + workers[:first]:
            time.sleep(pause)  # until the threads of the side before have stopped spinning
            medians[worker.name].append(statistics.median(worker.time(runs[worker.name])))
    return medians


def race(workers, rounds, seconds, before=lambda: None):
    """Milliseconds, MB and version of each side, all measured in turn, and what came before; the sides end with it."""
    try:
        first = before()
        medians = alternate(workers, rounds, seconds)
        sides = {w.name: (statistics.median(medians[w.name]), w.memory(), w.about["version"]) for w in workers}
    finally:
        for worker in workers:
            worker.close()
    return sides, first


def slug():
    """The processor in names of files."""
    return re.sub("[^a-z0-9]+", "-", processor().lower()).strip("-")


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())


def load():
    return round(os.getloadavg()[0], 2)


def machine():
    """What every result is printed and stored with."""
    return {"date": datetime.date.today().isoformat(), "processor": processor(), "cores": os.cpu_count(), "system": platform.platform(),
            "load": load(), "nice": os.nice(0), "unset": f"{UNSET}*", "set": " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(KEPT) and k != "OMP_NUM_THREADS") or "nothing"}


def peak(threads):
    """GFLOP/s of large products in float32 and bfloat16 as `tessera info` measures them, on so many cores."""
    command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads])), "dotnet", str(ROOT / "artifacts/bin/Tessera.Cli/release/Tessera.Cli.dll"), "info", "--json"]
    # The command remembers what it measured for trainings, which use all cores.
    done = subprocess.run(command, capture_output=True, text=True, env=environment(threads) | {"XDG_CACHE_HOME": str(CACHE / "peak")})
    if done.returncode != 0:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)["machine"]
    return {"float32": report["float32_gflops"], "bfloat16": report["bfloat16_gflops"]}


def describe_peaks(peaks):
    return {f"peak with {count_of(threads)}": f"{p['float32']:.0f} GFLOP/s in float32, {p['bfloat16']:.0f} in bfloat16" for threads, p in peaks.items()}


def count_of(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


def describe(facts):
    return "; ".join(f"{name} {value}" for name, value in facts.items())


def write_csv(path, facts, rows):
    """Rows below a comment with the machine's facts."""
    temporary = path.with_suffix(".new")
    with open(temporary, "w", newline="") as file:
        file.write(f"# {describe(facts)}\n")
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def table(head, rows):
    """A table in Markdown: the first column flush left, numbers flush right."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"
