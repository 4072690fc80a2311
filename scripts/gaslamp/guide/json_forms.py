"""The commands that have a JSON form: what AGENTS.md lists, the MCP server calls and the contract test goes over.

Standard library only: AGENTS.md is written before anything is installed.
"""

from __future__ import annotations

from typing import NamedTuple


class JsonForm(NamedTuple):
    """One command that answers programs."""

    command: str  # target of the Makefile with its settings, without JSON=1
    script: str  # of scripts/, with its subcommand
    contract: str  # module:class of the document
    says: str

    @property
    def target(self) -> str:
        """The target of the Makefile."""
        return self.command.split()[0]


FORMS = (
    JsonForm("status", "watch_run.py status", "report.status:StatusDocument", "what runs, phases, next command"),
    JsonForm("results", "show_summary.py", "report.results:ResultsDocument", "scores, verdict, levels, files"),
    JsonForm("plan", "plan_run.py", "guide.documents:RunPlanDocument", "jobs, time, memory, disk, price; `problem`"),
    JsonForm("advise", "advise_models.py", "guide.documents:AdviceDocument", "base models, the best choice first"),
    JsonForm("doctor", "run_doctor.py", "report.documents:DoctorDocument", "versions, machine, failures, `problems`"),
    JsonForm("data", "adopt_data.py", "data.documents:PreparedDocument", "rows, columns and what the checks found"),
    JsonForm("generate", "adopt_data.py --generated", "data.documents:GeneratedDocument", "rows that a model wrote"),
    JsonForm("review", "review_rows.py", "data.documents:DeskDocument", "generated rows; DECIDE=file decides on them"),
    JsonForm("label", "label_rows.py", "data.documents:DeskDocument", "rows by hand; DECIDE=file writes and corrects"),
    JsonForm("verify", "verify_run.py", "report.documents:VerifiedDocument", "files and their records; `problem`"),
    JsonForm("push", "push_model.py", "export.exporters.hub:PushDocument", "files that went to the hub, or would go"),
    JsonForm("data-describe", "describe_data.py", "data.documents:DataDocument", "columns, readings, rows as learnt"),
    JsonForm("check-config", "check_config.py", "core.document:DoneDocument", "an error with its line, or notes"),
    JsonForm("run BACKGROUND=1", "control_run.py start", "core.background:RunDocument", "process and log of the run"),
    JsonForm("cancel", "control_run.py stop", "core.background:RunDocument", "whether a run was stopped"),
    JsonForm("chat PROMPT=", "serve_model.py chat", "serve.documents:AnswersDocument", "answer of the tuned model"),
    JsonForm("chat-eval PROMPT=", "chat_eval.py", "serve.documents:AnswersDocument", "answers of base and tuned model"),
    JsonForm("serve", "serve_model.py start", "serve.documents:ServerDocument", "address of the API, key file"),
    JsonForm("deploy", "serve_model.py start", "serve.documents:ServerDocument", "the same, with measured levels"),
    JsonForm("stop", "serve_model.py stop", "serve.documents:ServerDocument", "whether a server ran"),
    JsonForm("memory", "manage_memory.py", "memory.documents:MemoryDocument", "what later projects know, and `done`"),
    JsonForm("hint HINT=", "add_reflect_hint.py", "memory.documents:HintsDocument", "hints of this project"),
    JsonForm("reflect", "reflect.py", "memory.documents:ReflectionDocument", "what became of each candidate"),
    JsonForm("reflect-dry", "reflect.py", "memory.documents:ReflectionDocument", "the same, and nothing is written"),
    JsonForm("reconfigure", "reconfigure_project.py", "guide.documents:ReconfigureDocument", "plan, changes, reruns"),
    JsonForm("try", "try_advice.py", "guide.documents:TryDocument", "what to try next; N= makes the run that tries it"),
    JsonForm("check-pin", "check_pin.py", "guide.documents:PinDocument", "files edited in the pinned copy"),
    JsonForm("upgrade", "upgrade_project.py", "guide.documents:UpgradeDocument", "what a newer version changes"),
)
"""Commands of a project. `make new JSON=1` and `make reproduce JSON=1` belong to the repository."""


def render_table(prefix: str = "make ") -> str:
    """The forms as a Markdown table."""
    rows = [f"| `{prefix}{form.command}` | {form.says} |" for form in FORMS]
    return "\n".join(["| command, with `JSON=1` | the document says |", "|---|---|", *rows])
