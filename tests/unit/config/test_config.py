"""The YAML file: every key has a default, every problem its file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.config.reader import MAX_BYTES, all_problems, load, parse
from irqbal.config.schema import DEFAULT_POLICIES, Config
from irqbal.cpuset import CpuSet
from irqbal.errors import ConfigError
from irqbal.wire import Duration


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing\n", "---\n", "{}", "null", "interval:\n", "policies:\n"]
)
def test_nothing_means_the_defaults(text: str) -> None:
    config = parse(text, "f.yaml")
    assert config.interval == Duration(10)
    assert tuple(entry.name for entry in config.policies) == DEFAULT_POLICIES


def test_values() -> None:
    config = parse(
        "interval: 500ms\ndry_run: yes\nbanned_cpus: 8\nmax_moves: 3\non_exit: restore\nobservers: "
        "[watcher]\n"
        "policies:\n- spread_by_rate: {min_gain: 5%}\n- pin_irqs\n- spread_by_rate:\n",
        "f.yaml",
    )
    assert config.interval == Duration(0.5)
    assert config.banned_cpus == CpuSet.of(8)
    assert config.max_moves == 3
    assert [entry.name for entry in config.policies] == [
        "spread_by_rate",
        "pin_irqs",
        "spread_by_rate",
    ]
    assert [entry.name for entry in config.observers] == ["watcher"]
    options = config.policies[0].options
    assert isinstance(options.value, dict)
    assert options.value["min_gain"].value == "5%"
    assert options.value["min_gain"].line == 8


def test_empty_list_of_policies_is_none_at_all() -> None:
    assert parse("policies: []", "f").policies == ()


def test_scalars_are_text_whatever_yaml_would_make_of_them() -> None:
    """`on` and `0x8`, `1_000` and `012` are a bool and numbers to YAML 1.1."""
    assert parse("state_dir: on", "f").state_dir == "on"
    assert parse("state_dir: 012", "f").state_dir == "012"
    assert parse("state_dir: 2001-01-01", "f").state_dir == "2001-01-01"
    assert parse("banned_cpus: 0", "f").banned_cpus == CpuSet.of(0)


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on", "false", "0", "no", "off"])
def test_every_way_to_say_yes_and_no(word: str) -> None:
    assert parse(f"dry_run: {word}", "f").dry_run == (word.lower() in ("true", "1", "yes", "on"))


def test_unknown_key_is_told_with_file_line_and_key() -> None:
    assert _problems("interval: 5s\nintervall: 3s\n") == (
        "f.yaml:2: intervall: unknown key; did you mean interval?",
    )


def test_duplicate_key() -> None:
    assert _problems("interval: 5s\n\ninterval: 6s\n") == (
        "f.yaml:3: interval: duplicate key; keep one",
    )


def test_duplicate_key_in_a_policys_options() -> None:
    assert _problems("policies:\n- a: {x: 1, x: 2}\n") == (
        "f.yaml:2: policies[0].a.x: duplicate key; keep one",
    )


def test_all_problems_at_once_in_the_order_of_lines() -> None:
    lines = _problems(
        "max_moves: 0\ndry_run: perhaps\npolicies: 3\nwhat: 1\nobservers: [{a: 1, b: 2}]\n"
    )
    assert [line.split(":")[1] for line in lines] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("interval", ["0s", "99ms", "2h", "1d"])
def test_interval_out_of_range(interval: str) -> None:
    assert "out of range: 100ms to 1h" in _problems(f"interval: {interval}")[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not YAML"),
        ("a: b: c", "not YAML"),
        ("\t- x", "not YAML"),
        ("a: !!python/object:os.system x", ""),
        ("- a\n- b", "expected keys and values at the top"),
        ("x", "expected keys and values at the top"),
        ("&a [*a]", "expected keys|too deeply"),
        ("? [a]\n: b", "a key must be a word"),
        ("a: *b", "not YAML"),
        ("policies: [[]]", "expected one policy's name"),
        ("policies: ['']", "expected one policy's name"),
        ("policies: [{}]", "expected one policy's name"),
        ("{[" * 2000, "too deeply"),
        ("a: \x00", "not YAML"),
        ("--- a\n--- b\n", "not YAML"),
    ],
)
def test_text_that_is_refused(text: str, said: str) -> None:
    import re

    assert re.search(said, "\n".join(_problems(text)))


def test_depth_is_bounded_long_before_python_is() -> None:
    assert parse(f"policies: [{{x: {'[' * 20}{']' * 20}}}]", "f").policies[0].name == "x"
    assert "too deeply" in _problems(f"policies: [{{x: {'[' * 40}{']' * 40}}}]")[0]


def test_alias_that_contains_itself() -> None:
    assert "too deeply" in _problems("policies: &a\n- x: *a\n")[0]


def test_aliases_that_multiply_are_counted() -> None:
    """A billion laughs: small text, huge tree."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "more than" in _problems("\n".join(lines))[0]


def test_merge_key_is_no_key_of_ours() -> None:
    assert "<<" in _problems("policies: [a]\n<<: {interval: 1s}\n")[0]


def test_load_says_what_it_cannot_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(missing)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("state_dir: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(latin)
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load(big)
    good = tmp_path / "good.yaml"
    good.write_text("interval: 1s\n")
    assert load(good).interval == Duration(1)


def test_problem_of_a_value_on_the_line_below_its_key() -> None:
    assert _problems("interval:\n  soon\n")[0].startswith("f.yaml:1: interval: ")


def test_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Config().dry_run = True  # type: ignore[misc]


def test_what_can_be_read_of_a_wrong_text_comes_with_its_problems() -> None:
    text = (
        "dry_rnu: yes\ninterval: 0s\nhistory: {every: banana}\n"
        "policies: [pin_irqs, {a: {}, b: {}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yaml")
    first = [problem.split(":")[1] for problem in caught.value.problems]
    assert first == ["1", "2", "3", "4"], caught.value.problems
    readable = caught.value.readable
    assert isinstance(readable, Config)
    assert [policy.name for policy in readable.policies] == ["pin_irqs"]
    other = ConfigError(["x.yaml:2: other: wrong", "x.yaml:9: last: wrong"])
    lines = [problem.split(":")[1] for problem in all_problems(caught.value, other)]
    assert lines == ["1", "2", "2", "3", "4", "9"]
