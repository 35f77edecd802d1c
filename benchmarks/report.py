"""From lists of times to medians, ratios and tables.

A ratio is the median over the rounds of the ratio within each round, so that what
slows the whole machine down for a while cancels.
"""

import importlib.metadata
import platform
from dataclasses import asdict
from pathlib import Path
from statistics import median

LIBRARIES = (
    "numpy",
    "torch",
    "jax",
    "scikit-learn",
    "numba",
    "onnxruntime",
)
TITLES = {
    "regnet": "regnet_c",
    "numpy_peer": "NumPy",
    "torch_eager": "PyTorch eager",
    "torch_compile": "torch.compile",
    "jax_scan": "JAX",
    "sklearn_peer": "scikit-learn",
    "numba_peer": "Numba",
}


def say(text):
    """Print at once, also into a pipe."""
    print(text, flush=True)


def environment():
    """CPU, Python and library versions."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    cpu = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if "model name" in line]
        cpu = names[0] if names else cpu
    found = {"cpu": cpu, "python": platform.python_version(), "versions": versions}
    try:
        import regnet_c
    except ImportError:
        return found
    versions["regnet_c"] = regnet_c.__version__
    return found | {"regnet_c": regnet_c.cpu_info()}


def difference(workload, adapted):
    """What a peer computes in place of the workload, "" if it is the workload."""
    old, new = asdict(workload), asdict(adapted)
    changed = {key for key in old if old[key] != new[key]} - {"epsilon"}
    words = {"l1": "L2 only", "dropout": "no dropout"}
    parts = [words[key] for key in words if key in changed]
    if "output" in changed:
        parts.append(f"{new['output']} output")
    if "hidden" in changed:
        parts.append(f"{new['hidden']} for {old['hidden']}")
    if "sizes" in changed:
        parts.append("one sigmoid output")
    return ", ".join(parts)


def summary(workload, times, adapted, failed):
    """All figures of one workload, ready for JSON."""
    peers = []
    for (peer, threads), lists in times.items():
        if peer == "peak":
            continue
        limits = _limits(workload, times, threads)
        fractions = [a / b for a, b in zip(limits, lists["us"], strict=False)]
        peers.append(
            {
                "peer": peer,
                "threads": threads,
                "median_us": median(lists["us"]),
                "best_us": min(lists["us"]),
                "of_limit": median(fractions) if fractions else None,
                "cpu_per_wall": median(lists["cpu"]),
                "adapted": adapted[peer],
                "us": lists["us"],
            }
        )
    peaks = {t: lists["gflops"] for (p, t), lists in times.items() if p == "peak"}
    return {
        "name": workload.name,
        "title": workload.title(),
        "multiply_adds": workload.multiply_adds,
        "failed": {f"{peer}, {t} threads": why for (peer, t), why in failed.items()},
        "peak_gflops": peaks,
        "limit_us": {t: median(_limits(workload, times, t)) for t in peaks},
        "peers": peers,
        "ahead": {t: ahead(peers, t) for t in sorted({p["threads"] for p in peers})},
    }


def _limits(workload, times, threads):
    """Microseconds the multiply-adds take at the peak, round by round."""
    rounds = times.get(("peak", threads), {"gflops": []})["gflops"]
    return [2 * workload.multiply_adds / gflops / 1e3 for gflops in rounds]


def ahead(peers, threads):
    """The fastest peer that computes the same step, its time over regnet_c's."""
    rows = [p for p in peers if p["threads"] == threads]
    ours = [p for p in rows if p["peer"] == "regnet"]
    others = [p for p in rows if p["peer"] != "regnet" and not p["adapted"]]
    if not ours or not others:
        return None
    best = min(others, key=lambda p: p["median_us"])
    ratios = [b / a for a, b in zip(ours[0]["us"], best["us"], strict=True)]
    return {"peer": best["peer"], "ratio": median(ratios)}


def number(x):
    """Three significant digits, no exponent."""
    if x is None:
        return "–"
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def plural(threads):
    """Always nine characters."""
    return f"{threads} thread{'s' if threads > 1 else ' '}"


def line(result):
    """One workload in a few lines of text."""
    lines = [f"{result['name']}: {result['title']}"]
    for p in sorted(result["peers"], key=lambda p: (p["threads"], p["median_us"])):
        of_limit = (
            "" if p["of_limit"] is None else f", {p['of_limit']:.0%} of the limit"
        )
        note = f" ({p['adapted']})" if p["adapted"] else ""
        lines.append(
            f"  {plural(p['threads'])} {TITLES[p['peer']]:14}{number(p['median_us']):>8} "
            f"us, best {number(p['best_us']):>7}{of_limit}, "
            f"CPU/wall {p['cpu_per_wall']:.2f}{note}"
        )
    return "\n".join(lines)


def markdown(results, threads):
    """The table: a row per workload, a column per peer, medians and (best)."""
    names = list(dict.fromkeys(p["peer"] for r in results for p in r["peers"]))
    head = ["workload", "limit", *(TITLES[n] for n in names)]
    head += ["of the limit", "best peer / regnet_c"]
    label = " / ".join(map(str, threads))
    rows = [
        f"Microseconds per step with {label} thread(s): median (best).",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    rows += ["| " + " | ".join(_cells(r, names, threads)) + " |" for r in results]
    notes = {
        f"- {r['name']} {TITLES[p['peer']]}: {p['adapted']}": None
        for r in results
        for p in r["peers"]
        if p["adapted"]
    }
    return "\n".join(
        [*rows, "", "Not the same step:", "", *notes, ""] if notes else rows
    )


def _cells(result, names, threads):
    """One row of the table."""
    found = {(p["peer"], p["threads"]): p for p in result["peers"]}

    def per_thread(text):
        return " / ".join(text(t) for t in threads)

    def time(peer, t):
        p = found.get((peer, t))
        if not p:
            return "–"
        return f"{number(p['median_us'])} ({number(p['best_us'])})"

    def share(t):
        p = found.get(("regnet", t), {})
        return "–" if p.get("of_limit") is None else f"{p['of_limit']:.0%}"

    def lead(t):
        a = result["ahead"].get(t)
        return f"{a['ratio']:.1f} ({TITLES[a['peer']]})" if a else "–"

    cells = [f"{result['name']} {result['title']}"]
    cells.append(per_thread(lambda t: number(result["limit_us"].get(t))))
    cells += [per_thread(lambda t, n=n: time(n, t)) for n in names]
    return [*cells, per_thread(share), per_thread(lead)]
