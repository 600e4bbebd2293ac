"""What the benchmarks of trainings have in common: runs that are done once and go on where they were stopped, their log, results per processor."""
import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLOURS = ["#2266cc", "#cc4422", "#228844", "#aa7700", "#7744aa", "#333333", "#999999", "#0099aa", "#cc3388", "#667700"]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def slug():
    """The processor's name as a part of names of files."""
    return re.sub(r"[^a-z0-9]+", "-", processor().lower()).strip("-")


def facts():
    return {"date": str(datetime.date.today()), "processor": processor(), "processors": len(os.sched_getaffinity(0))}


def tessera(*words):
    """Seconds that a command took; what it prints goes nowhere."""
    started = time.monotonic()
    command(words, subprocess.DEVNULL)
    return time.monotonic() - started


def answer(*words):
    """What a command prints."""
    return command(words, subprocess.PIPE).stdout


def command(words, output):
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    return subprocess.run([ROOT / "tessera", *words], cwd=ROOT, env=environment, stdout=output, text=True, check=True)


def done(folder):
    return (folder / "results.json").exists()


def train(folder, recipe, settings):
    """Begins a run or goes on with it; seconds that it took."""
    if (folder / "recipe.yaml").exists():
        return tessera("train", "--quiet", "--resume", folder)
    return tessera("train", "--quiet", recipe, "--out", folder, *[word for setting in settings for word in ("--set", setting)])


def train_all(runs):
    """Trains what is not done yet: (name, folder, a function that trains and gives the seconds) each."""
    left = sum(not done(folder) for _, folder, _ in runs)
    print(f"{len(runs)} runs, {left} of them to do", flush=True)
    started, finished = time.monotonic(), 0
    for name, folder, run in runs:
        if done(folder):
            continue
        try:
            taken = run()
        except subprocess.CalledProcessError as error:
            sys.exit(f"{name}: training stopped with exit code {error.returncode}; the same command goes on with it")
        finished += 1
        rest = (time.monotonic() - started) / finished * (left - finished)
        print(f"{finished}/{left}  {name}: {taken:.0f} s; about {datetime.timedelta(seconds=round(rest))} left", flush=True)


def figures(folder):
    """Those after the last epoch."""
    return json.loads((folder / "results.json").read_text())["evaluation"]


def log(folder, kind):
    """The lines of a kind: step, evaluation, remark."""
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if line["kind"] == kind]


def pace(folder):
    """Median seconds of a step."""
    steps = log(folder, "step")
    return statistics.median(line["seconds"] / (line["step"] - before) for line, before in zip(steps, [0] + [line["step"] for line in steps]))


def hours(folder):
    """Of all steps by their median pace, so that a machine that slept or was busy for a while does not count."""
    return pace(folder) * log(folder, "step")[-1]["step"] / 3600


def shown(scores):
    """Mean, and deviation over the seeds."""
    return f"{statistics.mean(scores):.1f} ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else f"{scores[0]:.1f}"


def table(heads, rows):
    """The first column is text, the others are figures."""
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def picture(curves, caption, right=380):
    """Lines over the share of the training: (label, [(share from 0 to 1, percent)]) each."""
    width, height, left, bottom = 480 + right, max(400, 60 + 20 * len(curves)), 50, 40
    top = 1.05 * max(value for _, points in curves for _, value in points) or 1
    x = lambda share: left + share * (width - left - right)
    y = lambda value: height - bottom - value / top * (height - bottom - 20)
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for tick in range(0, int(top) + 1, 10 if top <= 60 else 20):
        svg.append(f'<path d="M{left} {y(tick):.1f}H{width - right}" stroke="#ddd"/><text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for i, (label, points) in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in points)
        dashes = ' stroke-dasharray="5 3"' if i >= len(COLOURS) else ""
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        svg.append(f'<text x="{width - right + 10}" y="{30 + 20 * i}" fill="{colour}">{label}</text>')
    svg.append(f'<text x="{left}" y="{height - 8}" fill="#555">{caption}</text></svg>')
    return "\n".join(svg) + "\n"


def options(about, quick, data, only="rows whose name contains TEXT; nothing is written"):
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{quick}; nothing is written")
    parser.add_argument("--only", default="", help=only)
    parser.add_argument("--data", type=pathlib.Path, default=None, help=data)
    parser.add_argument("--out", type=pathlib.Path, default=None, help="folder of the runs")
    return parser


def place(args, name):
    """The folder of the runs."""
    return (args.out or ROOT / "runs" / (f"{name}-quick" if args.quick else name)).resolve()


def write(folder, head, text, found, svg):
    """The results of this processor: figures, text and picture."""
    (folder / f"results-{slug()}.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / f"results-{slug()}.md").write_text(head + text)
    (folder / f"results-{slug()}.svg").write_text(svg)
