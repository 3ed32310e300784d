#!/bin/sh
# What the tests need besides Python: a browser, the tools to look on, and for those that only root may run a real kernel
# under QEMU and traffic. As root on Debian it is installed; elsewhere what is missing is named, and the tests do not start.
set -eu

everybody="strace:strace shellcheck:shellcheck ruby:ruby systemd-analyze:systemd curl:curl openssl:openssl
chromium:chromium promtool:prometheus tmux:tmux sqlite3:sqlite3 man:man-db groff:groff"
root="qemu-system-x86_64:qemu-system-x86 busybox:busybox-static iperf3:iperf3 ip:iproute2 ethtool:ethtool cpio:cpio
irqbalance:irqbalance hwloc-distrib:hwloc-nox unshare:util-linux lsirq:util-linux-extra dpkg-deb:dpkg debootstrap:debootstrap depmod:kmod"

missing() {
	for pair in $1; do
		PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair##*:}"
	done
	# A library: Playwright's driver is linked with it.
	ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || printf 'libatomic1 '
	# A library that pretends another time to a process.
	ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || printf 'faketime '
	# The kernel's numbers of system calls, for whichever processor this is.
	ls /usr/include/asm-generic/unistd.h >/dev/null 2>&1 || printf 'linux-libc-dev '
}

if [ "$(id -u)" != 0 ]; then
	lacking=$(missing "$everybody")
	if [ -n "$lacking" ]; then
		echo "The tests need programs that only root can install: apt-get install $lacking" >&2
		exit 1
	fi
	echo "Not root: tests that only root may run are skipped, each with its reason." >&2
	exit 0
fi

lacking=$(missing "$everybody $root")
# The test machine's kernel is a Debian package: apt must know it, too.
if [ -z "$lacking" ] && apt-cache show linux-image-amd64 >/dev/null 2>&1; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "This is no Debian: the test machine boots Debian's kernel, and here is nothing to install it with. Missing: ${lacking:-apt}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
for try in 1 2 3; do
	# Debian starts services on installation where it can; the tests want irqbalance installed, not running.
	if apt-get update -qq && { [ -z "$lacking" ] || RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $lacking >/dev/null; }; then
		break
	fi
	[ "$try" = 3 ] && { echo "apt-get could not install: $lacking" >&2; exit 1; }
	sleep 5
done
lacking=$(missing "$everybody $root")
[ -z "$lacking" ] || { echo "Still missing: $lacking" >&2; exit 1; }
