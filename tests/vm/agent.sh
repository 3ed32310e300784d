# Runs scripts that the harness sends, one at a time, over a virtio-serial port.
# Request: one line "<id> <seconds> <script in base64>". Answer: "<id> <status> <length of stdout> <length of stderr>\n"
# and then both outputs as they are. The outputs are files, so a daemon that a script leaves running holds nothing up.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
box=/run/lab/busybox
$box mkdir -p /run/lab/jobs
cd / || exit 1

port=
while [ -z "$port" ]; do
    for name in /sys/class/virtio-ports/*/name; do
        if [ "$($box cat "$name" 2>/dev/null)" = irqbal.lab ]; then port=/dev/$($box basename "${name%/name}"); fi
    done
    [ -n "$port" ] || $box sleep 0.2
done

exec 3<>"$port"
while read -r id seconds script <&3; do
    job=/run/lab/jobs/$id
    echo "$script" | $box base64 -d > "$job.sh"
    # coreutils' timeout puts the script in a process group of its own and ends that whole group; busybox has a lesser one,
    # and its shell would prefer that.
    /usr/bin/timeout --kill-after=5 "$seconds" bash "$job.sh" < /dev/null > "$job.out" 2> "$job.err" 3>&-
    status=$?
    out=$($box stat -c %s "$job.out")
    err=$($box stat -c %s "$job.err")
    # head, not cat: a background job may still be writing to these files.
    { echo "$id $status $out $err"; $box head -c "$out" "$job.out"; $box head -c "$err" "$job.err"; } >&3
    $box rm -f "$job.sh" "$job.out" "$job.err"
done
$box sleep 1
