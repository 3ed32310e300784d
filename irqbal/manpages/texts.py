"""What a page says besides: what neither a command nor a key can say of itself."""

from __future__ import annotations

IRQBAL = (
    "`irqbal` keeps a Linux host's interrupts on the right CPUs. Its daemon reads the kernel, lets "
    "policies propose where each IRQ "
    "should go, writes what the planner accepts, remembers what it saw and did, and lets people "
    "look, ask why, and overrule it. "
    "The other commands look, explain, try out and put back; most of them need no daemon, and only "
    "`daemon`, `apply` and `restore` "
    "change masks and settings; `measure` has tracefs count for a second, and sets that back.",
    "A host whose load does not change is left alone. Every original value is on disk before the "
    "first write, and `irqbal restore` "
    "puts it back, also after a crash. Policies run in a process of their own, without root and "
    "network.",
)
IRQBAL_COMMON = "These may stand before a command or after it; after it wins."
HELP = "Show the help: all commands, or after a command its own."
TIMES = (
    "A TIME is ISO 8601 (2026-01-31T12:00:00, UTC unless it says otherwise), YYYYMMDD-HHMMSS, or a "
    "length such as `2h` for two hours ago. "
    "A DURATION is a number and ms, s, m, h, d or y: `10s`, `5m`, `90d`. CPU sets are written "
    "`0-3,8`. An IRQ is named by its number or "
    "by its name in /proc/interrupts, such as eth0-TxRx-3."
)
IRQBAL_SIGNALS = (
    (
        "SIGHUP",
        "The daemon reads its configuration again. A good file takes over with the next cycle; a "
        "bad one changes nothing, and the "
        "log has every problem with its line.",
    ),
    (
        "SIGTERM, SIGINT",
        "The daemon ends within a second. Masks stay, or with `on_exit: restore` the originals are "
        "put back.",
    ),
)
ENDED = (("130", "interrupted with Ctrl-C"), ("141", "the reader of its output left"))
IRQBAL_FILES = (
    ("/etc/irqbal.yaml", "The configuration, see irqbal.yaml(5). Without it the defaults hold."),
    (
        "/var/lib/irqbal",
        "What outlives a restart: the history (history.sqlite), overrides, tokens, what was "
        "learnt. `state_dir` changes it.",
    ),
    (
        "/var/lib/irqbal/admin.token",
        "Root's own token for the API, made by the daemon, readable by root alone.",
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
    ("/run/irqbal/lock", "Held by the daemon: there is one a host."),
    ("/run/irqbal-simulated", "The state of a daemon with --simulate, if root runs it."),
)
IRQBAL_ENVIRONMENT = (
    (
        "XDG_STATE_HOME",
        "Whoever is not root has the state folder below this one, as irqbal and irqbal-simulated; "
        "~/.local/state unless set.",
    ),
    (
        "IRQBAL_POLICY_HOSTS",
        "Set by the systemd unit: the folder of the sockets `policies` and `observers`, through "
        "which processes for strangers' code are "
        "started. Without it the daemon starts them itself, and has them give up root.",
    ),
    ("NO_COLOR", "If it is set, nothing is coloured."),
    (
        "NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC, JOURNAL_STREAM",
        "Set by systemd: the daemon says when it is ready, what it does and that it is alive, and "
        "logs with levels.",
    ),
    ("_IRQBAL_COMPLETE", "Set by the scripts that `irqbal completion` prints."),
)
IRQBAL_EXAMPLES = (
    ("What would move now, and why? Nothing is written.", "irqbal plan"),
    ("Why is IRQ 24 where it is?", "irqbal explain 24"),
    (
        "Is the configuration good? Then let the running daemon take it over.",
        "irqbal check && systemctl reload irqbal",
    ),
    (
        "The whole daemon with its dashboard (http://127.0.0.1:8080) on a made-up host, without "
        "root:",
        "irqbal daemon --simulate 2x16x2,nodes=2,nic=16x2,traffic=skewed",
    ),
    (
        "Two configurations on the same made-up host, side by side:",
        "irqbal simulate -c one.yaml -c two.yaml --host 2x16x2 --nodes 2 --nic 16x2",
    ),
    ("Put back all that irqbal changed since boot:", "irqbal restore"),
    ("Take over what irqbalance was told:", "irqbal import-irqbalance > irqbal.yaml"),
)

CLIENT = (
    "`irqbal-client` asks a running irqbal daemon over its API, from its own host or from "
    "anywhere: what is, why, and what was; and it "
    "sets overrides, pauses the daemon and puts originals back.",
    "HOST is a name or an address, PORT its port (8080 unless configured). A Unix socket is "
    "written `unix:PATH`, with `-` as PORT. "
    "Commands may be written with dashes for underscores.",
    "Reading needs no token on the daemon's own host unless the configuration says so. Everything "
    "else does: a token is what "
    "`irqbal token add` prints, and is taken from --token-file, else from the variable "
    "IRQBAL_TOKEN. Root on the daemon's host needs none, "
    "nor do root and the group irqbal on the Unix socket.",
)
CLIENT_COMMON = (
    "All but --version and --help may stand anywhere: before HOST, after PORT, after "
    "the command; what stands last wins."
)
CLIENT_FILES = (
    ("/run/irqbal/irqbal.sock", "The daemon's Unix socket."),
    (
        "/var/lib/irqbal/admin.token",
        "Root's token, which is shown to a daemon of this host that root (or you) runs, if you may "
        "read it.",
    ),
)
CLIENT_ENVIRONMENT = (
    ("IRQBAL_TOKEN", "The token, unless --token-file names one."),
    ("NO_COLOR", "If it is set, nothing is coloured."),
    ("_IRQBAL_CLIENT_COMPLETE", "Set by the scripts that `irqbal-client completion` prints."),
)

YAML = (
    "The configuration of irqbal(8), in YAML. Every key may be left out and then has its default; "
    "an empty section means its defaults. "
    "Keys that are unknown or stand twice are refused.",
    "`irqbal check` tells all that is wrong with a file, as file:line: key: what. SIGHUP "
    "(`systemctl reload irqbal`) makes the daemon read "
    "it again: a file that is refused changes nothing. A change of `state_dir`, and the end of a "
    "dry run, need a restart.",
    "A key is written here with its section before it: `history.keep.raw` is the key `raw` in the "
    "section `keep` of the section `history`.",
)
VALUES = (
    (
        "TIME",
        "A length of time: a number and ms, s, m, h, d or y, such as `250ms`, `10s` or `30d`.",
    ),
    ("CPUS", 'A CPU set, such as `0-3,8`; empty (`""`) is none.'),
    ("SHARE", "A number and a percent sign, such as `5%`."),
    ("GLOB", 'A name with * and ? as wildcards; quote it: `"eth*"`.'),
    ("TEXT, NUMBER, true, false", "As they are. `null` switches a section off."),
    (
        "[X, ...], {K: X, ...}",
        "A list and a mapping, on one line or on lines of their own, as YAML has them.",
    ),
)
YAML_FILES = (
    ("/etc/irqbal.yaml", "Where irqbal looks for it, unless -c names another file."),
    ("/var/lib/irqbal", "The usual `state_dir`."),
)
POLICIES = (
    "`policies` is a list, each item a policy's name, with its options below it if there are any. "
    "Order matters: the first to claim an IRQ "
    "owns it, and later policies choose within what it left open. An IRQ that nobody claims is "
    "left alone, unless it crosses a limit. One "
    "policy may stand twice, with other options. Without this key the four below hold, in this "
    "order; an empty list enables none.",
    "Others can be installed with pip. `irqbal policies` prints all that are installed, with their "
    "options.",
)
OBSERVERS = (
    "`observers` is a list of the same form: plugins that are told of each cycle and place "
    "nothing. None comes with irqbal. Default: [].",
)
NOTES = {
    "state_dir": "The default is /var/lib/irqbal for root, else irqbal below $XDG_STATE_HOME "
    "(~/.local/state).",
    "api.anonymous": "Each allows what the one before it does. Root and members of the group "
    "irqbal may do everything on the Unix socket.",
    "api.tls": "Needed to listen on more than the loopback.",
}
"""Key -> what its note leaves open."""
YAML_EXAMPLES = (
    (
        "CPU 0 for no IRQ, CPUs 8 to 15 for none but those of eth1, eth2's left alone:",
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
        "The dashboard and the API for other hosts, and the history in MongoDB, too:",
        """\
api:
  listen: ["0.0.0.0:8443", "unix:/run/irqbal/irqbal.sock"]
  tls: {cert: /etc/irqbal/cert.pem, key: /etc/irqbal/key.pem}
history:
  mongodb: {url: "mongodb://server:27017", database: irqbal}""",
    ),
)
