#!/bin/sh
# Sets a Debian 12 machine up (Vagrantfile): Python, irqbal as a service and, if asked for, MongoDB 7.0 from its makers' repository.
#   sh etc/provision.sh [--mongodb] [SOURCE]
set -eu

mongodb='' source=/vagrant
for word in "$@"; do
	case $word in
	--mongodb) mongodb=yes ;;
	-*) echo "usage: sh etc/provision.sh [--mongodb] [SOURCE]" >&2; exit 2 ;;
	*) source=$word ;;
	esac
done
[ -f "$source/etc/setup_service.sh" ] || { echo "provision.sh: irqbal's source is not in $source" >&2; exit 1; }

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates curl gnupg ethtool iperf3 >/dev/null

if [ -n "$mongodb" ]; then
	key=/usr/share/keyrings/mongodb-server-7.0.gpg
	curl -fsSL https://www.mongodb.org/static/pgp/server-7.0.asc | gpg --batch --yes --dearmor -o "$key"
	echo "deb [signed-by=$key] https://repo.mongodb.org/apt/debian bookworm/mongodb-org/7.0 main" \
		>/etc/apt/sources.list.d/mongodb-org-7.0.list
	apt-get update -qq
	apt-get install -y -qq mongodb-org >/dev/null
	systemctl enable --quiet --now mongod.service
fi

# pip builds in the folder that it installs from; a folder shared with the host is left as it is.
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
tar -C "$source" --exclude=./.git --exclude=./.venv --exclude=./.vagrant --exclude=./build -cf - . | tar -C "$build" -xf -

new=''
[ -e /etc/irqbal.yaml ] || new=yes
if [ -n "$new" ]; then
	# The forwarded port comes in at the NAT interface: its address, and no other, is listened on besides loopback.
	address=$(ip -4 -o address show scope global | awk 'NR == 1 { sub("/.*", "", $4); print $4 }')
	listen="\"127.0.0.1:8080\", \"unix:/run/irqbal/irqbal.sock\"${address:+, \"$address:8080\"}"
	sed -e "s|^  listen: .*|  listen: [$listen]|" \
		-e 's|^  anonymous_remote: none.*|  anonymous_remote: read      # this machine is for trying: whoever reaches the port may look|' \
		-e 's|^  insecure: false.*|  insecure: true              # no TLS; the host forwards the port to its loopback only|' \
		"$build/etc/irqbal.yaml" >/etc/irqbal.yaml
	if [ -n "$address" ]; then
		# The unit lets loopback through, and nobody else, unless it is told to.
		mkdir -p /etc/systemd/system/irqbal.service.d
		printf '[Service]\nIPAddressAllow=any\n' >/etc/systemd/system/irqbal.service.d/network.conf
	fi
	[ -z "$mongodb" ] || sed -i 's|^  mongodb: null.*|  mongodb: {url: "mongodb://127.0.0.1:27017", database: irqbal}|' /etc/irqbal.yaml
fi
sh "$build/etc/setup_service.sh"
if id vagrant >/dev/null 2>&1; then usermod -aG irqbal vagrant; fi
echo "http://127.0.0.1:8080 on the host; in here: irqbal verify, irqbal topology"
