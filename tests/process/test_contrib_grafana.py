"""Grafana's dashboard and Prometheus' alerts: a real Prometheus scrapes a real daemon, and answers
what they ask.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import machine
from installed import InstalledSite
from irqbal.central.fleet import FAMILIES
from places import TOP
from served import free_port, serve

GRAFANA = TOP / "contrib/grafana"
BOARD: dict[str, Any] = json.loads((GRAFANA / "irqbal.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((TOP / "contrib/prometheus/irqbal.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
CRASH = """
@hookimpl
def irqbal_place(snapshot):
    raise RuntimeError("broken on purpose")
"""
CONFIG = """
interval: 300ms
history: {every: 1s}
policies:
  - broken
  - pin_irqs: {rules: [{irq: "nvme0q*", cpus: "0"}]}
  - pin_nic_queues
  - spread_by_rate
"""


class Prometheus:
    """A running one."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **words: str) -> Any:
        """The data of an answer; an expression that is not one raises."""
        with urllib.request.urlopen(
            f"{self._url}/{path}?{urllib.parse.urlencode(words)}", timeout=60
        ) as answer:
            return json.load(answer)["data"]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def labels(self) -> dict[str, set[str]]:
        """The labels of each metric, by its name."""
        found: dict[str, set[str]] = {}
        for series in self.get("series", **{"match[]": '{job="irqbal"}'}):
            found.setdefault(series["__name__"], set()).update(set(series) - {"__name__"})
        return found


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus over a daemon that moved, was refused, and has a policy that fails."""
    folder = tmp_path_factory.mktemp("prometheus")
    site = InstalledSite(folder / "site").install("broken", CRASH)
    with serve(rest=CONFIG, command=(str(site.python), "-m", "irqbal")) as served:
        config = folder / "prometheus.yml"
        targets = [{"targets": [f"127.0.0.1:{served.port}"]}]
        job = {
            "job_name": "irqbal",
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
            "static_configs": targets,
        }
        config.write_text(
            json.dumps(
                {
                    "scrape_configs": [job],
                    "rule_files": [str(TOP / "contrib/prometheus/irqbal.rules.yml")],
                }
            )
        )
        port = free_port()
        words = [
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(["prometheus", *words], stdout=out, stderr=out)
        found = Prometheus(port)

        def scraped() -> bool:
            with contextlib.suppress(OSError):
                # A rate needs two scrapes of the same series.
                return any(
                    float(item["value"][1]) >= 3
                    for item in found.ask("count_over_time(irqbal_policy_failures_total[1m])")
                )
            return False

        try:
            machine.wait_for(scraped, log)
            yield found
        finally:
            process.terminate()
            process.wait(90)


def filled_in(expression: str) -> str:
    """As Grafana sends it, with all hosts chosen."""
    return expression.replace("$__rate_interval", "1m").replace("$host", ".+")


def expressions() -> dict[str, str]:
    """Every expression of the dashboard, by panel and letter."""
    found = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    }
    assert len(found) == sum(len(panel["targets"]) for panel in PANELS) >= 20
    more = {item["name"]: item["expr"] for item in BOARD["annotations"]["list"] if "expr" in item}
    return {name: filled_in(text) for name, text in {**found, **more}.items()}


WORD = re.compile(r"[a-zA-Z_]\w*")
LABELS = re.compile(r"\{([^}]*)\}|\b(?:by|without|on|ignoring|group_left|group_right) *\(([^)]*)\)")


def named(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that an expression names."""
    bare = re.sub(r'"[^"]*"', "", expression)
    labels = {
        word for match in LABELS.findall(bare) for part in match for word in WORD.findall(part)
    }
    return {word for word in WORD.findall(bare) if word.startswith("irqbal_")}, labels


def test_every_panel_has_an_answer(prometheus: Prometheus) -> None:
    for name, expression in expressions().items():
        assert prometheus.ask(expression), (name, expression)


def test_every_metric_and_label_that_is_asked_for_is_shown(prometheus: Prometheus) -> None:
    # A central server's own, which this daemon is none of; that it shows them is tested with it.
    central = {name: {"instance", "job"} for name in FAMILIES}
    known = prometheus.labels() | central
    asked = {**expressions(), **{rule["alert"]: rule["expr"] for rule in RULES}}
    for name, expression in asked.items():
        metrics, labels = named(expression)
        assert metrics <= set(known), (name, metrics - set(known))
        have = (
            set().union(*(known[metric] for metric in metrics)) if metrics else {"instance", "job"}
        )
        assert labels <= have, (name, labels - have)
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", metric)
        for metric in known
        if metric.startswith("irqbal_")
    } - set(central)
    used = {
        re.sub(r"_(bucket|count|sum)$", "", metric)
        for text in asked.values()
        for metric in named(text)[0]
    } - set(central)
    assert used == shown, "every metric is of use to somebody"


def test_legends_and_titles_name_labels_that_the_answers_have(prometheus: Prometheus) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for series in prometheus.ask(filled_in(target["expr"])):
                assert wanted <= set(series["metric"]), (panel["title"], series["metric"])


def test_the_alerts_are_taken_and_none_is_raised_at_a_start(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in RULES}
    assert not [rule["name"] for rule in rules if rule["state"] == "firing"]


def test_every_alert_has_a_story_in_which_it_is_raised() -> None:
    stories = yaml.safe_load((TOP / "contrib/prometheus/irqbal.test.yml").read_text())["tests"]
    checks = [check for story in stories for check in story["alert_rule_test"]]
    raised = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}
    names = {rule["alert"] for rule in RULES}
    assert raised == names and silent == names, "and one in which it is not"


def test_the_host_variable_finds_the_hosts(prometheus: Prometheus) -> None:
    variables = {item["name"]: item for item in BOARD["templating"]["list"]}
    assert (
        set(variables) == {"datasource", "host"}
        and variables["host"]["multi"]
        and variables["host"]["includeAll"]
    )
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["host"]["query"]["query"])
    assert found is not None
    metric, label = found.groups()
    assert [series["metric"][label] for series in prometheus.ask(metric)]
    for name, expression in expressions().items():
        metrics, _ = named(expression)
        assert expression.count('instance=~".+"') >= len(metrics), (
            f"{name} is not of the chosen hosts alone"
        )


def test_the_dashboard_can_be_provisioned() -> None:
    assert BOARD["uid"] == "irqbal" and BOARD["id"] is None and BOARD["schemaVersion"] >= 36
    assert "__inputs" not in BOARD, "that is for imports by hand"
    everything = BOARD["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in everything}) == len(everything)
    cells: dict[tuple[int, int], str] = {}
    for panel in everything:
        at = panel["gridPos"]
        assert at["w"] > 0 and at["h"] > 0 and 0 <= at["x"] <= 24 - at["w"], panel["title"]
        for cell in (
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ):
            assert cell not in cells, f"{panel['title']} lies on {cells[cell]}"
            cells[cell] = panel["title"]
    variable = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == variable and all(
            target["datasource"] == variable for target in panel["targets"]
        )
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) and panel["fieldConfig"]["defaults"]["unit"]


def test_what_provisions_it_points_where_the_readme_puts_it() -> None:
    text = (GRAFANA / "README.md").read_text()
    dashboards = yaml.safe_load((GRAFANA / "provisioning/dashboards/irqbal.yaml").read_text())
    assert dashboards["apiVersion"] == 1
    (provider,) = dashboards["providers"]
    assert (
        provider["type"] == "file"
        and f"{provider['options']['path']} contrib/grafana/irqbal.json" in text
    )
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/irqbal.yaml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    for path in re.findall(r"contrib/grafana/\S+", text):
        assert (TOP / path).is_file()
