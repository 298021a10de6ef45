#!/usr/bin/env python3
"""Derives columns.json, the columns of the built-in kinds' tables, from a running kube-apiserver.

Usage: columns.py FETCH OUTDIR, where FETCH is a command that prints the answer to GET PATH (its last argument) with
Accept: application/json;as=Table;v=v1;g=meta.k8s.io. A line per resource of resources.txt, whatever its versions: group, plural, the columns.
"""
import json, os, subprocess, sys

fetch, out = sys.argv[1].split(), sys.argv[2]
lines, seen = [], set()
for row in open(os.path.join(out, "resources.txt")):
    group, version, plural, _, _, _, _, _, _, _, verbs, _ = row.split()
    if "list" not in verbs and verbs != "-": continue
    # The columns of a kind are those of all its versions.
    if (group, plural) in seen: continue
    seen.add((group, plural))
    path = f"/api/{version}/{plural}" if group == "-" else f"/apis/{group}/{version}/{plural}"
    table = json.loads(subprocess.check_output(fetch + [path + "?limit=1"]))
    columns = [[c["name"], c["type"], c["format"], c["priority"], c["description"]] for c in table["columnDefinitions"]]
    lines.append(json.dumps([group.strip("-"), plural, columns], separators=(",", ":")))
open(os.path.join(out, "columns.json"), "w").write("\n".join(lines) + "\n")
