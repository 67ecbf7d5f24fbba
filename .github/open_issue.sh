#!/usr/bin/env bash
# Usage: open_issue.sh TITLE REPORT RUN. Opens an issue with the report and the address of the run;
# where one of that title is open already, it gets a comment instead. gh takes GH_TOKEN and GH_REPO.
set -euo pipefail
title=$1
report=$2
run=$3
body=$(mktemp)
trap 'rm -f "$body"' EXIT

printf 'The weekly run was red: %s\n\n' "$run" > "$body"
if [ -s "$report" ]; then
  head -c 50000 "$report" >> "$body" # GitHub takes 65536 characters
else
  echo "It stopped before a notebook failed: see its log." >> "$body"
fi
number=$(gh issue list --state open --limit 500 --json number,title \
  --jq "[.[] | select(.title == \"$title\") | .number][0] // empty")
if [ -n "$number" ]; then
  gh issue comment "$number" --body-file "$body"
else
  gh issue create --title "$title" --body-file "$body"
fi
