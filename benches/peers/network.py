#!/usr/bin/env python3
"""The `kuramoto` package of Python and `examples/network` on the same network, in the same run.

    pip install kuramoto==0.4.0 networkx scipy
    cargo build --release --example network
    python benches/peers/network.py [--nodes 2000] [--time 10] [--interval 0.08]

A small world of n nodes with 10 neighbours, normal frequencies, weights K / degree: what the package computes. Both start
from the same phases and store them at the same times; both are compared with DOP853 at tolerances of 1e-10. What counts is
wall time: of the package that of its `run`, of this library that of the whole process, start of the driver included, and
that of the simulation alone. Each is the best of --repeats.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import networkx
import numpy
import scipy.integrate
import scipy.sparse
from kuramoto import Kuramoto

root = pathlib.Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("--nodes", type=int, default=2000)
parser.add_argument("--neighbours", type=int, default=10)
parser.add_argument("--time", type=float, default=10.0)
parser.add_argument("--interval", type=float, default=0.08, help="between stored times, one step of Runge and Kutta")
parser.add_argument("--coupling", type=float, default=2.0)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--program", default=str(root / "target/release/examples/network"))
parser.add_argument("--json", action="store_true")
args = parser.parse_args()

n = args.nodes
random = numpy.random.default_rng(1)
graph = networkx.watts_strogatz_graph(n, args.neighbours, 0.1, seed=1)
dense = networkx.to_numpy_array(graph)
omega = random.normal(size=n)
theta = random.uniform(-numpy.pi, numpy.pi, size=n)
steps = round(args.time / args.interval)
times = numpy.arange(steps + 1) * args.interval

# The package stores int(T / dt) times from 0 to T: one more than there are intervals.
model = Kuramoto(coupling=args.coupling, dt=times[-1] / (steps + 1), T=times[-1], natfreqs=omega)
assert int(model.T / model.dt) == steps + 1, "the package would store other times"
package = []
for _ in range(args.repeats):
    start = time.perf_counter()
    theirs = model.run(adj_mat=dense, angles_vec=theta).T
    package.append(time.perf_counter() - start)
assert theirs.shape == (steps + 1, n)

sparse = scipy.sparse.csr_matrix(dense)
rows = numpy.repeat(numpy.arange(n), numpy.diff(sparse.indptr))
degree = numpy.diff(sparse.indptr)


def rate(_, x):
    pull = numpy.bincount(rows, numpy.sin(x[sparse.indices] - x[rows]), minlength=n)
    return omega + args.coupling / degree * pull


exact = scipy.integrate.solve_ivp(rate, (0, times[-1]), theta, "DOP853", times, rtol=1e-10, atol=1e-10).y.T

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    scipy.sparse.save_npz(folder / "graph.npz", sparse)
    numpy.savetxt(folder / "omega.txt", omega)
    numpy.savetxt(folder / "theta.txt", theta)
    command = [args.program, "run", folder / "graph.npz", "--normalise", "--coupling", args.coupling]
    command += ["--frequencies", folder / "omega.txt", "--phases", folder / "theta.txt", "--scheme", "rk4"]
    command += ["--step", args.interval, "--time", times[-1], "--every", 1, "--out", folder / "out"]
    whole, simulation = [], []
    for _ in range(args.repeats):
        start = time.perf_counter()
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        whole.append(time.perf_counter() - start)
        summary = json.loads((folder / "out/summary.json").read_text())
        simulation.append(summary["seconds"])
    ours = numpy.load(folder / "out/run.npz")["phases"].astype(float)


def error(phases):
    off = phases - exact
    return float(numpy.abs(off - 2 * numpy.pi * numpy.round(off / (2 * numpy.pi))).max())


result = {
    "adapter": summary["adapter"],
    "cores": len(os.sched_getaffinity(0)),
    "nodes": n,
    "edges": int(sparse.nnz),
    "stored_times": steps + 1,
    "package_seconds": min(package),
    "package_error": error(theirs),
    "simulation_seconds": min(simulation),
    "process_seconds": min(whole),
    "error": error(ours),
    "times_faster_simulation": min(package) / min(simulation),
    "times_faster_process": min(package) / min(whole),
}
if args.json:
    print(json.dumps(result, indent=2))
else:
    for key, value in result.items():
        print(f"{key:>24}  {value:.6g}" if isinstance(value, float) else f"{key:>24}  {value}")
