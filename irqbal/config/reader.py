"""The YAML file -> a frozen Config. Every key has a default; every problem is told at once, with
file, line and key.

Policies' options stay trees with line numbers (`located.Node`): only the policy host knows their
types, since only it imports policies.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.cpuset import CpuSet
from irqbal.errors import ConfigError
from irqbal.problems import LocatedProblem, Node, decode
from irqbal.wire import Duration

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 100_000


class KeepOptions(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"five_minutes": "5m", "hour": "1h"},
):
    """How long the history is kept."""

    raw: Annotated[Duration, Meta(description="samples as they were taken")] = Duration(48 * 3600)
    five_minutes: Annotated[Duration, Meta(description="sums over 5 minutes")] = Duration(
        30 * 86400
    )
    hour: Annotated[Duration, Meta(description="sums over an hour, and decisions")] = Duration(
        2 * 365 * 86400
    )


class HistoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The history."""

    every: Annotated[Duration, Meta(description="time between two samples; 100 ms to 1 h")] = (
        Duration(60)
    )
    keep: Annotated[KeepOptions, Meta(description="how long it is kept")] = KeepOptions()
    mongodb: Annotated[
        MongodbOptions | None, Meta(description="where it is shipped to besides; null: nowhere")
    ] = None

    def __post_init__(self) -> None:
        if not 0.1 <= self.every <= 3600:
            raise ValueError(f"every is {self.every}; it must be 100ms to 1h")


class TlsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS of the API's TCP addresses."""

    cert: Annotated[str, Meta(description="file with the certificate and its chain, PEM")]
    key: Annotated[str, Meta(description="file with the private key, PEM")]


Anonymous = Literal["none", "read", "override", "admin"]


class ApiOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The API, the dashboard and the metrics."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            description="addresses: HOST:PORT, [IPv6]:PORT or unix:PATH; a daemon that balances "
            "always has its own socket besides, which "
            "with --root lies below state_dir"
        ),
    ] = ("127.0.0.1:8080", "unix:/run/irqbal/irqbal.sock")
    tls: Annotated[
        TlsOptions | None,
        Meta(description="certificate and key for the TCP addresses; null: plain HTTP"),
    ] = None
    anonymous: Annotated[
        Anonymous,
        Meta(description="what is allowed without a token on loopback and the Unix socket"),
    ] = "read"
    anonymous_remote: Annotated[
        Anonymous, Meta(description="what is allowed without a token from other addresses")
    ] = "none"
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="names of this host that requests may use, besides its addresses"),
    ] = ()
    irq_manager_writes: Annotated[
        Literal["token", "loopback"],
        Meta(
            description="whether irq_manager's client, which knows no token, may set masks from "
            "loopback"
        ),
    ] = "token"
    insecure: Annotated[
        bool, Meta(description="start although others could read along or write without a token")
    ] = False

    def __post_init__(self) -> None:
        addresses = [address_of(text) for text in self.listen]
        if self.insecure:
            return
        if {self.anonymous, self.anonymous_remote} & {"override", "admin"}:
            raise ValueError(
                "writing without a token is not safe: use `anonymous: read`, or say `insecure: "
                "true`"
            )
        remote = [
            text
            for text, found in zip(self.listen, addresses, strict=True)
            if found is not None and not _loopback(found[0])
        ]
        if remote and self.tls is None:
            raise ValueError(
                f"{remote[0]} is reached from other hosts, and without `tls` tokens could be read "
                "along: "
                "set `tls`, listen on 127.0.0.1, or say `insecure: true`"
            )


def address_of(text: str) -> tuple[str, int] | None:
    """(host, port) of `HOST:PORT` or `[IPv6]:PORT`, None of `unix:PATH`. Raises ValueError with a
    sentence.
    """
    if text.startswith("unix:"):
        if not text.removeprefix("unix:").startswith("/") or len(text.encode()) > 107:
            raise ValueError(
                f"{text!r}: a socket's path must be absolute and at most 102 bytes long"
            )
        return None
    host, colon, port = text.rpartition(":")
    host = (
        host[1:-1]
        if host.startswith("[") and host.endswith("]")
        else host
        if ":" not in host
        else ""
    )
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(
            f"{text!r} is no address: write HOST:PORT, [IPv6]:PORT or unix:PATH, such as "
            "127.0.0.1:8080"
        )
    return host, int(port)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


class ConfiguredPolicy(msgspec.Struct, frozen=True):
    """One item of `policies` or `observers`: a name and its options as written."""

    name: str
    options: Node


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file may hold, but for policies and observers."""

    interval: Annotated[Duration, Meta(description="time between two cycles; 100 ms to 1 h")] = (
        Duration(10)
    )
    dry_run: Annotated[bool, Meta(description="plan and report, but write nothing")] = False
    state_dir: Annotated[
        str,
        Meta(description="folder for what must survive a restart; not root: under $XDG_STATE_HOME"),
    ] = ""
    on_exit: Annotated[
        Literal["keep", "restore"],
        Meta(description="at the end, leave the masks, or put the originals back"),
    ] = "keep"
    on_drift: Annotated[
        Literal["reassert", "respect"],
        Meta(description="when somebody else changes a mask: put it back, or leave it"),
    ] = "reassert"
    banned_cpus: Annotated[CpuSet, Meta(description="CPUs that no IRQ may use")] = CpuSet()
    cost: Annotated[
        Literal["learnt", "measured"],
        Meta(
            description="what an interrupt costs: learnt from CPU times; or measured as well, a "
            "second every 10 minutes, by tracefs"
        ),
    ] = "learnt"
    max_moves: Annotated[
        int,
        Meta(
            ge=1,
            description="moves a cycle, once settled; overrides, limits, new generations and the "
            "first three "
            "cycles after a start or a hotplug are exempt",
        ),
    ] = 64
    history: Annotated[HistoryOptions, Meta(description="what is recorded, and for how long")] = (
        HistoryOptions()
    )
    api: Annotated[
        ApiOptions, Meta(description="who can ask and overrule the daemon, and where")
    ] = ApiOptions()


class Config(_File, frozen=True, forbid_unknown_fields=True):
    """The whole configuration, frozen."""

    policies: tuple[ConfiguredPolicy, ...] = ()
    observers: tuple[ConfiguredPolicy, ...] = ()


DEFAULT_POLICIES = ("isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate")


def load(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError with every problem."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(
                [f"{path}: is larger than 1 MiB: this cannot be irqbal's configuration"]
            )
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Check a configuration's text; `name` stands for the file in messages. Raises ConfigError with
    every problem.
    """
    problems: list[LocatedProblem] = []
    tree = _tree(text, name, problems)
    if tree.value is None:
        tree = Node(1, {})
    config = None
    if not isinstance(tree.value, dict):
        problems.append(
            LocatedProblem(
                tree.line, "", "expected keys and values at the top, such as `interval: 10s`"
            )
        )
    else:
        config = _config(tree.value, tree.line, problems)
    if problems or config is None:
        raise ConfigError(
            [format_problem(name, problem) for problem in sorted(problems, key=lambda p: p.line)]
        )
    return config


def _config(keys: dict[str, Node], line: int, problems: list[LocatedProblem]) -> Config | None:
    rest = {key: node for key, node in keys.items() if key not in ("policies", "observers")}
    file = decode(Node(line, rest), _File, "", problems)
    if "policies" in keys and keys["policies"].value is not None:
        policies = _entries(keys["policies"], "policies", problems)
    else:
        policies = tuple(ConfiguredPolicy(policy, Node(line, {})) for policy in DEFAULT_POLICIES)
    observers = _entries(keys["observers"], "observers", problems) if "observers" in keys else ()
    if file is None:
        return None
    if not 0.1 <= file.interval <= 3600:
        where = keys["interval"].line if "interval" in keys else line
        problems.append(
            LocatedProblem(where, "interval", f"{file.interval} is out of range: 100ms to 1h")
        )
    values: dict[str, Any] = {field: getattr(file, field) for field in file.__struct_fields__}
    return Config(**values, policies=policies, observers=observers)


def format_problem(name: str, problem: LocatedProblem) -> str:
    """`file:line: key: what is wrong`."""
    key = f"{problem.key}: " if problem.key else ""
    return f"{name}:{problem.line}: {key}{problem.text}"


def _entries(node: Node, key: str, problems: list[LocatedProblem]) -> tuple[ConfiguredPolicy, ...]:
    if node.value is None:
        return ()
    if not isinstance(node.value, list):
        text = "expected a list, one policy an item: `- spread_by_rate: {min_gain: 5%}`"
        problems.append(LocatedProblem(node.line, key, text))
        return ()
    entries = []
    for index, item in enumerate(node.value):
        where = f"{key}[{index}]"
        if isinstance(item.value, str) and item.value:
            entries.append(ConfiguredPolicy(item.value, Node(item.line, {})))
        elif isinstance(item.value, dict) and len(item.value) == 1:
            ((name, options),) = item.value.items()
            entries.append(ConfiguredPolicy(name, options))
        else:
            problems.append(
                LocatedProblem(
                    item.line, where, "expected one policy's name, with its options below it"
                )
            )
    return tuple(entries)


def _tree(text: str, name: str, problems: list[LocatedProblem]) -> Node:
    """YAML text as a tree of text scalars. Syntax errors are ConfigErrors at once: nothing after
    them can be trusted.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Node(1, None) if root is None else _Reader(problems).node(root, "", 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError([f"{name}:{line}: not YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, ValueError) as error:
        said = str(error).replace("\n", " ")
        raise ConfigError([f"{name}:1: not YAML: {said}"]) from error
    except RecursionError:
        raise ConfigError([f"{name}:1: not YAML that irqbal reads: nested too deeply"]) from None


def _whole(text: str, line: int) -> str:
    """The text of a scalar. Raises ValueError if escapes in it stand for half of a character: it
    could not be shown to anybody.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"line {line} has an escape that is half of a character; write the character itself, "
            "or \\U0001F600"
        ) from None
    return text


class _Reader:
    """yaml nodes -> our nodes. Aliases are written out, so what they multiply is counted."""

    def __init__(self, problems: list[LocatedProblem]) -> None:
        self._problems = problems
        self._count = 0

    def node(self, node: yaml.Node, key: str, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply, or an alias that contains itself")
        if self._count > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} values")
        if isinstance(node, yaml.ScalarNode):
            empty = node.style is None and node.value in ("", "~", "null", "Null", "NULL")
            return Node(line, None if empty else _whole(node.value, line))
        if isinstance(node, yaml.SequenceNode):
            return Node(
                line,
                [self.node(child, f"{key}[{i}]", depth + 1) for i, child in enumerate(node.value)],
            )
        return Node(line, self._mapping(node, key, depth))

    def _mapping(self, node: yaml.Node, key: str, depth: int) -> dict[str, Node]:
        values: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.append(LocatedProblem(line, key, "a key must be a word"))
                continue
            name = _whole(key_node.value, line)
            path = f"{key}.{name}" if key else name
            if name in values:
                self._problems.append(LocatedProblem(line, path, "stands twice; keep one"))
                continue
            value = self.node(value_node, path, depth + 1)
            # An empty value's own mark may be on the next line.
            values[name] = (
                value if isinstance(value.value, dict | list) else Node(line, value.value)
            )
        return values
