"""A YAML file -> a `Config`. Reports every problem at once, each with file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import yaml

from irqbal.config.schema import (
    DEFAULT_POLICIES,
    INTERVAL_RANGE,
    MAX_INTERVAL,
    MIN_INTERVAL,
    Config,
    ConfigKeys,
    ConfiguredPolicy,
)
from irqbal.errors import ConfigError
from irqbal.problems import LocatedProblem, Node, decode
from irqbal.wire import Duration

MAX_BYTES = 1 << 20
"""Most bytes of a configuration file: some hundred times the longest one that is of use."""
MAX_DEPTH = 32
"""Most levels of nesting; the schema needs fewer than ten."""
MAX_NODES = 100_000
"""Most values after aliases are expanded: bounds the memory that a small file can demand."""

_LISTS = ("policies", "observers")
"""The keys whose options are typed by plugins, not by the schema."""

DEFAULT_CONFIG = Path("/etc/irqbal.yaml")
"""Used if it exists and no other file is named."""


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError with every problem."""
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
    keys = {} if tree.value is None else tree.value
    config = None
    if isinstance(keys, dict):
        config = _config(keys, tree.line, problems)
    else:
        problems.append(
            LocatedProblem(
                tree.line, "", "expected keys and values at the top, such as `interval: 10s`"
            )
        )
    if problems or config is None:
        found = [
            format_problem(name, problem) for problem in sorted(problems, key=lambda p: p.line)
        ]
        raise ConfigError(found, _policies_alone(keys) if isinstance(keys, dict) else None)
    return config


def _policies_alone(keys: dict[str, Node]) -> Config:
    """The policies and observers that can be read, with defaults for all else."""
    ignored: list[LocatedProblem] = []
    policies = _entries(keys["policies"], "policies", ignored) if "policies" in keys else ()
    observers = _entries(keys["observers"], "observers", ignored) if "observers" in keys else ()
    return Config(policies=policies, observers=observers)


def all_problems(first: ConfigError, second: ConfigError) -> list[str]:
    """The problems of both, by line."""

    def line(problem: str) -> int:
        found = re.search(r":(\d+):", problem)
        return int(found[1]) if found else 0

    return sorted(dict.fromkeys((*first.problems, *second.problems)), key=line)


def format_problem(name: str, problem: LocatedProblem) -> str:
    """`file:line: key: what is wrong`."""
    key = f"{problem.key}: " if problem.key else ""
    return f"{name}:{problem.line}: {key}{problem.text}"


def _config(keys: dict[str, Node], line: int, problems: list[LocatedProblem]) -> Config | None:
    """`keys` are the top-level ones, `line` is the document's first. None after a problem."""
    typed = {key: node for key, node in keys.items() if key not in _LISTS}
    values = decode(Node(line, typed), ConfigKeys, "", problems)
    if "policies" in keys and keys["policies"].value is not None:
        policies = _entries(keys["policies"], "policies", problems)
    else:
        policies = tuple(ConfiguredPolicy(policy, Node(line, {})) for policy in DEFAULT_POLICIES)
    observers = _entries(keys["observers"], "observers", problems) if "observers" in keys else ()
    interval = values
    if values is None and "interval" in keys:
        interval = decode(Node(line, {"interval": keys["interval"]}), ConfigKeys, "", [])
    if interval is not None:
        _check_interval(interval.interval, keys, line, problems)
    if values is None:
        return None
    return Config(**msgspec.structs.asdict(values), policies=policies, observers=observers)


def _check_interval(
    interval: Duration, keys: dict[str, Node], line: int, problems: list[LocatedProblem]
) -> None:
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        where = keys["interval"].line if "interval" in keys else line
        problems.append(
            LocatedProblem(
                where,
                "interval",
                f"{interval} is out of range: {INTERVAL_RANGE}",
            )
        )


def _entries(node: Node, key: str, problems: list[LocatedProblem]) -> tuple[ConfiguredPolicy, ...]:
    """The items of `policies` or `observers`: `NAME` or `NAME: {options}`."""
    if node.value is None:
        return ()
    if not isinstance(node.value, list):
        text = "expected a list, one policy an item: `- spread_by_rate: {min_gain: 5%}`"
        problems.append(LocatedProblem(node.line, key, text))
        return ()
    entries = []
    for index, item in enumerate(node.value):
        if isinstance(item.value, str) and item.value:
            entries.append(ConfiguredPolicy(item.value, Node(item.line, {})))
        elif isinstance(item.value, dict) and len(item.value) == 1:
            ((name, options),) = item.value.items()
            entries.append(ConfiguredPolicy(name, options))
        else:
            problems.append(
                LocatedProblem(
                    item.line,
                    f"{key}[{index}]",
                    "expected one policy's name, with its options below it",
                )
            )
    return tuple(entries)


def _tree(text: str, name: str, problems: list[LocatedProblem]) -> Node:
    """YAML text -> a tree whose scalars are all text.

    Raises ConfigError at a syntax error: nothing after it can be interpreted. Other problems are
    added to `problems`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Node(1, None) if root is None else _TreeBuilder(problems).node(root, "", 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError([f"{name}:{line}: not YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).replace("\n", " ")
        raise ConfigError([f"{name}:1: not YAML: {reason}"]) from error
    except RecursionError:
        raise ConfigError([f"{name}:1: not YAML that irqbal reads: nested too deeply"]) from None


def _encodable(text: str, line: int) -> str:
    """The text of a scalar. Raises ValueError if it has a lone surrogate (an escape such as
    `\\ud83d`): no terminal, file or client could be given it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"line {line} has an escape that is half of a character; write the character itself, "
            "or \\U0001F600"
        ) from None
    return text


class _TreeBuilder:
    """PyYAML's nodes -> `Node`s. Aliases are expanded; every copy counts towards MAX_NODES."""

    def __init__(self, problems: list[LocatedProblem]) -> None:
        self._problems = problems
        self._count = 0

    def node(self, node: yaml.Node, key: str, depth: int) -> Node:
        """`key` is the path of keys to this node. Raises ValueError beyond MAX_DEPTH or
        MAX_NODES.
        """
        line = node.start_mark.line + 1
        self._count += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply, or an alias that contains itself")
        if self._count > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} values")
        if isinstance(node, yaml.ScalarNode):
            empty = node.style is None and node.value in ("", "~", "null", "Null", "NULL")
            return Node(line, None if empty else _encodable(node.value, line))
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
            name = _encodable(key_node.value, line)
            path = f"{key}.{name}" if key else name
            if name in values:
                self._problems.append(LocatedProblem(line, path, "duplicate key; keep one"))
                continue
            value = self.node(value_node, path, depth + 1)
            # A scalar is reported at its key: an empty value's own mark may be on the next line.
            values[name] = (
                value if isinstance(value.value, dict | list) else Node(line, value.value)
            )
        return values
