"""Alerts are rules that Prometheus takes, that fire when their fault is made, and that say what to do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from suite.observability.alerts import ALERTS, RUNBOOK
from suite.tests.compose_file import ROOT

PROMETHEUS = ROOT / "deploy/observability/prometheus"
EXPECTED = {
    "BatchOverdue",
    "OutboxStuck",
    "ConsumerStuck",
    "DeadLetters",
    "BreakerOpen",
    "BudgetRate",
    "InvalidAnswers",
    "PositionEffect",
    "ModelRetiring",
    "ItemsSetAside",
}


def run(*command: str) -> None:
    if shutil.which(command[0]) is None and not os.environ.get("CI"):
        pytest.skip(f"no {command[0]}: install Debian's packages prometheus and prometheus-alertmanager")
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROMETHEUS)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtool_accepts_the_alert_rules() -> None:
    run("promtool", "check", "rules", "alerts.yml")


def test_every_alert_fires_with_its_fault_and_stays_quiet_without() -> None:
    run("promtool", "test", "rules", "alerts_test.yml")


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    configuration = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    here = configuration.replace("/etc/prometheus/alerts.yml", str(PROMETHEUS / "alerts.yml"))
    (tmp_path / "prometheus.yml").write_text(here, "utf-8")

    run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


def test_alertmanager_takes_its_configuration() -> None:
    run("amtool", "check-config", str(ROOT / "deploy/observability/alertmanager/alertmanager.yml"))


def test_every_expected_alert_exists() -> None:
    assert {alert.name for alert in ALERTS} >= EXPECTED


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    sections = re.findall(r"^## (\w+)\n\n\*\*(page|ticket)\*\*", (ROOT / RUNBOOK).read_text("utf-8"), re.M)

    assert sorted(sections) == sorted((alert.name, alert.severity) for alert in ALERTS)
