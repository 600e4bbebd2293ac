#!/usr/bin/env python3
"""Architecture search judged: does a supernet rank, does a winner beat chance, does a table predict latency, do two processes score faster?

    ./tessera bench search [--quick] [--only TEXT] [--data FOLDER] [--fashion FOLDER] [--out FOLDER]

Searches for a small ViTAS on CIFAR-10 at 32 pixels with each of the three ways in which widths share channels, and judges the first: its
winner, ten networks that chance has drawn and one made by hand, all trained alike; the ten are scored by each of the three supernets.
Measures the blocks of the space here, eager and compiled, in float32 and bfloat16, and compares 50 random networks with their prediction;
then searches under the latency of the first winner instead of the limit of MACs. GLiT, PNAS and BATS search in their small recipes; BATS
with binary and with real activations. Last, the candidates of a search are scored by one worker and by two. What is done already is not
done again, and what was stopped in the middle goes on there. Writes results-PROCESSOR.json, .md and .svg beside this file. --quick takes
every row through few images (about ten minutes) and writes nothing. The defaults are for at most 24 core-hours; the result says how many
it took. Needs ./tessera built once, and `tessera data get cifar10` and `fashion_mnist`, or their folders.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
import rows as common  # noqa: E402

RANDOM, FEW = 10, 5  # networks by chance
CHECKED = 50
SPEEDUP = 1.7  # of two workers over one
ERROR, CORRELATION = 0.10, 0.98  # of predicted latencies
SHARINGS = ("bilateral", "ordinal", "cyclic")
# Patches of 4, width 72, four blocks of four heads: 13 million multiply-adds, in the middle of the budget.
VITAS_BY_HAND = "1 2 2 2 2 4 4 4 4 0 0 2 " + " ".join(["2 1"] * 8)
VITAS_BY_HAND_QUICK = "0 2 2 3 3 0 0 3 " + " ".join(["1 1"] * 4)
GLOBAL_HEADS = "3 3 3 3 3 3 / 4 4 4 4 4 4"
# Engine and precision of a table, with their titles.
TABLES = {"eager-fp32": "eager, float32", "compiled-fp32": "compiled, float32", "compiled-bf16": "compiled, bfloat16"}


class Bench:
    """Commands that are done once, in a folder; the time of each is kept, so that the sum is that of all calls."""

    def __init__(self, out, quick, cifar, fashion):
        self.out, self.quick, self.cifar, self.fashion = out, quick, cifar, fashion
        self.ledger = out / "seconds.json"
        self.out.mkdir(parents=True, exist_ok=True)

    def seconds(self):
        return json.loads(self.ledger.read_text()) if self.ledger.exists() else {}

    def timed(self, row, *words):
        """A command; what it prints."""
        started = time.monotonic()
        try:
            return common.answer(*words)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{row}: stopped with exit code {error.returncode}; the same command goes on with it")
        finally:
            spent = self.seconds()
            spent[row] = spent.get(row, 0) + time.monotonic() - started
            self.ledger.write_text(json.dumps(spent, indent=1))

    def settings(self, recipe, more):
        root = self.fashion if "pnas" in recipe else self.cifar
        words = [f"data.root={root}"] if root else []
        words += more
        if "vitas_cifar10" in recipe:
            words += ["search.supernet.schedule.epochs=15", "retrain.schedule.epochs=8"]
        if "glit" in recipe:
            words += ["data.limit=10000", "search.supernet.schedule.epochs=10", "retrain.schedule.epochs=10"]
        if self.quick:
            words += ["data.limit=600", "retrain.schedule.epochs=1", "retrain.schedule.warmup=0"]
            if "vitas" in recipe or "glit" in recipe:
                words += ["search.population=4", "search.generations=2", "search.supernet.schedule.epochs=1", "search.supernet.schedule.warmup=0", "search.score_images=200"]
            if "pnas" in recipe:
                words += ["search.first=4", "search.keep=3", "search.blocks=2", "search.proxy.schedule.epochs=1"]
            if "bats" in recipe:
                words += ["search.supernet.schedule.epochs=1"]
        return [word for setting in words for word in ("--set", setting)]

    def search(self, row, recipe, *more, retrain=True, supernet=None, workers=1):
        """A search; with a supernet, that of another search is taken as it is."""
        folder = self.out / row
        if (folder / "results.json").exists():
            return folder
        rest = ["--quiet", "--workers", str(workers), *([] if retrain else ["--no-retrain"])]
        if (folder / "search.yaml").exists():
            self.timed(row, "search", "--resume", folder, *rest)
            return folder
        if supernet and not (folder / "supernet").exists():
            shutil.copytree(supernet, folder / "supernet")
        self.timed(row, "search", recipe, "--out", folder, *self.settings(recipe, list(more)), *rest)
        return folder

    def judge(self, row, *by_hand, random=RANDOM):
        folder = self.out / row
        result = folder / "judge" / "judge.json"
        if not result.exists():
            words = ["--random", "3" if self.quick else str(random), *[word for network in by_hand for word in ("--hand-made", network)]]
            resume = ["--resume"] if (folder / "judge" / "plan.json").exists() else []
            self.timed(f"{row}/judge", "search", "judge", folder, *words, *resume, "--quiet")
        return json.loads(result.read_text())

    def kept(self, name, make):
        """A result that is computed once."""
        file = self.out / f"{name}.json"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            building = file.with_suffix(".tmp")
            building.write_text(json.dumps(make(), indent=1))
            building.rename(file)
        return json.loads(file.read_text())


def kendall(x, y):
    """Kendall's tau-b; none where one list has no order."""
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    sign = lambda value: (value > 0) - (value < 0)
    a, b = [sign(x[i] - x[j]) for i, j in pairs], [sign(y[i] - y[j]) for i, j in pairs]
    apart = (sum(v * v for v in a) * sum(v * v for v in b)) ** 0.5
    return sum(p * q for p, q in zip(a, b)) / apart if apart else None


def spearman(x, y):
    """Spearman's rho; none where one list has no order."""

    def ranks(values):
        return [sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values]

    a, b = ranks(x), ranks(y)
    middle = (len(x) + 1) / 2
    apart = (sum((v - middle) ** 2 for v in a) * sum((v - middle) ** 2 for v in b)) ** 0.5
    return sum((p - middle) * (q - middle) for p, q in zip(a, b)) / apart if apart else None


def vitas_recipe(bench):
    return "search/vitas_quick" if bench.quick else "search/vitas_cifar10"


def vitas(bench):
    recipe = vitas_recipe(bench)
    # The table limits nothing here: it tells the latency of the winner.
    table = f"budget.latency_table={table_of(bench, 'compiled-fp32')}"
    first = bench.search("vitas/bilateral", recipe, "search.sharing=bilateral", table)
    judged = bench.judge("vitas/bilateral", VITAS_BY_HAND_QUICK if bench.quick else VITAS_BY_HAND)
    drawn = [one for one in judged["networks"] if one["role"] == "random"]
    taus = {"bilateral": kendall([one["supernet_score"] for one in drawn], [one["scores"][0] for one in drawn])}
    for sharing in SHARINGS[1:]:
        # The evolution is not wanted here.
        folder = bench.search(f"vitas/{sharing}", recipe, f"search.sharing={sharing}", "search.generations=1", "search.population=2", retrain=False)
        scores = bench.kept(
            f"vitas/{sharing}-scores",
            lambda folder=folder, sharing=sharing: [float(bench.timed(f"vitas/{sharing}", "search", "score", folder, one["network"], "--quiet")) for one in drawn],
        )
        taus[sharing] = kendall(scores, [one["scores"][0] for one in drawn])
    return {"folder": str(first), "recipe": recipe, "judge": judged, "taus": taus}


def table_of(bench, name):
    return bench.out / "tables" / f"{name}.json"


def tables(bench):
    recipe, found = vitas_recipe(bench), {}
    for name in TABLES:
        engine, precision = name.split("-")
        words = ["--shapes", "24"] if bench.quick else []
        found[name] = bench.kept(
            f"tables/{name}-check",
            lambda name=name, engine=engine, precision=precision, words=words: json.loads(
                bench.timed(
                    f"tables/{name}",
                    *("search", "measure", recipe, *bench.settings(recipe, []), "--out", table_of(bench, name), "--engine", engine),
                    *("--precision", precision, "--check", "4" if bench.quick else str(CHECKED), *words, "--json"),
                )
            ),
        )
    return found


def latency(bench, first):
    """The search under the latency of the other's winner, with the other's supernet."""
    other = pathlib.Path(first["folder"])
    before = json.loads((other / "results.json").read_text())
    limit = before["winner"]["cost"]["latency_ms"]
    budget = f"budget={{ latency_table: {table_of(bench, 'compiled-fp32')}, latency_ms: [{limit!r}] }}"
    folder = bench.search("vitas/latency", first["recipe"], "search.sharing=bilateral", budget, "search.identity=0.5", supernet=other / "supernet")
    found = json.loads((folder / "results.json").read_text())
    return {"limit_ms": limit, "by_macs": before["retrained"][-1]["score"], "by_latency": found["retrained"][-1]["score"], "cost": found["winner"]["cost"]}


def glit(bench):
    recipe = "search/glit_cifar10"
    folder = bench.search("glit", recipe)
    judged = bench.judge("glit", GLOBAL_HEADS, random=FEW)
    stages = json.loads(bench.timed("glit", "search", "show", folder, "--json")).get("stages", [])
    winner = next(one["network"] for one in judged["networks"] if one["role"] == "winner")
    return {"judge": judged, "thirds": winner.split("/")[0].split(), "evaluated": sum(stage.get("scored", 0) for stage in stages)}


def pnas(bench):
    recipe = "search/pnas_small"
    folder = bench.search("pnas", recipe)
    blocks = 2 if bench.quick else 3
    levels = {}
    for level in range(1, blocks + 1):
        networks = json.loads(bench.timed("pnas", "search", "show", folder, "--stage", f"blocks-{level}", "--top", "100000", "--json"))["networks"]
        guessed = [one for one in networks if "prediction" in (one.get("figures") or {})]
        scores = [one["score"] for one in guessed]
        levels[level] = {
            "networks": len(networks),
            "mean": sum(one["score"] for one in networks) / len(networks),
            "rank": spearman([one["figures"]["prediction"] for one in guessed], scores) if len(guessed) > 2 else None,
        }
    return {"levels": levels, "judge": bench.judge("pnas", random=FEW)}


def bats(bench):
    found = {}
    for strategy in ("activations", "real"):
        row = f"bats/{strategy}"
        folder = bench.search(row, "search/bats_small", f"search.strategy={strategy}")
        results = json.loads((folder / "results.json").read_text())
        genome = results["winner"]["genome"]
        found[strategy] = {"score": results["retrained"][-1]["score"], "skips": genome.count("skip_connect"), "genome": genome}
    found["judge"] = bench.judge("bats/activations", random=FEW)
    return found


def workers(bench, first):
    """Seconds that the evolution took with one worker and with two, with the same supernet, and whether both found the same."""
    recipe, other = first["recipe"], pathlib.Path(first["folder"])
    found = {}
    for count in (1, 2):
        row = f"workers/{count}"
        words = ["search.sharing=bilateral", "search.population=12", "search.generations=4"]
        folder = bench.search(row, recipe, *words, retrain=False, supernet=other / "supernet", workers=count)
        found[count] = {"seconds": bench.seconds()[row], "winner": json.loads((folder / "results.json").read_text())["winner"]["genome"]}
    return found


def number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}f}"


def interval(one):
    return "" if one is None else f" ({one['low']:.3f} to {one['high']:.3f}, 95 % by {one['by']})"


def judged(title, one):
    yield f"{title}: {one['verdict']}"
    yield f"{title}: the winner has {one['winner_score']:.4f}, random networks {one['random_mean']:.4f} on average{interval(one['random_mean_interval'])} and {one['random_best']:.4f} at best."
    if one["tau"] is not None:
        yield f"{title}: Kendall's tau of supernet and training from scratch is {one['tau']:.3f}{interval(one['tau_interval'])}."
    for made in one["hand_made"]:
        yield f"{title}: the winner is {made['gain']:+.4f} from {made['name']}, made by hand{'' if made['gain'] >= 0 else ': WORSE'}."
    yield f"{title}: {one['search_core_hours']:.2f} core-hours to search, {one['judge_core_hours']:.2f} to judge."


def lines(found):
    if "vitas" in found:
        yield from judged("ViTAS", found["vitas"]["judge"])
        yield "ViTAS: Kendall's tau by sharing: " + ", ".join(f"{name} {number(tau)}" for name, tau in found["vitas"]["taus"].items()) + "."
    for name, one in found.get("tables", {}).items():
        good = one["error_p90"] <= ERROR and one["spearman"] > CORRELATION
        yield (
            f"Latency, {TABLES[name]}: half of the networks are predicted within {100 * one['error_median']:.1f} %, nine of ten within {100 * one['error_p90']:.1f} %, all within "
            f"{100 * one['error_most']:.1f} %; rank correlation {one['spearman']:.3f}: {'as wanted' if good else 'NOT AS WANTED'}."
        )
    if "latency" in found:
        one = found["latency"]
        yield f"ViTAS under {one['limit_ms']:.3f} ms instead of a limit of MACs: {one['by_latency']:.4f}, by MACs {one['by_macs']:.4f}."
    if "glit" in found:
        yield from judged("GLiT", found["glit"]["judge"])
        yield f"GLiT: thirds of global heads by block: {' '.join(found['glit']['thirds'])}; {found['glit']['evaluated']} networks scored of {(4 * 9) ** 6:,}."
    if "pnas" in found:
        for level, one in found["pnas"]["levels"].items():
            yield f"PNAS, {level} blocks: {one['networks']} cells, mean {one['mean']:.4f}" + ("." if one["rank"] is None else f"; the surrogate's rank correlation is {one['rank']:.3f}.")
        yield from judged("PNAS", found["pnas"]["judge"])
    if "bats" in found:
        for strategy in ("activations", "real"):
            one = found["bats"][strategy]
            yield f"BATS, searched with {'binary' if strategy == 'activations' else 'real'} activations: {one['score']:.4f} with one bit, {one['skips']} skip connections."
        yield from judged("BATS", found["bats"]["judge"])
    if "workers" in found:
        one, two = found["workers"][1], found["workers"][2]
        speedup = one["seconds"] / two["seconds"]
        same = "the same winner" if one["winner"] == two["winner"] else "ANOTHER WINNER"
        yield f"Two workers are {speedup:.2f} times as fast as one; {SPEEDUP} was wanted: {'reached' if speedup >= SPEEDUP else 'MISSED'}; {same}."


def picture(found):
    """Predicted over measured milliseconds of the compiled networks, as shares of the largest."""
    curves = []
    for name, one in found.get("tables", {}).items():
        networks = sorted(one["networks"], key=lambda network: network["measured"])
        most = max(network["measured"] for network in networks)
        curves.append((f"{TABLES[name]} {one['spearman']:.3f}", [(network["measured"] / most, 100 * network["predicted"] / most) for network in networks]))
    return common.picture(curves, "predicted over measured latency, both in percent of the largest; the numbers are rank correlations")


ROWS = {"tables": tables, "vitas": vitas, "latency": latency, "glit": glit, "pnas": pnas, "bats": bats, "workers": workers}
NEEDS = {"vitas": ["tables"], "latency": ["tables", "vitas"], "workers": ["tables", "vitas"]}


def main():
    parser = common.options(__doc__, "few images and networks", "folder of CIFAR-10; where tessera data get puts it by default", only="rows whose name contains TEXT, with those that they build on; nothing is written")
    parser.add_argument("--fashion", type=pathlib.Path, default=None, help="folder of Fashion-MNIST")
    args = parser.parse_args()
    bench = Bench(common.place(args, "search"), args.quick, args.data and args.data.resolve(), args.fashion and args.fashion.resolve())
    names = [name for name in ROWS if args.only in name]
    if not names:
        sys.exit(f"--only must be a part of the name of a row: {', '.join(ROWS)}")
    found = {}
    for name in names:
        # What a row builds on comes first.
        for row in [*NEEDS.get(name, []), name]:
            if row in found:
                continue
            print(f"{row} ...", flush=True)
            started = time.monotonic()
            found[row] = ROWS[row](bench, found["vitas"]) if "vitas" in NEEDS.get(row, []) else ROWS[row](bench)
            print(f"{row}: {time.monotonic() - started:.0f} s", flush=True)
    facts = common.facts()
    spent = facts["processors"] * sum(bench.seconds().values()) / 3600
    text = "".join(f"- {line}\n" for line in lines(found))
    print(text)
    if args.quick:
        print("every row works; --quick measures nothing")
        return
    if args.only:
        return
    head = f"# Architecture search\n\n{facts['date']}, {facts['processor']}, {facts['processors']} processors; {spent:.1f} core-hours in all.\n\n"
    common.write(HERE, head, text, facts | {"core_hours": spent} | found, picture(found))


if __name__ == "__main__":
    main()
