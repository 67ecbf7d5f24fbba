#!/usr/bin/env bash
# The tests that need CUDA, then records, on a bare machine: a graphics card, Python with torch,
# torchvision and numpy, no network, nothing to install.
#
#   benchmarks/gpu_records.sh pack [--data NAME ...] [--python 3.12] [CHAPTER ...]
#       here: jobs, data and wheels into _build/gpu, with the checkout at most 64 MiB
#   benchmarks/gpu_records.sh
#       there, in a copy of the checkout with _build/gpu: results as files in $OUT
#   benchmarks/gpu_records.sh take FOLDER
#       here: FOLDER is what $OUT held. Finished records are kept; the others go on when
#       _build/gpu is taken there again
#
# There: BUDGET=480 (seconds in all), PYTHON=python3, OUT=_build/gpu/results.
set -uo pipefail
cd "$(dirname "$0")/.."

if [ $# -gt 0 ]; then
  exec .venv/bin/python -m labnotes_site.record.bare "$@"
fi

PYTHON=${PYTHON:-python3} BUDGET=${BUDGET:-480}
BAG=$PWD/_build/gpu OUT=${OUT:-$PWD/_build/gpu/results}
WORK=$BAG/work SITE=$BAG/site
mkdir -p "$OUT" "$WORK" "$SITE"
left() { echo $((BUDGET - SECONDS)); }

if [ ! -d "$BAG/jobs" ]; then
  echo "there is nothing in _build/gpu: run 'benchmarks/gpu_records.sh pack' first, and bring it" >&2
  exit 2
fi
if [ -f "$BAG/wheels/python.txt" ]; then
  for_python=$(cat "$BAG/wheels/python.txt")
  here=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$here" != "$for_python" ]; then
    echo "the wheels are for Python $for_python, and this is $here: pack them with --python $here" >&2
    exit 2
  fi
  for wheel in "$BAG"/wheels/*.whl; do
    "$PYTHON" -m zipfile -e "$wheel" "$SITE" || exit 2
  done
fi

export PYTHONPATH=$SITE:$PWD/code PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export LABNOTES_CACHE=$BAG/data LABNOTES_OFFLINE=1 CI=1
"$PYTHON" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA")'

tests=$(grep -rl "mark.gpu" tests/package 2>/dev/null)
if [ -n "$tests" ] && [ ! -f "$WORK/tests.done" ]; then
  echo "== tests that need CUDA"
  # A file of tests may import a peer (SciPy) that its tests of CUDA do not use.
  timeout $((BUDGET / 3)) "$PYTHON" -c 'import sys
sys.path.insert(0, "code/labnotes_site/record")
from run import PeerFinder
import pytest
sys.meta_path.append(PeerFinder())
sys.exit(pytest.main(["-q", "-rs", "-m", "gpu", "--continue-on-collection-errors", *sys.argv[1:]]))' \
    $tests 2>&1 | tee "$OUT/tests.log"
  [ "${PIPESTATUS[0]}" -le 1 ] && touch "$WORK/tests.done" # 0: passed, 1: some failed
fi

key() { grep -o '"key": "[0-9a-f]*"' "$1" | head -1; }
for job in "$BAG"/jobs/*.json; do
  name=$(basename "$job" .json)
  name=${name#*-} # without its number in the order
  [ -f "$WORK/$name/result.json" ] && continue
  if [ "$(left)" -lt 20 ]; then
    echo "== $name: no time left" | tee -a "$OUT/records.log"
    continue
  fi
  echo "== $name, $(left) s left" | tee -a "$OUT/records.log"
  mkdir -p "$WORK/$name"
  if [ "$(key "$job")" != "$(key "$WORK/$name/job.json" 2>/dev/null)" ]; then
    rm -rf "${WORK:?}/$name"/* # a run of other code is not continued
    cp "$job" "$WORK/$name/job.json"
  fi
  timeout "$(left)" "$PYTHON" -P code/labnotes_site/record/run.py --without-peers \
    "$WORK/$name/job.json" "$WORK/$name" 2>&1 | tee -a "$OUT/records.log"
done

cd "$WORK" || exit 1
finished=() unfinished=()
for folder in */; do
  [ -d "$folder" ] || continue
  if [ -f "$folder/result.json" ]; then finished+=("$folder"); else unfinished+=("$folder"); fi
done
[ ${#finished[@]} -gt 0 ] && tar czf "$OUT/finished.tar.gz" --exclude=runs "${finished[@]}"
[ ${#unfinished[@]} -gt 0 ] && tar czf "$OUT/unfinished.tar.gz" "${unfinished[@]}"
echo "${#finished[@]} records finished, ${#unfinished[@]} not; in $OUT"
