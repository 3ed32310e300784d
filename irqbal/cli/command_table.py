"""The commands of `irqbal`: in which section of the help each stands, its line there, its examples,
and its module below irqbal.cli (with `:NAME` unless its object is named `command`).

The table is read without importing a command's module: help and Tab must not wait for them all.
"""

from __future__ import annotations

from irqbal.client.cli.command_help import CommandInfo, Sections

SPEC = "2x16x2,nodes=2,nic=16x2,traffic=skewed"
"""The simulated host of the examples."""

SECTIONS: Sections = {
    "Run": {
        "daemon": CommandInfo(
            about="Run the daemon, which balances until it is stopped.",
            examples=(
                "irqbal daemon",
                "irqbal daemon --dry-run --debug",
                f"irqbal daemon --simulate {SPEC}",
            ),
            module="daemon",
        ),
        "poll": CommandInfo(
            about="Observe and record, without ever writing to the kernel.",
            examples=("irqbal poll", "irqbal poll 10"),
            module="poll",
        ),
        "serve": CommandInfo(
            about="Run a central server for many hosts' history.",
            examples=(
                "irqbal serve --store mongodb://db.example/irqbal 127.0.0.1 8081",
                "irqbal serve --store /var/tmp/history.sqlite 127.0.0.1 8081",
            ),
            module="serve",
        ),
    },
    "Look": {
        "topology": CommandInfo(
            about="Show NUMA nodes, CPUs, devices, queues and IRQs.",
            examples=("irqbal topology", "irqbal topology --json"),
            module="topology",
        ),
        "verify": CommandInfo(
            about="Say what is wrong or could be faster, with advice.",
            examples=(
                "irqbal verify",
                "irqbal verify --json --seconds 5",
                "irqbal verify --isolation",
                "irqbal verify --isolation 60 --allow LOC=60 --allow all=0",
            ),
            module="verify",
        ),
        "explain": CommandInfo(
            about="Explain why an IRQ is where it is.",
            examples=(
                "irqbal explain 24",
                "irqbal explain eth0-TxRx-3 --now",
                "irqbal explain eth0/rx-3 --json",
            ),
            module="explain",
        ),
        "history": CommandInfo(
            about="Show interrupts over time, of an IRQ, a device or all.",
            examples=(
                "irqbal history 24",
                "irqbal history eth0 --start 2h --step 1m",
                "irqbal history all --csv",
            ),
            module="history:history",
        ),
        "decisions": CommandInfo(
            about="List what was decided, when, by whom, and why.",
            examples=("irqbal decisions", "irqbal decisions 24 --start 7d --json"),
            module="history:decisions",
        ),
        "measure": CommandInfo(
            about="Measure what handlers and softirqs take, by tracefs.",
            examples=("irqbal measure", "irqbal measure --seconds 5"),
            module="measure",
        ),
    },
    "Try": {
        "plan": CommandInfo(
            about="Show what would move now, without writing it.",
            examples=("irqbal plan", "irqbal plan --seconds 5 -c new.yaml"),
            module="plan",
        ),
        "trial": CommandInfo(
            about="Find out whether irqbal is better here, by statistics.",
            examples=(
                "irqbal trial",
                "irqbal trial --against irqbalance --windows 60",
                "irqbal trial --against other.yaml --measure './latency.sh'",
            ),
            module="trial",
        ),
        "simulate": CommandInfo(
            about="Try configurations on a simulated or recorded host.",
            examples=(
                "irqbal simulate --host 2x16x2 --nodes 2 --nic 16x2 --traffic skewed",
                "irqbal simulate -c one.yaml -c two.yaml --busy 30%",
                "irqbal simulate --history --start 7d",
            ),
            module="simulate",
        ),
    },
    "Change": {
        "apply": CommandInfo(
            about="Run one cycle: plan, save the original values, write.",
            examples=("irqbal apply", "irqbal apply --seconds 5"),
            module="apply",
        ),
        "restore": CommandInfo(
            about="Put back all that irqbal changed since boot.",
            examples=("irqbal restore",),
            module="restore",
        ),
    },
    "Record": {
        "export": CommandInfo(
            about="Write the stored history to a file: JSON or CSV.",
            examples=(
                "irqbal export samples.csv",
                "irqbal export --what decisions --start 7d decisions.jsonl.gz",
                "irqbal export --format csv -",
            ),
            module="export",
        ),
        "capture": CommandInfo(
            about="Write the kernel files that irqbal reads, for a report.",
            examples=("irqbal capture host.tar.gz",),
            module="capture",
        ),
    },
    "Set up": {
        "check": CommandInfo(
            about="Check the configuration, and its policies' options.",
            examples=("irqbal check", "irqbal check -c new.yaml"),
            module="check",
        ),
        "policies": CommandInfo(
            about="List the installed policies and their options.",
            examples=("irqbal policies", "irqbal policies --doctor", "irqbal policies --json"),
            module="policies",
        ),
        "policy": CommandInfo(
            about="Start a policy of your own.",
            examples=("irqbal policy new irqbal-mine",),
            below={
                "new": CommandInfo(
                    about="Create the project of a new policy.",
                    examples=("irqbal policy new irqbal-mine",),
                )
            },
            module="policy",
        ),
        "token": CommandInfo(
            about="Add, list and revoke tokens for the API.",
            examples=("irqbal token add grafana", "irqbal token list"),
            below={
                "add": CommandInfo(
                    about="Print a new token, once.",
                    examples=(
                        "irqbal token add grafana",
                        "irqbal token add operator --scope override --expires 90d",
                    ),
                ),
                "list": CommandInfo(
                    about="List all tokens with their scopes and ends.",
                    examples=("irqbal token list",),
                ),
                "revoke": CommandInfo(
                    about="End a token.", examples=("irqbal token revoke grafana",)
                ),
            },
            module="token",
        ),
        "switch": CommandInfo(
            about="Change from irqbalance to irqbal, with a way back.",
            examples=(
                "irqbal switch",
                "irqbal switch --watch 10m --yes",
                "irqbal switch --keep",
                "irqbal switch --back",
            ),
            module="switch",
        ),
        "import-irqbalance": CommandInfo(
            about="Convert irqbalance's configuration to irqbal's.",
            examples=(
                "irqbal import-irqbalance > irqbal.yaml",
                "irqbal import-irqbalance /etc/default/irqbalance",
            ),
            module="import_irqbalance",
        ),
        "completion": CommandInfo(
            about="Print a script for shell completion.",
            examples=("irqbal completion bash > /etc/bash_completion.d/irqbal",),
            module="completion",
        ),
    },
}
