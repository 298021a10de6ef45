#!/usr/bin/env bash
# Finds or builds kube-apiserver, kube-controller-manager, etcd and kubectl for the tests on real Kubernetes, and prints the folder that holds them.
# KUBEBUILDER_ASSETS wins; else they are built once from the public Go modules pinned in go.mod, outside the checkout.
set -euo pipefail

version=v1.36.3
programs='etcd kube-apiserver kube-controller-manager kubectl'
here=$(cd "$(dirname "$0")" && pwd)

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  for program in $programs; do
    [ -x "$KUBEBUILDER_ASSETS/$program" ] || { echo "tests/real: KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no executable $program" >&2; exit 1; }
  done
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

out=${MOTET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/motet}/kubernetes-$version
missing=
for program in $programs; do [ -x "$out/$program" ] || missing="$missing $program"; done
if [ -z "$missing" ]; then
  echo "$out"
  exit 0
fi

command -v go >/dev/null || {
  echo "tests/real: no real Kubernetes to test on. Either set KUBEBUILDER_ASSETS to a folder with $programs, or install Go 1.26 and run again (they are then built from public Go modules, about 8 minutes on 2 cores). 'make test-fast' does without." >&2
  exit 1
}

mkdir -p "$out"
echo "tests/real: building$missing into $out (once, all together about 8 minutes on 2 cores)" >&2
ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
# Built one at a time into a scratch name, so that an interrupted build never leaves half a program behind.
build() {
  (cd "$here" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "$ldflags" -o "$out/.$1.part" "$2") >&2
  mv "$out/.$1.part" "$out/$1"
}
for program in $missing; do
  case $program in
    etcd) build etcd go.etcd.io/etcd/server/v3 ;;
    *) build "$program" "k8s.io/kubernetes/cmd/$program" ;;
  esac
done
echo "$out"
