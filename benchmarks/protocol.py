"""What the worker processes of the benchmarks have in common: commands on standard input, one answer a line.

    ready {...}          once, when the model stands
    time N               -> times MS MS ...      milliseconds of N runs
    output FILE          -> done                 the result of one run as raw float32
    losses N             -> losses L L ...       N steps of training
    memory               -> memory MB            the most that the process (on a GPU: its allocator) had

A worker sleeps in reading its next line while another side is measured.
"""
import json
import sys
import time


def peak_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def answer(*words):
    print(*words, flush=True)


def serve(about, run, output=None, losses=None, memory=peak_memory):
    """Answers until standard input ends."""
    answer("ready", json.dumps(about))
    for line in sys.stdin:
        command, *arguments = line.split(maxsplit=1)
        if command == "time":
            times = []
            for _ in range(int(arguments[0])):
                start = time.perf_counter()
                run()
                times.append(1000 * (time.perf_counter() - start))
            answer("times", *(f"{t:.4f}" for t in times))
        elif command == "output":
            with open(arguments[0].strip(), "wb") as file:
                file.write(output())
            answer("done")
        elif command == "losses":
            answer("losses", *(f"{loss:.6f}" for loss in losses(int(arguments[0]))))
        elif command == "memory":
            answer("memory", f"{memory():.1f}")
        else:
            sys.exit(f"unknown command {command}")
