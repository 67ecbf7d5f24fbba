#!/usr/bin/env bash
# Runs every notebook below a folder, each in a kernel of its own, and tells which failed.
# Usage: run_notebooks.sh FOLDER REPORT. The report is Markdown. Ends with 1 if one failed, if there
# is none, or if torch, torchvision or numpy are of another version afterwards.
# PYTHON: the Python to run them with (default: python3).
set -uo pipefail
folder=$1
report=$2
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

versions() {
  "$python" -c 'from importlib.metadata import version
print(*(f"{name} {version(name)}" for name in ("torch", "torchvision", "numpy")))'
}

# Characters that colour a terminal's text, and would break a page's.
plain() { sed 's/\x1b\[[0-9;]*m//g' "$1"; }

before=$(versions) || exit 1
status=0
count=0
: > "$report"
while IFS= read -r notebook; do
  count=$((count + 1))
  if "$python" -m nbconvert --to notebook --execute --output-dir "$work" --output done.ipynb \
    "$notebook" < /dev/null > "$work/log" 2>&1; then
    echo "ok      $notebook"
  else
    status=1
    echo "FAILED  $notebook"
    plain "$work/log"
    printf '### %s\n\n```\n%s\n```\n\n' "$notebook" "$(plain "$work/log" | tail -n 25)" >> "$report"
  fi
done < <(find "$folder" -name '*.ipynb' | sort)

if [ "$count" -eq 0 ]; then
  status=1
  echo "There is no notebook in $folder." | tee -a "$report"
fi
after=$(versions)
if [ "$before" != "$after" ]; then
  status=1
  echo "The notebooks changed $before to $after." | tee -a "$report"
fi
exit "$status"
