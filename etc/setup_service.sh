#!/bin/sh
# Installs irqbal as a service that systemd starts at boot; again and again does no harm, and brings a new version.
set -eu
umask 022

usage() {
	cat <<-'TEXT'
	Usage: sh etc/setup_service.sh [--prefix DIR] [--from SOURCE] [--python PYTHON] [--no-start]
	       sh etc/setup_service.sh --remove [--purge] [--prefix DIR]

	  --prefix DIR     where irqbal's Python environment goes (where it is, else /opt/irqbal)
	  --from SOURCE    a folder or a wheel to install (the folder that this script lies in)
	  --python PYTHON  Python 3.11 or later (python3, or the newest python3.N where that is older)
	  --no-start       start nothing, and leave irqbalance as it is: `irqbal switch` changes over later
	  --remove         stop it, put every original mask back, and take away what was installed
	  --purge          with --remove: the configuration and /var/lib/irqbal, too

	With DESTDIR=DIR everything goes below DIR, and nothing is started.
	TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'setup_service.sh: %s\n' "$*" >&2; exit 1; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
destdir=${DESTDIR:-}
prefix='' from=${here%/*} python='' remove='' purge='' later=''
while [ $# -gt 0 ]; do
	case $1 in
	--prefix | --from | --python)
		[ $# -ge 2 ] || fail "$1 needs a value"
		case $1 in --prefix) prefix=${2%/}; [ -n "$prefix" ] || fail "--prefix must be an absolute path, not '$2'" ;; --from) from=$2 ;; *) python=$2 ;; esac
		shift
		;;
	--no-start) later=yes ;;
	--remove) remove=yes ;;
	--purge) purge=yes ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ -z "$purge" ] || [ -n "$remove" ] || fail "--purge goes with --remove"
unit=$destdir/etc/systemd/system/irqbal.service
if [ -z "$prefix" ] && [ -e "$unit" ]; then
	# Where it was installed to, whoever remembers: another place for the same unit would leave a program behind that nothing runs.
	prefix=$(sed -n 's|^ExecStart=\(/[^ ]*\)/bin/irqbal daemon.*|\1|p' "$unit")
fi
prefix=${prefix:-/opt/irqbal}
case $prefix in
/?*) ;;
*) fail "--prefix must be an absolute path, not '$prefix'" ;;
esac
case $prefix in
*[!A-Za-z0-9/._+-]*) fail "--prefix may hold letters, digits and / . _ + - only" ;;
/home/* | /root/* | /run/* | /tmp/* | /var/tmp/*) fail "the service cannot see $prefix: choose another place, such as /opt/irqbal" ;;
esac

units=${unit%/*}
users=$destdir/etc/sysusers.d/irqbal.conf
folders=$destdir/etc/tmpfiles.d/irqbal.conf
config=$destdir/etc/irqbal.yaml
place=$destdir$prefix

if [ -z "$destdir" ]; then
	[ "$(id -u)" = 0 ] || fail "a service is installed by root: use sudo"
	[ -d /run/systemd/system ] || fail "this host does not run systemd, and nothing was changed: let your own supervisor run" \
		"\`irqbal daemon -c /etc/irqbal.yaml\` as root (it stays in the foreground, SIGHUP reloads, SIGTERM ends it)"
fi

links() { # the commands in everybody's path; what somebody else put there stays
	for name in irqbal irqbal-client; do
		link=$destdir/usr/local/bin/$name
		if [ "$(readlink "$link" 2>/dev/null || :)" = "$prefix/bin/$name" ]; then
			[ "$1" = make ] || rm -f "$link"
		elif [ "$1" = make ] && [ ! -e "$link" ] && [ ! -L "$link" ]; then
			mkdir -p "${link%/*}"
			ln -s "$prefix/bin/$name" "$link"
		fi
	done
}

if [ -n "$remove" ]; then
	if [ -z "$destdir" ]; then
		[ ! -e "$unit" ] || systemctl disable --now irqbal.service
		# A slice outlives what ran in it.
		systemctl stop irqbal-hosts.slice irqbal.slice 2>/dev/null || :
		[ ! -x "$place/bin/irqbal" ] || "$place/bin/irqbal" restore || say "Not every original could be put back; a reboot resets the rest."
	fi
	links take
	rm -f "$unit" "$users" "$folders"
	for name in planner policies observers; do rm -f "$units/irqbal-$name.socket" "$units/irqbal-$name@.service"; done
	rm -f "$units/irqbal-hosts.slice"
	if [ -e "$place/pyvenv.cfg" ] && [ -x "$place/bin/irqbal" ]; then rm -rf "$place"; fi
	if [ -n "$purge" ]; then
		rm -f "$config"
		rm -rf "$destdir/var/lib/irqbal"
		# What provision.sh or Ansible put there; drop-ins of other names are somebody else's.
		rm -f "$units/irqbal.service.d/network.conf"
		rmdir "$units/irqbal.service.d" 2>/dev/null || :
	fi
	[ -n "$destdir" ] || systemctl daemon-reload
	say "irqbal is removed."
	[ ! -e "$config" ] || say "Kept: $config and $destdir/var/lib/irqbal; --remove --purge takes them away, too."
	exit 0
fi

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if [ -z "$python" ]; then
	python=python3
	# RHEL 9 and SUSE 15 keep an old python3, and have newer ones beside it.
	for name in python3 python3.14 python3.13 python3.12 python3.11; do
		if recent "$name"; then
			python=$name
			break
		fi
	done
fi
recent "$python" || fail "$python is not Python 3.11 or later: install one (RHEL: dnf install python3.11, SUSE: zypper install python311)," \
	"or name it with --python"
[ -e "$from" ] || fail "$from does not exist"
if [ -e "$place" ] && [ ! -e "$place/pyvenv.cfg" ]; then
	[ -z "$(ls -A "$place")" ] || fail "$place is there already and is no Python environment: choose another --prefix"
fi

if ! recent "$place/bin/python3" || ! "$place/bin/python3" -c 'import pip' 2>/dev/null; then
	# An environment outlives the Python that it was made with, and is of no use without it.
	[ ! -e "$place/pyvenv.cfg" ] || say "$place was made with a Python that is not there any more, and is made anew:" \
		"policies that you installed into it have to be installed again."
	"$python" -m venv "$place" --clear || fail "$python could make no environment; on Debian and Ubuntu: apt-get install python3-venv"
fi
try=1
until "$place/bin/pip" install --quiet --disable-pip-version-check --upgrade "${from}[mongodb]"; do
	[ "$try" -lt 3 ] || fail "pip could not install $from; nothing was started"
	try=$((try + 1))
	sleep 5
done
if [ -n "$destdir" ]; then
	# What is built below DESTDIR runs without it later.
	for script in "$place"/bin/*; do
		[ -L "$script" ] || sed -i "1s|^#!$place/|#!$prefix/|" "$script"
	done
fi

put() { # a file of this folder, with the prefix that was asked for
	mkdir -p "${2%/*}"
	sed "s|/opt/irqbal|$prefix|g" "$here/$1" >"$2.part"
	mv "$2.part" "$2"
}
for file in "$here"/systemd/irqbal*; do put "systemd/${file##*/}" "$units/${file##*/}"; done
put sysusers.d/irqbal.conf "$users"
put tmpfiles.d/irqbal.conf "$folders"
# `irqbal switch` converts irqbalance's configuration where there is none.
[ -e "$config" ] || [ -n "$later" ] || put irqbal.yaml "$config"
mkdir -p "$place/share/doc/irqbal"
cp "${here%/*}"/docs/*.md "$place/share/doc/irqbal/"
links make
if [ -n "$destdir" ]; then
	say "irqbal is installed below $destdir; nothing was started."
	exit 0
fi

# Where SELinux is on (Fedora, RHEL, newer SUSE), systemd starts only what is labelled as a program.
if command -v restorecon >/dev/null 2>&1; then
	restorecon -R "$place" "$units"/irqbal* "$users" "$folders"
	[ ! -e "$config" ] || restorecon "$config"
fi
systemd-sysusers "$users"
systemd-tmpfiles --create "$folders"
if [ -n "$later" ]; then
	systemctl daemon-reload
	say "irqbal is installed and not started: \`$place/bin/irqbal switch\` changes over from irqbalance, \`systemctl enable --now irqbal\` starts it."
	exit 0
fi
"$place/bin/irqbal" check -c "$config" || fail "the configuration is refused, so irqbal was not started: correct it, and run this again"
systemctl daemon-reload
if systemctl is-enabled --quiet irqbalance.service 2>/dev/null || systemctl is-active --quiet irqbalance.service; then
	systemctl disable --now irqbalance.service
	say "irqbalance is stopped and disabled: the two would undo each other's moves."
fi
systemctl enable --quiet irqbal.service
systemctl restart irqbal.service
say "irqbal runs: journalctl -u irqbal, http://127.0.0.1:8080, $config"
