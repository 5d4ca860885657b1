#!/bin/bash
# First process of the box: its own processes, mounts and network are set up, then the command runs. When this process
# ends, the kernel ends everything in the box and takes mounts and network with it.
#
# box.sh FOLDER COMMAND...
set -euo pipefail
folder=$1
shift
mount -t proc proc /proc
mount --make-rshared /
mkdir -p "$folder"/{var,var.work,sysctl}
# What kubelet and the network plugins write below /var and /run stays with this run.
mount -t overlay overlay -o "lowerdir=/var,upperdir=$folder/var,workdir=$folder/var.work" /var
cp -L /etc/resolv.conf "$folder/resolv.conf" 2> /dev/null || touch "$folder/resolv.conf"
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock
# Kubelet sets these for the whole machine, which is not ours: it is shown what it wants to see.
want() {
  local shown="$folder/sysctl/${1//\//.}"
  echo "$2" > "$shown"
  mount --bind "$shown" "/proc/sys/$1"
}
want vm/overcommit_memory 1
want vm/panic_on_oom 0
want kernel/panic 10
want kernel/panic_on_oops 1
want kernel/keys/root_maxkeys 1000000
want kernel/keys/root_maxbytes 25000000
# not exec: a first process must bury the children that others leave behind, and this shell does
"$@"
