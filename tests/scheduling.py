"""Which tests run in the same of pytest's parallel workers, and in which order.

Like ``--dist loadfile``, a file stays together, since its fixtures are made once for each worker. What rests on the
finished project is one unit: its whole graph runs once, not once for each worker; and the same Chromium is used.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = (
    "tests/browser/test_chat_page.py",
    "tests/browser/test_served.py",
    "tests/browser/test_studio_page.py",
    "tests/browser/test_vision_chat.py",
    "tests/rules/test_damage.py",
    "tests/rules/test_exports.py",
    "tests/rules/test_inputs.py",
    "tests/rules/test_json_forms.py",
    "tests/rules/test_matrix.py",
    "tests/rules/test_mcp_server.py",
    "tests/rules/test_reproduce.py",
    "tests/rules/test_run_plan.py",
    "tests/rules/test_targets.py",
    "tests/unit/dev/test_faults.py",
    "tests/unit/export/test_parity.py",
)
"""The files whose tests use the fixture ``finished``; ``test_quality`` compares."""
APART = ("tests/rules/test_resume.py",)
"""They use it too and take minutes: with them the unit would be longer than all other tests, and a worker idle."""


class UnitScheduling(LoadFileScheduling):
    """Files as units, those of TOGETHER as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "finished" if file in TOGETHER else file
