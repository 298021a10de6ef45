#!/usr/bin/env python3
"""Derives resources.txt and types.txt from a running kube-apiserver's own discovery and OpenAPI.

Usage: derive.py api.json apis.json legacy.json swagger.json MODULES OUTDIR, where the first two are GET /api and GET /apis with
Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, legacy.json is a list of the APIResourceLists
of all groups' versions (GET /api/v1, /apis/GROUP/VERSION), swagger.json is GET /openapi/v2, and MODULES holds the Go modules
api@…, apimachinery@… and apiextensions-apiserver@… of k8s.io: which fields are always written and which vanish when they are empty is only said by their struct tags.
The text forms are described at the top of src/schema/builtin.rs, which reads them.
"""
import glob, json, re, sys

api, apis, legacy, swagger, modules, out = sys.argv[1:7]
GROUPS = ["", "apps", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "coordination.k8s.io",
          "storage.k8s.io", "scheduling.k8s.io", "discovery.k8s.io", "autoscaling", "events.k8s.io", "apiextensions.k8s.io",
          "admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io"]
ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
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
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "u",
}
needed, todo = {}, []

def ref(name):
    if name in SPECIAL: return SPECIAL[name]
    if name.endswith(".runtime.RawExtension"): return "?!"
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
    if p.get("format") == "int64": t = "l"
    if "enum" in p: t += "".join("|" + v for v in p["enum"])
    st = p.get("x-kubernetes-patch-strategy", "")
    if "merge" in st: t += "~" + p.get("x-kubernetes-patch-merge-key", "")
    if "retainKeys" in st: t += "^"
    return t

STRUCTS = {}

def structs(package):
    """The fields of a Go package's structs: name in JSON -> (Go type, options of the tag)."""
    if package not in STRUCTS:
        found = STRUCTS[package] = {}
        for file in glob.glob(f"{modules}/{package}/types*.go"):
            for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", open(file).read(), re.M | re.S):
                found[name] = re.findall(r"^\t(?:\w+ +)?(\S+) +`json:\"([^\"]*)\"", body, re.M)
    return STRUCTS[package]

def package(name):
    if name.startswith("io.k8s.api."): return "api@*/" + "/".join(name.split(".")[3:5])
    if name.startswith("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."):
        return "apiextensions-apiserver@*/pkg/apis/apiextensions/v1"
    if name.startswith("io.k8s.apimachinery.pkg.apis.meta.v1."): return "apimachinery@*/pkg/apis/meta/v1"
    return None

def fields(where, struct):
    for go, tag in structs(where).get(struct, []):
        field, *options = tag.split(",")
        if field: yield field, go, options
        elif "." in go: yield from fields("apimachinery@*/pkg/apis/meta/v1", go.split(".")[1])
        else: yield from fields(where, go)

def presence(name):
    """Per field: '+' if it is always written, '-' if it vanishes when empty; pointers are left as they are."""
    where, marks = package(name), {}
    if where is None: return marks
    for field, go, options in fields(where, name.split(".")[-1]):
        p = defs[name]["properties"].get(field, {})
        struct = "$ref" in p and not go.startswith(("*", "[", "map"))
        named = struct and "properties" not in defs[p["$ref"].split("/")[-1]] and p["$ref"].split("/")[-1] not in SPECIAL
        if go.startswith("*"): continue
        if "omitzero" in options: marks[field] = "-"
        elif "omitempty" not in options or (struct and not named): marks[field] = "+"
        else: marks[field] = "-"
    return marks

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
    marks = presence(n)
    rows = [f" {k}{'*' if k in req else ''}{marks.get(k, '')} {expr(p)}" for k, p in sorted(d["properties"].items())]
    needed[n] = head + "\n" + "\n".join(rows)
lines.sort(key=lambda x: x[0])
open(out + "/resources.txt", "w").write("\n".join(x[1] for x in lines) + "\n")
open(out + "/types.txt", "w").write("\n".join(needed[n] for n in sorted(needed)) + "\n")
