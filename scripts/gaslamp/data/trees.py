"""Trees of messages as conversations: OpenAssistant (single messages, or whole trees) and ChatGPT's export.

A row of such a file is a message, or a tree with many answers to one question, and no conversation.

- OpenAssistant: at each question the best-ranked answer (rank 0; without ranks the first) goes on, each further
  question of a user makes a conversation of its own. An answer that two of them share is learnt in the first alone.
  Deleted messages and those that a review refused are left out.
- ChatGPT: the conversation as it was shown last, up to its last answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gaslamp.data.cells import parse_json
from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import get_role

FLAT = {"message_id", "parent_id", "role", "text"}
Chunks = Callable[[], Iterator[Chunk]]


@dataclass
class Node:
    """A message of a tree.

    ``place``: label of its chunk, its number there, and the split of its file.
    """

    row: SourceRow
    role: str
    place: Place
    answers: list[Node] = field(default_factory=list)

    @property
    def is_usable(self) -> bool:
        """Whether it holds text that nobody deleted or refused."""
        text = self.row.get("text")
        refused = self.row.get("deleted") is True or self.row.get("review_result") is False
        return isinstance(text, str) and bool(text.strip()) and not refused

    @property
    def rank(self) -> float:
        """Its rank among its siblings, 0 is best; behind all others when it has none."""
        rank = self.row.get("rank")
        return float(rank) if isinstance(rank, int | float) else float("inf")

    def get_next(self, role: str) -> list[Node]:
        """The usable messages of a role behind this one, best first."""
        return sorted((node for node in self.answers if node.role == role and node.is_usable), key=lambda n: n.rank)


def find_shape(rows: list[SourceRow]) -> str | None:
    """What kind of trees the rows are: flat, nested or chatgpt; ``None`` for rows of another kind."""
    if not rows:
        return None
    row = rows[0]
    if set(row) >= FLAT:
        return "flat"
    prompt = parse_json(row.get("prompt"))
    if isinstance(prompt, dict) and isinstance(prompt.get("replies"), list) and "text" in prompt:
        return "nested"
    mapping = parse_json(row.get("mapping"))
    nodes = list(mapping.values()) if isinstance(mapping, dict) else []
    return "chatgpt" if nodes and all(isinstance(node, dict) and "parent" in node for node in nodes) else None


def unfold(chunks: Chunks, shape: str, notes: list[str]) -> Chunks:
    """A source of conversations, from one of trees.

    Args:
        chunks: starts a new pass over the rows of the source.
        shape: from ``find_shape``.
        notes: takes up what was decided, once all rows were read.
    """
    return partial(_unfold_flat, chunks, notes) if shape == "flat" else partial(_unfold_rows, chunks, shape, notes)


def _unfold_flat(chunks: Chunks, notes: list[str]) -> Iterator[Chunk]:
    """Single messages are joined by their parents: all of them are held in memory."""
    problems: list[Problem] = []
    nodes: dict[str, Node] = {}
    for chunk in chunks():
        for number, row in chunk.read(problems):
            place = (chunk.label, number, chunk.split)
            nodes[str(row.get("message_id"))] = Node(row, get_role(row.get("role")), place)
    roots, orphans = [], 0
    for node in nodes.values():
        parent = node.row.get("parent_id")
        if parent in (None, ""):
            roots.append(node)
        elif str(parent) in nodes:
            nodes[str(parent)].answers.append(node)
        else:
            orphans += 1
    counts = Counter({"messages": len(nodes), "orphans": orphans})
    found = [item for root in roots for item in _get_threads(root, counts)]
    _note(notes, counts)
    yield from pack(found, problems)


def _unfold_rows(chunks: Chunks, shape: str, notes: list[str]) -> Iterator[Chunk]:
    """Rows that each hold a tree."""
    counts: Counter[str] = Counter()
    for chunk in chunks():
        problems: list[Problem] = []
        found: list[Thread] = []
        for number, row in chunk.read(problems):
            place = (chunk.label, number, chunk.split)
            if shape == "chatgpt":
                found.append((place, _read_export(row)))
                continue
            root = _read_nested(parse_json(row["prompt"]), place, counts)
            found += _get_threads(root, counts)
        yield from pack(found, problems)
    if shape == "chatgpt":
        _add(notes, "each conversation is read as it was shown last (ChatGPT's export)")
    else:
        _note(notes, counts)


Thread = tuple[Place, SourceRow]


def _read_nested(root: Any, place: Place, counts: Counter[str]) -> Node:
    """The nodes of a tree that a row holds."""
    top = Node(root, get_role(root.get("role")) or "user", place)
    waiting = [top]
    while waiting:
        node = waiting.pop()
        counts["messages"] += 1
        for reply in node.row.get("replies") or ():
            if isinstance(reply, dict):
                other = "assistant" if node.role == "user" else "user"
                node.answers.append(Node(reply, get_role(reply.get("role")) or other, place))
        waiting += node.answers
    return top


def _get_threads(root: Node, counts: Counter[str]) -> list[Thread]:
    """The conversations of one tree; an answer that an earlier one holds is marked as not learnt."""
    counts["trees"] += 1
    threads: list[Thread] = []
    learnt: set[int] = set()
    waiting = [[root]] if root.role == "user" and root.is_usable else []
    while waiting:
        path = waiting.pop()  # ends with a question
        answers = path[-1].get_next("assistant")
        if not answers:
            path = path[:-1]
            if path and id(path[-1]) not in learnt:
                threads.append(_write_thread(root, path, learnt))
            continue
        counts["lower"] += len(answers) - 1
        path = [*path, answers[0]]
        questions = [node for node in answers[0].get_next("user") if node.get_next("assistant")]
        if questions:
            waiting += [[*path, question] for question in reversed(questions)]
        else:
            threads.append(_write_thread(root, path, learnt))
    counts["threads"] += len(threads)
    return threads


def _write_thread(root: Node, path: list[Node], learnt: set[int]) -> Thread:
    """A path as a row; ``learnt`` takes up its answers."""
    messages = []
    for node in path:
        message = {"role": node.role, "content": node.row["text"]}
        if node.role == "assistant":
            if id(node) in learnt:
                message["train"] = False
            learnt.add(id(node))
        messages.append(message)
    row: SourceRow = {"messages": messages, "group": root.row.get("message_tree_id") or root.row.get("message_id")}
    if isinstance(root.row.get("lang"), str):
        row["lang"] = root.row["lang"]
    return path[-1].place, row


SHOWN = ("text", "multimodal_text", "code")
"""Kinds of content of ChatGPT's export that are said; others are notes of the program."""


def _read_export(row: SourceRow) -> SourceRow:
    """The conversation that a row of ChatGPT's export showed last."""
    mapping = parse_json(row["mapping"])
    key = row.get("current_node") or next(reversed(mapping))
    turns: list[SourceRow] = []
    while isinstance(key, str) and key in mapping:
        message = mapping[key].get("message")
        if isinstance(message, dict) and (turn := _read_exported(message)):
            turns.append(turn)
        key = mapping[key].get("parent")
    turns.reverse()
    while turns and get_role(turns[-1]["role"]) == "user":  # not answered yet
        turns.pop()
    return {"messages": turns, **{name: row[name] for name in ("title",) if name in row}}


def _read_exported(message: SourceRow) -> SourceRow | None:
    """A message of ChatGPT's export; ``None`` when it says nothing."""
    content, author = message.get("content"), message.get("author")
    metadata = message.get("metadata")
    hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation")
    if not isinstance(content, dict) or not isinstance(author, dict) or hidden:
        return None
    if content.get("content_type", "text") not in SHOWN:
        return None
    parts = content.get("parts", content.get("text"))
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        parts = "".join(parts)
    if parts in ("", [], None):
        return None
    return {"role": author.get("role"), "content": parts}


def _note(notes: list[str], counts: Counter[str]) -> None:
    more = f"; left out as well, their parent is missing: {counts['orphans']}" if counts["orphans"] else ""
    _add(
        notes,
        f"{counts['messages']} messages of {counts['trees']} trees are joined into {counts['threads']} conversations: "
        f"the best-ranked answer to each question (left out: {counts['lower']} others), each learnt once{more}",
    )


def _add(notes: list[str], sentence: str) -> None:
    if sentence not in notes:
        notes.append(sentence)
