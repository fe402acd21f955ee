#!/bin/sh
# Judges and times the GPU of this machine. Everything goes to the folder results; send that back.
#   sh run.sh             all, some ten minutes on a GPU
#   sh run.sh --quick     the times of a few kernels only
set -u
here=$(cd "$(dirname "$0")" && pwd)
out="$here/results"
tool="$here/bin/xtask"
mkdir -p "$out"
chmod +x "$here"/bin/* 2>/dev/null
filter='*'
seconds=0.5
if [ "${1:-}" = "--quick" ]; then filter='s*/f32/*'; seconds=0.1; fi
failed=''

# Runs one part, shows what it says and keeps it.
part() {
    name=$1
    shift
    echo "== $name"
    if "$@" >"$out/$name.txt" 2>"$out/$name.log"; then
        tail -n 20 "$out/$name.txt"
    else
        failed="$failed $name"
        tail -n 20 "$out/$name.txt" "$out/$name.log"
        echo "== $name: FAILED"
    fi
}

part doctor "$tool" doctor --json "$out/doctor.json"
part checklist "$tool" checklist --json "$out/checklist.json"
part conformance "$tool" conformance --filter "$filter" --json "$out/conformance.json" --html "$out/conformance.html"
part golden "$tool" golden "$here/golden" --json "$out/golden.json"
part profile "$tool" profile --filter "$filter" --seconds "$seconds" --json "$out/profile.json" \
    --roofline "$out/roofline.svg" --trace "$out/trace.json" "--record=$out/record"
if command -v python3 >/dev/null 2>&1; then
    rounds=3
    if [ "$filter" != '*' ]; then rounds=1; fi
    part peers python3 "$here/peers/compare.py" --program "$here/bin/workloads" --rounds "$rounds" --json "$out/peers.json"
else
    echo "== peers: not run, there is no python3"
fi

echo
if [ -n "$failed" ]; then
    echo "failed:$failed; the reasons are in $out"
    exit 1
fi
echo "all parts passed; the results are in $out"
