#!/usr/bin/env python3
"""This library and PyTorch on the same work, in the same run, on the same machine: one table of ratios.

    pip install torch
    cargo bench --bench workloads --no-run
    python benches/peers/compare.py [--filter TEXT] [--compile] [--rounds 3] [--seconds 2] [--json FILE]

Both sides make their inputs from one formula and must agree on a number made of the whole result, or of the first input's
gradient; a pair that does not agree is marked and ends the run with exit code 1. What torch.compile fails to compile or run
is `failed` in the table, with the reason below it. The two sides take
turns, --rounds times; the median of the rounds counts. Times are wall times of whole calls. On a GPU of PyTorch's,
TF32 off and on are columns of their own. Without PyTorch only this library's column is printed.
"""

import argparse
import json
import math
import pathlib
import shlex
import statistics
import subprocess
import sys
import time
import warnings

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
try:
    import torch

    import torch_workloads

    # Sparse tensors are announced as a beta, in two warnings for each.
    warnings.filterwarnings("ignore", message=".*[Ss]parse")
except ImportError as missing:
    torch = None
    why = str(missing)

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--filter", default="", help="only workloads whose name contains this")
parser.add_argument("--compile", action="store_true", help="a column for torch.compile; compiling takes minutes")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=float, default=2.0, help="for each workload and side, in each round")
parser.add_argument("--large", action="store_true", help="sizes for a GPU, also on a software driver")
parser.add_argument("--program", help="the built bench, with a prefix if it needs one; otherwise cargo builds and runs it")
parser.add_argument("--json", help="also write the figures to this file")
args = parser.parse_args()

program = shlex.split(args.program) if args.program else ["cargo", "bench", "--quiet", "--bench", "workloads", "--"]
command = [*program, "--json", "--seconds", str(args.seconds), "--filter", args.filter]
command += ["--large"] if args.large else []


def ours():
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def synchronise(device):
    if device == "cuda":
        torch.cuda.synchronize()


def prepared(call, leaves, seed, training):
    """The call as it is timed: without gradients, or forward and backward."""
    if not training:

        def plain():
            with torch.no_grad():
                return call()

        return plain
    for leaf in leaves:
        leaf.requires_grad_(True)

    def both():
        return torch.autograd.grad(call(), leaves, seed)[0]

    return both


def theirs(workload, device, compiled):
    # The peer computes in f32 whatever the storage of our operands is.
    sizes = {key: value for key, value in workload["sizes"].items() if key != "dtype"}
    call, leaves, seed = getattr(torch_workloads, workload["name"])(**sizes, device=device)
    if workload["name"] == "sudoku_training":
        part = torch.compile(call.compiled_part) if compiled else call.compiled_part
        run = lambda: call(part)
    elif workload["pass"] == "step":
        run = torch.compile(call) if compiled else call
    else:
        run = prepared(torch.compile(call) if compiled else call, leaves, seed, workload["pass"] == "training")
    check = torch_workloads.check(run())
    synchronise(device)
    times, begin = [], time.perf_counter()
    for turn in range(1000):
        start = time.perf_counter()
        run()
        synchronise(device)
        if turn >= 2:
            times.append(time.perf_counter() - start)
        if len(times) >= 3 and time.perf_counter() - begin > args.seconds:
            break
    return statistics.median(times), check


columns = []
if torch is None:
    print(f"PyTorch is not there ({why}): this library's column alone.")
else:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"PyTorch {torch.__version__}, {device}, {name}")
    columns = [("eager", False, False)] + ([("compile", True, False)] if args.compile else [])
    if device == "cuda":
        columns += [(f"{title}, TF32", compiled, True) for title, compiled, _ in columns]

rows, disagreeing, failed = {}, [], {}
for _ in range(args.rounds):
    report = ours()
    for workload in report["calls"]:
        sizes = {key: value for key, value in workload["sizes"].items() if key != "parameters"}
        key = f"{workload['name']}, {workload['pass']}, {', '.join(f'{k} {v}' for k, v in sizes.items())}"
        row = rows.setdefault(key, {"ours": [], **{title: [] for title, *_ in columns}})
        row["ours"].append(workload["seconds"])
        for title, compiled, tf32 in columns:
            torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.backends.cudnn.allow_tf32 = tf32
            if (key, title) in failed:
                continue
            try:
                seconds, check = theirs(workload, device, compiled)
            except Exception as error:
                # Eager mode is what everything is compared with: without it there is no table.
                if not compiled:
                    raise
                failed[key, title] = f"{type(error).__name__}: {error}"
                torch.compiler.reset()
                continue
            row[title].append(seconds)
            # TF32 and f16 keep 10 bits of each operand.
            near = 1e-2 if tf32 or "dtype" in workload["sizes"] else 1e-4
            if not math.isclose(check, workload["check"], rel_tol=near):
                disagreeing.append(f"{key}: {workload['check']} here, {check} in PyTorch ({title})")

print(report["device"])
titles = "".join(f"{title + ' ms':>18}{'ratio':>8}" for title, *_ in columns)
print(f"{'workload':<84}{'ours ms':>10}{titles}")
result = []
for key, row in rows.items():
    mine = statistics.median(row["ours"])
    line, record = f"{key:<84}{mine * 1e3:>10.2f}", {"workload": key, "seconds": mine}
    for title, *_ in columns:
        if (key, title) in failed:
            line += f"{'failed':>18}{'':>8}"
            record[title] = None
            continue
        other = statistics.median(row[title])
        line += f"{other * 1e3:>18.2f}{other / mine:>8.2f}"
        record[title] = other
    print(line)
    result.append(record)
if args.json:
    pathlib.Path(args.json).write_text(json.dumps({"device": report["device"], "rows": result}, indent=1))
for (key, title), reason in failed.items():
    # What torch.compile has to say is long; its first lines name the cause.
    lines = [line.rstrip() for line in reason.splitlines() if line.strip()][:6]
    print(f"failed: {key} ({title}): " + "\n    ".join(lines))
for line in disagreeing:
    print(f"does not agree: {line}")
sys.exit(1 if disagreeing else 0)
