"""The parts of the manual pages that are not in a help text or a key's description."""

from __future__ import annotations

IRQBAL = (
    "`irqbal` keeps a Linux host's interrupts on the right CPUs. Its daemon reads the kernel, lets "
    "policies propose where each IRQ "
    "should go, writes what the planner accepts, and stores what it measured and did. Its API "
    "shows and explains all of that, and takes overrides. "
    "The other commands show, explain, try out and restore. Most of them need no daemon. Only "
    "`daemon`, `apply` and `restore` change masks and settings; `measure` sets up counters in "
    "tracefs for a second, and removes them.",
    "A host whose load does not change is left alone. Every original value is on disk before the "
    "first write, and `irqbal restore` puts it back, also after a crash. Policies run in a process "
    "of their own, without root and without network.",
)
IRQBAL_COMMON = "These options may stand before or after a command; those after it win."
HELP = "Show the help of all commands, or of the command before it."
TIMES = (
    "A TIME is ISO 8601 (2026-01-31T12:00:00, in UTC if it names no zone), YYYYMMDD-HHMMSS, or a "
    "length of time such as `2h` for two hours ago. "
    "A DURATION is a number and ms, s, m, h, d or y: `10s`, `5m`, `90d`. CPU sets are written "
    "`0-3,8`. An IRQ is named by its number or "
    "by its name in /proc/interrupts, such as eth0-TxRx-3."
)
IRQBAL_SIGNALS = (
    (
        "SIGHUP",
        "The daemon reads its configuration again. A valid file applies from the next cycle on; an "
        "invalid one changes nothing, and the log has every problem with its line.",
    ),
    (
        "SIGTERM, SIGINT",
        "The daemon ends within a second. Masks stay as they are; with `on_exit: restore` the "
        "original values are put back.",
    ),
)
ENDED = (("130", "interrupted with Ctrl-C"), ("141", "the reader of the output closed the pipe"))
IRQBAL_FILES = (
    ("/etc/irqbal.yaml", "The configuration, see irqbal.yaml(5). Without it the defaults apply."),
    (
        "/var/lib/irqbal",
        "State that outlives a restart: the history (history.sqlite), overrides, tokens, measured "
        "costs. `state_dir` names another folder.",
    ),
    (
        "/var/lib/irqbal/admin.token",
        "Root's own token for the API. The daemon writes it; only root can read it.",
    ),
    (
        "/run/irqbal/originals.jsonl",
        "The value of every mask and setting as it was before irqbal's first write since boot; "
        "`irqbal restore` needs it.",
    ),
    (
        "/run/irqbal/irqbal.sock",
        "The API on a Unix socket; root and the group irqbal need no token there.",
    ),
    ("/run/irqbal/lock", "Locked by the daemon, so that only one runs on a host."),
    ("/run/irqbal-simulated", "The state of a daemon that root runs with --simulate."),
)
IRQBAL_ENVIRONMENT = (
    (
        "XDG_STATE_HOME",
        "The folder for the state of other users than root, in irqbal and irqbal-simulated. "
        "Default: ~/.local/state.",
    ),
    (
        "IRQBAL_POLICY_HOSTS",
        "Set by the systemd unit: the folder of the sockets `policies` and `observers`. systemd "
        "starts a process for plugins on each connection. Without it the daemon starts these "
        "processes itself, and they drop root.",
    ),
    ("NO_COLOR", "If it is set, the output has no colours."),
    (
        "NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC, JOURNAL_STREAM",
        "Set by systemd: the daemon reports that it is ready and alive, and its status, and logs "
        "with levels.",
    ),
    ("_IRQBAL_COMPLETE", "Set by the scripts that `irqbal completion` prints."),
)
IRQBAL_EXAMPLES = (
    ("Show what would move now, and why. Nothing is written:", "irqbal plan"),
    ("Explain why IRQ 24 is where it is:", "irqbal explain 24"),
    (
        "Check the configuration, and if it is valid make the running daemon read it:",
        "irqbal check && systemctl reload irqbal",
    ),
    (
        "Run the daemon and its dashboard (http://127.0.0.1:8080) on a simulated host, without "
        "root:",
        "irqbal daemon --simulate 2x16x2,nodes=2,nic=16x2,traffic=skewed",
    ),
    (
        "Compare two configurations on the same simulated host:",
        "irqbal simulate -c one.yaml -c two.yaml --host 2x16x2 --nodes 2 --nic 16x2",
    ),
    ("Put back everything that irqbal changed since boot:", "irqbal restore"),
    ("Convert irqbalance's configuration:", "irqbal import-irqbalance > irqbal.yaml"),
)

CLIENT = (
    "`irqbal-client` talks to a running irqbal daemon over its API, on the same host or another. "
    "It shows the present state, its reasons and the history, sets overrides, pauses the daemon, "
    "and restores original values.",
    "HOST is a name or an address, PORT its port, by default 8080. A Unix socket is written "
    "`unix:PATH`, with `-` as PORT. Command names may be written with dashes instead of "
    "underscores.",
    "Reading on the daemon's own host needs no token unless the configuration requires one. "
    "Everything else needs one. `irqbal token add` prints a token; it is read from --token-file, "
    "else from the variable IRQBAL_TOKEN. Root on the daemon's host needs none, nor do root and "
    "the group irqbal on the Unix socket.",
)
CLIENT_COMMON = (
    "All but --version and --help may stand anywhere: before HOST, after PORT, or after the "
    "command. The last one wins."
)
CLIENT_FILES = (
    ("/run/irqbal/irqbal.sock", "The daemon's Unix socket."),
    (
        "/var/lib/irqbal/admin.token",
        "Root's token. It is sent to a daemon on this host that root or the same user runs, if the "
        "file can be read.",
    ),
)
CLIENT_ENVIRONMENT = (
    ("IRQBAL_TOKEN", "The token, unless --token-file names one."),
    ("NO_COLOR", "If it is set, the output has no colours."),
    ("_IRQBAL_CLIENT_COMPLETE", "Set by the scripts that `irqbal-client completion` prints."),
)

YAML = (
    "The configuration of irqbal(8), in YAML. A key that is left out has its default, and so has "
    "every key of an empty section. Unknown and duplicate keys are refused.",
    "`irqbal check` prints every problem of a file, as file:line: key: what. SIGHUP "
    "(`systemctl reload irqbal`) makes the daemon read the file again; a file that is refused "
    "changes nothing. A change of `state_dir`, and the end of a dry run, need a restart.",
    "A key is written here with its section before it: `history.keep.raw` is the key `raw` in the "
    "section `keep` of the section `history`.",
)
VALUES = (
    (
        "TIME",
        "A length of time: a number and ms, s, m, h, d or y, such as `250ms`, `10s` or `30d`.",
    ),
    ("CPUS", 'A CPU set, such as `0-3,8`; `""` is the empty set.'),
    ("SHARE", "A number and a percent sign, such as `5%`."),
    ("GLOB", 'A name with * and ? as wildcards; quote it: `"eth*"`.'),
    ("TEXT, NUMBER, true, false", "As they are. `null` switches a section off."),
    (
        "[X, ...], {K: X, ...}",
        "A list and a mapping, on one line or on lines of their own, as YAML has them.",
    ),
)
YAML_FILES = (
    ("/etc/irqbal.yaml", "The configuration, unless -c names another file."),
    ("/var/lib/irqbal", "The usual `state_dir`."),
)
POLICIES = (
    "`policies` is a list, each item a policy's name, with its options below it if there are any. "
    "Order matters: the first policy that claims an IRQ "
    "owns it, and later ones choose within the CPUs that it leaves open. An IRQ without a claim is "
    "left alone, unless it is on CPUs that a limit forbids. One policy may be listed twice, with "
    "different options. Without this key the four policies below are enabled, in this order; an "
    "empty list enables none.",
    "Others can be installed with pip. `irqbal policies` lists all installed policies with their "
    "options.",
)
OBSERVERS = (
    "`observers` is a list of the same form: plugins that receive the record of each cycle and "
    "place nothing. irqbal comes with none. Default: [].",
)
NOTES = {
    "state_dir": "The default is /var/lib/irqbal for root, else irqbal below $XDG_STATE_HOME "
    "(~/.local/state).",
    "api.anonymous": "Each value also allows what the one before it does. Root and members of the "
    "group irqbal may do everything on the Unix socket.",
    "api.tls": "Needed to listen on other addresses than loopback.",
}
"""Key -> what its description leaves open."""
YAML_EXAMPLES = (
    (
        "Keep IRQs off CPU 0, and all but those of eth1 off CPUs 8 to 15; leave eth2's alone:",
        """\
banned_cpus: 0
policies:
  - isolate_cores:
      cpus: 8-15
      except: {"eth1-*": 8-9}
  - pin_irqs:
      rules:
        - {interface: eth2, leave: true}
        - {driver: nvidia, node: local}
  - pin_nic_queues: {interfaces: ["eth0"], rfs: 32768}
  - spread_by_rate: {min_gain: 10%}""",
    ),
    (
        "Open the dashboard and the API to other hosts, and copy the history to MongoDB:",
        """\
api:
  listen: ["0.0.0.0:8443", "unix:/run/irqbal/irqbal.sock"]
  tls: {cert: /etc/irqbal/cert.pem, key: /etc/irqbal/key.pem}
history:
  mongodb: {url: "mongodb://server:27017", database: irqbal}""",
    ),
)
