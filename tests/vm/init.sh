#!/bin/busybox sh
# First program of the guest: loads the modules, lays a writable overlay on the host's root and hands over to busybox init,
# which keeps agent.sh running. Busybox is statically linked, so nothing here depends on the 9p mount being up.
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /lower /rw /newroot
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

# The numbered names are the order in which they depend on each other.
for module in /modules/*.ko; do insmod "$module" || echo "lab: cannot load $module"; done

mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /lower || echo "lab: no 9p root"
mount -t tmpfs rw /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /newroot || echo "lab: no overlay"

# The host's whole root stays visible at /host, because /tmp and /run below are the guest's own.
mkdir -p /newroot/host
mount --move /lower /newroot/host
mount --move /dev /newroot/dev
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount -t tmpfs -o mode=755 run /newroot/run
mount -t tmpfs -o mode=1777 tmp /newroot/tmp
mkdir -p /newroot/dev/pts /newroot/dev/shm /newroot/run/lab /newroot/run/lock
mount -t devpts -o mode=600,ptmxmode=666 devpts /newroot/dev/pts
mount -t tmpfs -o mode=1777 shm /newroot/dev/shm
mount -t cgroup2 cgroup2 /newroot/sys/fs/cgroup
mount -t tracefs tracefs /newroot/sys/kernel/tracing
mount -t debugfs debugfs /newroot/sys/kernel/debug

cp /bin/busybox /agent.sh /newroot/run/lab/
ln -s busybox /newroot/run/lab/init
# A real init reaps orphans: a killed daemon must not stay behind as a zombie that still answers `kill -0`.
echo '::respawn:/run/lab/busybox sh /run/lab/agent.sh' > /newroot/etc/inittab
case " $(cat /newroot/proc/cmdline) " in
*" lab.init=systemd "*) ;;
*) exec switch_root -c /dev/console /newroot /run/lab/init ;;
esac

# The host's systemd instead, with nothing but what a service rests on, and agent.sh beside it. The host's own services and the
# emulated machine's devices are none of its business. What is written to the overlay is at /run/lab/rw/upper.
mkdir -p /newroot/run/lab/rw /newroot/run/systemd/system/lab.target.wants
mount --move /rw /newroot/run/lab/rw
cd /newroot/run/systemd/system
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-hwdb-update.service systemd-timesyncd.service systemd-binfmt.service systemd-firstboot.service systemd-repart.service \
    systemd-random-seed.service systemd-update-utmp.service systemd-modules-load.service kmod-static-nodes.service \
    systemd-machine-id-commit.service systemd-journal-flush.service systemd-remount-fs.service proc-sys-fs-binfmt_misc.automount \
    sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount systemd-tmpfiles-setup.service \
    systemd-tmpfiles-setup-dev.service systemd-sysusers.service systemd-sysctl.service systemd-ask-password-console.path \
    systemd-ask-password-wall.path cryptsetup.target integritysetup.target veritysetup.target swap.target timers.target paths.target; do
    ln -s /dev/null "$unit"
done
cat > lab.target <<'END'
[Unit]
Requires=basic.target
After=basic.target
END
cat > lab-agent.service <<'END'
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/run/lab/busybox sh /run/lab/agent.sh
Restart=always
END
ln -s ../lab-agent.service lab.target.wants/
# Where tests are run in a container, this file would make systemd take the guest for one.
rm -f /newroot/.dockerenv
mkdir -p /newroot/run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n' > /newroot/run/systemd/journald.conf.d/lab.conf
cd /
exec switch_root -c /dev/console /newroot /lib/systemd/systemd --unit=lab.target --show-status=no
