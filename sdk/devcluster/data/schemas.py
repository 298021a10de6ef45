#!/usr/bin/env python3
"""Derives schemas.json.gz from what a running kube-apiserver publishes under /openapi/v3: every named type once, with its texts.

Usage: schemas.py DOCUMENTS.json OUTDIR, where the first is an object of GET /openapi/v3's paths, each with its document.
Types of groups that embedded clusters do not serve are left out. src/openapi.rs reads the result.
"""
import gzip, json, sys

documents, out = sys.argv[1:3]
LEFT_OUT = ("apiregistration.", "certificates.", "flowcontrol.", "node.", "resource.k8s.io", "internal.")
schemas = {}
for path, document in json.load(open(documents)).items():
    parts = path.split("/")
    if len(parts) > 1 and parts[1].startswith(LEFT_OUT):
        continue
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        schemas.setdefault(name, schema)
text = json.dumps(schemas, sort_keys=True, separators=(",", ":")).encode()
with open(f"{out}/schemas.json.gz", "wb") as file:
    file.write(gzip.compress(text, 9, mtime=0))
