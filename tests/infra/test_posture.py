"""What counts as a failure of checkov's run; `make lint` does the run itself, over the templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.bicep.posture import SEEN, SKIPS, UNREADABLE, WRONG, Finding, judge, skips

ROOT = "/somewhere"


def failed(check: str, path: str, resource: str) -> dict[str, str]:
    return {
        "check_id": check,
        "check_name": f"what {check} wants",
        "file_path": f"/{path}",
        "resource": f"Microsoft.Some/things.{resource}",
    }


def report(*more: dict[str, str], unreadable: tuple[str, ...] = (UNREADABLE,), seen: bool = True) -> dict[str, Any]:
    both = [failed(SEEN, WRONG, "account"), *more] if seen else [*more]
    return {"results": {"parsing_errors": [f"{ROOT}/{each}" for each in unreadable], "failed_checks": both}}


def judged(of: dict[str, Any], said: str = "", skipped: dict[Finding, str] | None = None) -> list[str]:
    return list(judge(of, said, ROOT, skipped or {}))


def test_a_run_that_finds_what_was_planted_and_nothing_else_is_good() -> None:
    assert judged(report()) == []


def test_a_check_that_is_not_passed() -> None:
    assert judged(report(failed("CKV_1", "infra/bicep/main.bicep", "app"))) == [
        "CKV_1 infra/bicep/main.bicep app: what CKV_1 wants"
    ]


def test_one_that_is_skipped_counts_for_that_resource_alone() -> None:
    skipped = {Finding("CKV_1", "infra/bicep/main.bicep", "app"): "because"}
    assert judged(report(failed("CKV_1", "infra/bicep/main.bicep", "app")), skipped=skipped) == []
    both = report(failed("CKV_1", "infra/bicep/main.bicep", "app"), failed("CKV_1", "infra/bicep/main.bicep", "other"))
    assert judged(both, skipped=skipped) == ["CKV_1 infra/bicep/main.bicep other: what CKV_1 wants"]


def test_a_line_of_the_list_that_skips_nothing() -> None:
    (said,) = judged(report(), skipped={Finding("CKV_1", "infra/bicep/main.bicep", "app"): "because"})
    assert said == "checkov_skips.txt skips CKV_1 infra/bicep/main.bicep app, which is not found: remove the line"


def test_a_file_that_checkov_cannot_read() -> None:
    (said,) = judged(report(unreadable=(UNREADABLE, "infra/bicep/main.bicep")))
    assert said == "infra/bicep/main.bicep: checkov cannot read it, and so checks nothing in it"


def test_a_check_that_breaks_down() -> None:
    line = f"[ERROR]  Failed to run check CKV_9 on {ROOT}/infra/bicep/main.bicep:Microsoft.KeyVault/vaults.vault"
    assert judged(report(), said=f"2026 {line}\nTraceback …") == [
        "CKV_9 infra/bicep/main.bicep vault: the check itself broke down"
    ]


@pytest.mark.parametrize("of", [report(unreadable=()), report(seen=False)])
def test_a_run_that_does_not_see_what_was_planted(of: dict[str, Any]) -> None:
    (said,) = judged(of)
    assert "worth nothing" in said


def test_asking_the_network() -> None:
    (said,) = judged(report(), said="ASKED THE NETWORK ('example.com', 443)")
    assert "example.com" in said


def test_every_skip_has_a_reason_and_a_file() -> None:
    for finding, reason in skips(SKIPS.read_text()).items():
        assert (Path(__file__).resolve().parents[2] / finding.path).exists()
        assert len(reason.split()) > 3
    with pytest.raises(ValueError, match="no reason"):
        skips("CKV_1 infra/bicep/main.bicep app")
