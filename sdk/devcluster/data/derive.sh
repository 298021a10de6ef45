#!/usr/bin/env bash
# Derives the tables of this folder anew (but roles.json, which the conformance suite holds against the real ones), from the kube-apiserver that
# tests/real pins and from the Go modules that it is built of. With a folder as argument they are written there instead, to be compared. Needs Go, python3 and curl; 2 to 5 minutes.
set -euo pipefail

data=$(cd "$(dirname "$0")" && pwd)
real=$(cd "$data/../../../tests/real" && pwd)
out=$(realpath "${1:-$data}")
programs=$("$real/build.sh")
work=$(mktemp -d)
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
etcd=http://127.0.0.1:$(port) peer=http://127.0.0.1:$(port) api=$(port)

"$programs/etcd" --data-dir "$work/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls "$peer" \
  --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" --unsafe-no-fsync --log-level error >"$work/etcd.log" 2>&1 &
openssl genrsa -out "$work/sa.key" 2048 2>/dev/null
echo "derive,admin,1,system:masters" >"$work/tokens.csv"
# Authorization by RBAC makes the roles that roles.json holds.
"$programs/kube-apiserver" --etcd-servers="$etcd" --secure-port="$api" --bind-address=127.0.0.1 --cert-dir="$work/certs" \
  --authorization-mode=RBAC --token-auth-file="$work/tokens.csv" --service-cluster-ip-range=10.0.0.0/24 \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$work/sa.key" \
  --service-account-signing-key-file="$work/sa.key" >"$work/apiserver.log" 2>&1 &

fetch() { curl -sSfk -H 'Authorization: Bearer derive' -H "Accept: $1" "https://127.0.0.1:$api$2"; }
json=application/json
for _ in $(seq 120); do
  if [ "$(fetch '*/*' /readyz 2>/dev/null)" = ok ]; then ready=1 && break; fi
  sleep 1
done
[ -n "${ready:-}" ] || { echo "derive.sh: the kube-apiserver was not ready within two minutes:" >&2 && tail "$work/apiserver.log" >&2 && exit 1; }

discovery='application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
fetch "$discovery" /api >"$work/api.json"
fetch "$discovery" /apis >"$work/apis.json"
fetch $json /openapi/v2 >"$work/swagger.json"
versions=$(fetch $json /apis | python3 -c 'import json, sys
for group in json.load(sys.stdin)["groups"]:
    for version in group["versions"]: print("/apis/" + version["groupVersion"])')
{ for path in /api/v1 $versions; do fetch $json "$path"; done; } |
  python3 -c 'import json, sys; text = sys.stdin.read(); decoder = json.JSONDecoder(); all = []; at = 0
while at < len(text.rstrip()):
    one, at = decoder.raw_decode(text, at); all.append(one)
    while at < len(text) and text[at].isspace(): at += 1
json.dump(all, sys.stdout)' >"$work/legacy.json"
fetch $json /openapi/v3 | python3 -c 'import json, sys
for path, entry in json.load(sys.stdin)["paths"].items(): print(path, entry["serverRelativeURL"])' |
  while read -r path url; do fetch $json "$url" | python3 -c 'import json, sys; json.dump({sys.argv[1]: json.load(sys.stdin)}, sys.stdout); print()' "$path"; done |
  python3 -c 'import json, sys; all = {}
for line in sys.stdin: all.update(json.loads(line))
json.dump(all, sys.stdout)' >"$work/documents.json"

# The modules whose struct tags say what is always written.
mkdir "$work/modules"
(cd "$real" && go mod download k8s.io/api k8s.io/apimachinery k8s.io/apiextensions-apiserver && go list -m -f '{{.Path}} {{.Version}} {{.Dir}}' k8s.io/api k8s.io/apimachinery k8s.io/apiextensions-apiserver) |
  while read -r path version folder; do ln -s "$folder" "$work/modules/${path#k8s.io/}@$version"; done

python3 "$data/derive.py" "$work/api.json" "$work/apis.json" "$work/legacy.json" "$work/swagger.json" "$work/modules" "$out"
python3 "$data/schemas.py" "$work/documents.json" "$out"
printf '#!/usr/bin/env bash\nexec curl -sSfk -H "Authorization: Bearer derive" -H "Accept: application/json;as=Table;v=v1;g=meta.k8s.io" "https://127.0.0.1:%s$1"\n' "$api" >"$work/fetch"
chmod +x "$work/fetch"
python3 "$data/columns.py" "$work/fetch" "$out"
(cd "$real" && go run "$data/protos.go" >"$out/protos.txt" && go run "$data/structs.go" >"$out/structs.txt")
