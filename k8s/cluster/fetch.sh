#!/bin/bash
# Kubernetes 1.20.2 from Debian's sources, and the programs around it from Debian's packages, all below one folder:
# nothing is installed on this machine, no list of packages of its own is touched, and a second run finds everything
# done. About six minutes the first time. Newer ones are not in Debian: its 1.32 holds kubectl alone.
#
# fetch.sh FOLDER MIRROR [SECURITY_MIRROR]     the mirrors of Debian that this machine's owner chose (tools.ts asks apt)
set -euo pipefail
USAGE='fetch.sh FOLDER MIRROR [SECURITY_MIRROR]'
W=$(realpath -m "${1:?$USAGE}")
MIRROR=${2:?$USAGE}
SECURITY_MIRROR=${3:-}
say() { echo "kubernetes: $*" >&2; }
mkdir -p "$W"/{apt/lists/partial,apt/cache/archives/partial,src,debs,tools,bin,gocache}
for kind in deb deb-src; do
  echo "$kind $MIRROR bookworm main"
  if [ -n "$SECURITY_MIRROR" ]; then echo "$kind $SECURITY_MIRROR bookworm-security main"; fi
done > "$W/apt/sources.list"
APT=(-o "Dir::Etc::sourcelist=$W/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$W/apt/lists"
  -o "Dir::Cache=$W/apt/cache" -o APT::Sandbox::User=root -qq)

if [ ! -f "$W/tools/done" ]; then
  say "packages into $W/tools (nothing is installed)"
  apt-get "${APT[@]}" update
  (cd "$W/debs" && apt-get "${APT[@]}" download golang-1.19-go golang-1.19-src etcd-server containerd runc \
    containernetworking-plugins conntrack ipset libipset13 socat libwrap0 iptables libip6tc2 libip4tc2 libxtables12 \
    libnfnetlink0 libnetfilter-conntrack3 libnftnl11 libmnl0 libseccomp2 iproute2 libbpf1 libelf1 libcap2-bin debootstrap \
    buildah libgpgme11 libassuan0 libdevmapper1.02.1 golang-github-containers-common golang-github-containers-image)
  for deb in "$W"/debs/*.deb; do dpkg -x "$deb" "$W/tools"; done
  touch "$W/tools/done"
fi

if [ ! -f "$W/rootfs.done" ]; then
  say "a small Debian for images"
  rm -rf "$W/rootfs"
  DEBOOTSTRAP_DIR="$W/tools/usr/share/debootstrap" PATH="$PATH:/usr/sbin:/sbin" \
    "$W/tools/usr/sbin/debootstrap" --variant=minbase bookworm "$W/rootfs" "$MIRROR" > "$W/debootstrap.log"
  rm -rf "$W"/rootfs/var/cache/apt/archives/*.deb "$W"/rootfs/var/lib/apt/lists/*
  touch "$W/rootfs.done"
fi

export GOROOT="$W/tools/usr/lib/go-1.19" GOPATH="$W/gopath" GOCACHE="$W/gocache"
export PATH="$GOROOT/bin:$PATH" GO111MODULE=off CGO_ENABLED=0 GOFLAGS="${GOFLAGS:--p=2}"
K="$GOPATH/src/k8s.io/kubernetes"
if [ ! -d "$K" ]; then
  say "sources of kubernetes"
  (cd "$W/src" && apt-get "${APT[@]}" source --download-only kubernetes)
  rm -rf "$W/unpack" && mkdir -p "$W/unpack" "$(dirname "$K")"
  tar -C "$W/unpack" -xzf "$W"/src/kubernetes_*.orig.tar.gz
  D=$(ls -d "$W"/unpack/*)
  tar -C "$D" -xJf "$W"/src/kubernetes_*.debian.tar.xz
  (cd "$D" && grep -v '^#' debian/patches/series | grep . | while read -r p; do patch -s -p1 < "debian/patches/${p%% *}"; done)
  mv "$D" "$K"
fi
cd "$K"
# What the API server says of its own shapes is generated, and not in the tarball.
OPENAPI=pkg/generated/openapi/zz_generated.openapi.go
if [ ! -f "$W/openapi.done" ]; then
  go build -o "$W/bin/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  PACKAGES=$(grep -Rl --include='*.go' '+k8s:openapi-gen=true' cmd pkg vendor/k8s.io plugin 2>/dev/null |
    grep -v '_test.go\|zz_generated\|/code-generator/\|/kube-openapi/\|/sample-apiserver/' | xargs -n1 dirname | sort -u |
    sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
  say "shapes of $(tr , '\n' <<< "$PACKAGES" | wc -l) packages"
  rm -f "$OPENAPI"
  "$W/bin/openapi-gen" -O zz_generated.openapi -p k8s.io/kubernetes/pkg/generated/openapi -i "$PACKAGES" \
    -h hack/boilerplate/boilerplate.generatego.txt -r "$W/openapi.report" -o "$GOPATH/src" 2> "$W/openapi.log"
  sed -i 's#k8s.io/kubernetes/vendor/k8s.io/#k8s.io/#g' "$OPENAPI"
  touch "$W/openapi.done"
fi
say "building; about six minutes on two cores"
V=k8s.io/kubernetes/vendor/k8s.io/component-base/version
go build -ldflags "-s -w -X $V.gitVersion=v1.20.2 -X $V.gitMajor=1 -X $V.gitMinor=20" -o "$W/bin/" \
  ./cmd/kube-apiserver ./cmd/kube-controller-manager ./cmd/kube-scheduler ./cmd/kube-proxy ./cmd/kubectl ./cmd/kubelet
# What a pod is while its containers come and go: a process that waits.
mkdir -p "$W/pause"
cat > "$W/pause/main.go" <<'S'
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	<-ends
}
S
go build -ldflags '-s -w' -o "$W/bin/pause" "$W/pause/main.go"
touch "$W/done"
say "built into $W/bin"
