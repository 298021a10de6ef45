#!/usr/bin/env python3
"""Derives resources.txt and types.txt from a running kube-apiserver's own discovery and OpenAPI.

Usage: derive.py api.json apis.json legacy.json swagger.json OUTDIR, where the first two are GET /api and GET /apis with
Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, legacy.json is a list of the APIResourceLists
of all groups' versions (GET /api/v1, /apis/GROUP/VERSION), and the last is GET /openapi/v2.
The text forms are described at the top of src/schema/builtin.rs, which reads them.
"""
import json, sys

api, apis, legacy, swagger, out = sys.argv[1:6]
GROUPS = ["", "apps", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "coordination.k8s.io",
          "storage.k8s.io", "scheduling.k8s.io", "discovery.k8s.io", "autoscaling", "events.k8s.io", "apiextensions.k8s.io",
          "admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io"]
ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSIONS = {"autoscaling": "v2"}
defs = json.load(open(swagger))["definitions"]
byGvk = {}
for name, d in defs.items():
    for g in d.get("x-kubernetes-group-version-kind", []):
        byGvk[(g["group"], g["version"], g["kind"])] = name

def short(name):
    for p in ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.", "io.k8s.apiextensions-apiserver.pkg.apis."):
        if name.startswith(p):
            return name[len(p):]
    return name

SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "t",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "t",
}
needed, todo = {}, []

def ref(name):
    if name in SPECIAL: return SPECIAL[name]
    d = defs[name]
    if "properties" not in d: return "?"
    if name not in needed:
        needed[name] = None
        todo.append(name)
    return short(name)

def expr(p):
    if "$ref" in p:
        t = ref(p["$ref"].split("/")[-1])
        if p.get("x-kubernetes-map-type") == "atomic": t += "!"
    elif p.get("type") == "array":
        t = "[" + expr(p["items"]) + "]"
        lt = p.get("x-kubernetes-list-type")
        if lt == "set": t += "@s"
        if lt == "map": t += "@m(" + ",".join(p["x-kubernetes-list-map-keys"]) + ")"
    elif p.get("type") == "object":
        if "additionalProperties" in p:
            t = "{" + expr(p["additionalProperties"]) + "}"
            if p.get("x-kubernetes-map-type") == "atomic": t += "!"
        else: t = "?"
    elif p.get("format") == "byte": t = "y"
    elif "type" in p: t = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}[p["type"]]
    else: t = "?"
    st = p.get("x-kubernetes-patch-strategy", "")
    if "merge" in st: t += "~" + p.get("x-kubernetes-patch-merge-key", "")
    if "retainKeys" in st: t += "^"
    return t

hashes = {(l["groupVersion"], r["name"]): r.get("storageVersionHash", "-")
          for l in json.load(open(legacy)) for r in l["resources"]}

# The kinds of subresources name a group and version only where they are of another one than the resource.
def sub(s):
    of = s["responseKind"]
    kind = "/".join([of["group"], of["version"], of["kind"]]) if of["version"] else of["kind"]
    return "=".join([s["subresource"], kind, "+".join(s["verbs"])])

lines = []
for path in (api, apis):
    for g in json.load(open(path))["items"]:
        group = g["metadata"].get("name", "")
        if group not in GROUPS: continue
        for v in g["versions"]:
            if VERSIONS.get(group, v["version"]) != v["version"]: continue
            for r in v["resources"]:
                kind = r["responseKind"]["kind"]
                t = ref(byGvk[(group, v["version"], kind)])
                subs = ",".join(sub(s) for s in r.get("subresources", []))
                gv = (group + "/" if group else "") + v["version"]
                verbs = "-" if sorted(r["verbs"]) == ALL_VERBS else ",".join(r["verbs"])
                f = [group or "-", v["version"], r["resource"], kind, r["singularResource"],
                     "N" if r["scope"] == "Namespaced" else "C", ",".join(r.get("shortNames", [])) or "-",
                     ",".join(r.get("categories", [])) or "-", subs or "-", t, verbs, hashes[(gv, r["resource"])]]
                lines.append((GROUPS.index(group), " ".join(f)))
ref("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
for gvk in (("autoscaling", "v1", "Scale"), ("authentication.k8s.io", "v1", "TokenRequest"), ("policy", "v1", "Eviction")):
    ref(byGvk[gvk])
while todo:
    n = todo.pop()
    d = defs[n]
    head = short(n) + ("!" if d.get("x-kubernetes-map-type") == "atomic" else "")
    req = set(d.get("required", []))
    rows = [f" {k}{'*' if k in req else ''} {expr(p)}" for k, p in sorted(d["properties"].items())]
    needed[n] = head + "\n" + "\n".join(rows)
lines.sort(key=lambda x: x[0])
open(out + "/resources.txt", "w").write("\n".join(x[1] for x in lines) + "\n")
open(out + "/types.txt", "w").write("\n".join(needed[n] for n in sorted(needed)) + "\n")
