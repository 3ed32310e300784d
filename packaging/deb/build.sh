#!/bin/sh
# Builds irqbal's Debian package: a Python environment with all that it needs, since Debian 12 has no msgspec and too old a pymongo.
# The same source, epoch and versions (constraints.txt) make the same package, byte by byte.
set -eu
umask 022
LC_ALL=C.UTF-8
export LC_ALL

if [ $# -gt 1 ] || [ "${1#-}" != "${1-}" ]; then
	echo "Usage: sh packaging/deb/build.sh [FOLDER]   (dist unless given; prints the package's path)" >&2
	exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
top=${here%/*/*}
out=${1:-$top/dist}
prefix=/usr/lib/irqbal
# Debian's own: the package's environment hangs on it.
python=/usr/bin/python3

fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
for program in dpkg-deb dpkg dpkg-parsechangelog gzip "$python"; do
	command -v "$program" >/dev/null || fail "$program is missing: apt-get install dpkg-dev python3 python3-venv"
done
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11: this needs Debian 12 or later"
version=$(dpkg-parsechangelog -l "$here/changelog" -S Version)
grep -q "^version = \"${version%-*}\"$" "$top/pyproject.toml" || fail "packaging/deb/changelog is of $version, pyproject.toml of another version"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)}
export SOURCE_DATE_EPOCH
arch=$(dpkg --print-architecture)
this=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$("$python" -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
place=$root$prefix
packages=$place/lib/python$this/site-packages

# A copy to build in: builds leave folders behind.
mkdir "$work/source"
for name in irqbal policies etc man pyproject.toml README.md LICENSE; do
	cp -R "$top/$name" "$work/source/"
done
find "$work/source" -name __pycache__ -prune -exec rm -rf {} + -o -name '*.egg-info' -prune -exec rm -rf {} +

"$python" -m venv "$work/build" || fail "python3-venv is missing: apt-get install python3-venv"
pip() { "$work/build/bin/pip" --quiet --disable-pip-version-check "$@"; }
try=1
until pip wheel --constraint "$here/constraints.txt" --wheel-dir "$work/wheels" "$work/source[mongodb,top]"; do
	[ "$try" -lt 3 ] || fail "pip could not get what irqbal needs"
	try=$((try + 1))
	sleep 5
done

mkdir -p "$place/bin" "$packages"
ln -s "$python" "$place/bin/python3"
ln -s python3 "$place/bin/python"
printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$place/pyvenv.cfg"
pip --python "$place/bin/python3" install --no-compile --no-index --find-links "$work/wheels" --no-warn-script-location 'irqbal[mongodb,top]'
# What a policy's author hands out goes here: `pip install --target`, and the package's own folder stays as it is.
echo /usr/local/lib/irqbal >"$packages/local.pth"

# Of the programs irqbal's alone, and none of what names this machine's folders.
find "$place/bin" -type f ! -name irqbal ! -name irqbal-client -delete
sed -i "1s|^#!.*|#!$prefix/bin/python3|" "$place/bin/irqbal" "$place/bin/irqbal-client"
sed -i '/^\.\.\/\.\.\/\.\.\//d' "$packages"/*.dist-info/RECORD

put() { # put FILE DESTINATION: a file at its place, with the package's paths
	mkdir -p "${2%/*}"
	sed -e "s|/opt/irqbal/share/doc|/usr/share/doc|g" -e "s|/opt/irqbal|$prefix|g" "$1" >"$2"
}
doc=$root/usr/share/doc/irqbal
for unit in "$top"/etc/systemd/irqbal*; do put "$unit" "$root/lib/systemd/system/${unit##*/}"; done
put "$top/etc/sysusers.d/irqbal.conf" "$root/usr/lib/sysusers.d/irqbal.conf"
put "$top/etc/tmpfiles.d/irqbal.conf" "$root/usr/lib/tmpfiles.d/irqbal.conf"
put "$top/etc/irqbal.yaml" "$root/etc/irqbal.yaml"
put "$here/lintian-overrides" "$root/usr/share/lintian/overrides/irqbal"
put "$here/copyright" "$doc/copyright"
put "$here/README.Debian" "$doc/README.Debian"
cp "$top"/docs/*.md "$top/docs/openapi.json" "$doc/"
cp -R "$top/contrib/prometheus" "$doc/"
gzip -9nc "$here/changelog" >"$doc/changelog.Debian.gz"
gzip -9nc "$top/CHANGELOG.md" >"$doc/changelog.gz"
for page in "$top"/man/*.[1-8]; do
	folder=$root/usr/share/man/man${page##*.}
	mkdir -p "$folder"
	gzip -9nc "$page" >"$folder/${page##*/}.gz"
done
rm -rf "$place/share"
mkdir -p "$root/usr/bin"
ln -s ../lib/irqbal/bin/irqbal ../lib/irqbal/bin/irqbal-client "$root/usr/bin/"
completion() { # completion COMMAND SHELL DESTINATION
	mkdir -p "${3%/*}"
	"$place/bin/python3" -B "$place/bin/$1" completion "$2" >"$3"
}
for command in irqbal irqbal-client; do
	completion "$command" bash "$root/usr/share/bash-completion/completions/$command"
	completion "$command" zsh "$root/usr/share/zsh/vendor-completions/_$command"
	completion "$command" fish "$root/usr/share/fish/vendor_completions.d/$command.fish"
done

# Where it will be, not where it was built.
ln -sf ../../../bin/python3 "$place/bin/python3"

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
	cp "$here/$script" "$root/DEBIAN/$script"
done
echo /etc/irqbal.yaml >"$root/DEBIAN/conffiles"
find "$root" -name __pycache__ -prune -exec rm -rf {} +
chmod -R u=rwX,go=rX "$root"
find "$root" -type f ! -path '*/bin/*' ! -path '*/DEBIAN/*' -exec chmod a-x {} +
chmod 755 "$root"/DEBIAN/p* "$place"/bin/irqbal*
size=$(find "$root" -path "$root/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$size/" -e "s/@PYTHON@/$this/g" -e "s/@NEXT@/$next/" \
	"$here/control" >"$root/DEBIAN/control"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
deb=$out/irqbal_${version}_$arch.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$deb" >/dev/null
echo "$deb"
