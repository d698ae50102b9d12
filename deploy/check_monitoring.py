"""Checks the alerts in deploy/prometheus and the dashboard in deploy/grafana: that Prometheus accepts them, that each alert
has tests and a section of the manual, and that the panels are well placed and query metrics that exist.

    python3 deploy/check_monitoring.py

Needs promtool (Debian: `apt-get install prometheus`) and PyYAML (Debian: `python3-yaml`). Takes a few seconds.
"""

import itertools
import json
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROMETHEUS = ROOT / "deploy/prometheus"

# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*"}


def promtool(*arguments):
    subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, check=True)


def load(name):
    return yaml.safe_load((PROMETHEUS / name).read_text())


def alerts_are_tested_and_explained():
    rules = [rule for group in load("doorward.rules.yml")["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule]
    tests = [test for group in load("doorward.test.yml")["tests"] for test in group["alert_rule_test"]]
    manual = (ROOT / "docs/ALERTS.md").read_text()
    for alert in alerts:
        name = alert["alert"]
        fires = {bool(test["exp_alerts"]) for test in tests if test["alertname"] == name}
        assert fires == {True, False}, f"{name}: a test in which it fires, or one in which it does not, is missing"
        assert f"\n### {name}\n" in manual, f"docs/ALERTS.md has no section {name}"
        assert alert["annotations"]["runbook_url"] == f"docs/ALERTS.md#{name.lower()}", name
        assert alert["annotations"]["summary"] and alert["labels"]["severity"] in ("page", "ticket"), name
    known = {alert["alert"] for alert in alerts}
    dashboard = (ROOT / "deploy/grafana/doorward.json").read_text()
    for text in (manual, dashboard):
        unknown = set(re.findall(r"\bDoorward[A-Z]\w+", text)) - known
        assert not unknown, f"there are no such alerts: {unknown}"
    return [rule["expr"] for rule in rules]


def panels_are_well_placed(panels):
    assert len({panel["id"] for panel in panels}) == len(panels), "two panels have the same id"
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert panel["type"] == "row" or panel["description"], panel["title"]
    for one, other in itertools.combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one['title']} and {other['title']} overlap"


def queries_are_accepted(queries):
    """By promtool, as rules: so no Prometheus has to run."""
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        promtool("check", "rules", file.name)


def metrics_are_listed(queries):
    """In docs/METRICS.md. A test of the program compares that page with what the server serves."""
    listed = (ROOT / "docs/METRICS.md").read_text()
    for name in set(re.findall(r"\b(?:doorward|process)_\w+", " ".join(queries))):
        metric = re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", name)
        assert metric in listed, f"docs/METRICS.md does not list {metric}"


def main():
    promtool("check", "rules", "doorward.rules.yml")
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "doorward.test.yml")
    rules = alerts_are_tested_and_explained()
    dashboard = json.loads((ROOT / "deploy/grafana/doorward.json").read_text())
    panels_are_well_placed(dashboard["panels"])
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for variable, value in VARIABLES.items():
        queries = [query.replace(variable, value) for query in queries]
    assert len(queries) > 50, "the queries were not found"
    queries_are_accepted(queries)
    metrics_are_listed(rules + queries)
    print(f"{len(queries)} queries of {len(dashboard['panels'])} panels and {len(rules)} rules are good")


if __name__ == "__main__":
    main()
