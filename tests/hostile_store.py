"""A store as somebody might make it to harm whoever opens it: every column has a hostile value in some run."""

import json
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from opro.config import run_config
from opro.records import RunSpec
from opro.store import Store
from opro.types import Direction

NASTY = "\x1b[31m\x1b]0;owned\x07\x1b]8;;http://127.0.0.1:1\x07\u202egnp\u2066\x9b31m[bold][/nope][link=http://x]y<b>\r"
"""Control codes, what turns the order of letters, and markup of terminals, pages and figures."""

IDS = ("../../escaped", ".hidden", "--yes", "x" * 65, f"x{NASTY}", "", "a/b", "ümlaut")


@dataclass(frozen=True)
class Trap:
    """A hostile store, and what shows that somebody stepped into it."""

    store: Path
    code: Path
    marker: Path
    secret: Path
    port: int
    runs: Mapping[str, str]
    requests: list[bytes]

    @property
    def was_sprung(self) -> str:
        """What happened that must not."""
        told = "the code ran; " if self.marker.exists() else ""
        return told + (f"there were {len(self.requests)} requests" if self.requests else "")


def configs(trap_code: Path, secret: Path, port: int) -> dict[str, dict[str, Any]]:
    """Return a config for each way in."""
    own = f"{trap_code}:Evil"
    model = f"openai:tiny@http://127.0.0.1:{port}/v1"
    return {
        "problem": {"problem": own},
        "module": {"problem": f"{trap_code.stem}:Evil"},
        "proposer": {"problem": "linear-regression", "proposer": own},
        "kind": {"problem": "instructions", "set": {"task": str(secret), "kind": f"{trap_code}:judge"}},
        "system": {"problem": "instructions", "set": {"task": "evil/data", "kind": "os:system"}},
        "file": {"problem": "tsp", "set": {"file": str(secret)}},
        "hub": {"problem": "update-rule", "set": {"data": "evil/images"}},
        "probe": {"problem": "icl", "set": {"task": "evil/texts"}, "proposer": "list"},
        "flipped": {"problem": "icl-flipped", "set": {"task": "sst2"}},
        "key": {"problem": "linear-regression", "model": model, "model_set": {"key": "TRAP_KEY"}},
        "usual-key": {"problem": "linear-regression", "model": model},
        "prices": {"problem": "linear-regression", "model": model, "prices": str(secret)},
        "template": {"problem": "linear-regression", "options": {"template": str(secret)}},
        "texts": {"problem": "linear-regression", "proposer": "evolution", "set": {"w": 3}},
    }


@contextmanager
def hostile_store(folder: Path) -> Iterator[Trap]:
    """Make a hostile store in a folder, with a server that counts who comes."""
    code, marker, secret = folder / "evil_trap.py", folder / "marker", folder / "secret.csv"
    code.write_text(f"open({str(marker)!r}, 'w').close()\nclass Evil: pass\ndef judge(a, b): return True\n")
    secret.write_text("question,answer\n1 + 1?,2\n")
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        Thread(target=_count, args=(server, requests), daemon=True).start()
        store = folder / "hostile.db"
        yield Trap(store, code, marker, secret, port, _filled(store, configs(code, secret, port)), requests)


def _count(server: socket.socket, requests: list[bytes]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            requests.append(connection.recv(4096))


def _filled(path: Path, made: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Make a store with a run of each config; return their ids by name."""
    store, ids = Store(str(path)), dict[str, str]()
    for name, values in made.items():
        config = {**run_config({"problem": "tsp", "steps": 1}).model_dump(mode="json"), **values}
        spec = RunSpec(values["problem"], Direction.MINIMIZE, config["proposer"], config["model"], 0, config)
        journal = store.new_run(spec)
        journal._lock.release()
        ids[name] = journal.run
    store.close()
    with closing(sqlite3.connect(path)) as database:
        for run in ids.values():
            _fill(database, run)
        _odd(database, ids["texts"])
        database.commit()
    return ids


def _fill(database: sqlite3.Connection, run: str) -> None:
    """Give a run trials, answers and generations with hostile texts, and whatever texts a run has."""
    texts = ["fingerprint", "problem_fingerprint", "scorer_fingerprint", "reason", "host", "study"]
    database.execute(f"UPDATE runs SET {', '.join(f'{name} = :text' for name in texts)} WHERE id = :run", _nasty(run))  # noqa: S608
    references = json.dumps([{"name": NASTY, "value": 1.0, "optimum": True, "solution": NASTY}])
    database.execute("UPDATE runs SET reference_values = ?, status = 'stopped' WHERE id = ?", (references, run))
    request = {"prompt": [{"role": NASTY, "content": NASTY}], "temperature": 1.0, "lead": NASTY, "n": 1, "first": 0}
    for step in (0, 1):
        database.execute("INSERT INTO steps VALUES (?, ?, 0.1, 0.1)", (run, step))
        made = database.execute(
            "INSERT INTO generations (run, step, role, key, first, request, samples, prompt_tokens, cached_tokens,"
            " completion_tokens, estimated, usd, seconds, created)"
            " VALUES (?, ?, ?, ?, 0, ?, ?, 1, 0, 1, 0, 0.1, 0.1, 0)",
            (run, step, NASTY, NASTY, json.dumps(request), json.dumps([[NASTY, True], [f"w=1, b={step}", True]])),
        ).lastrowid
        for place in (0, 1):
            number = 2 * step + place
            value = (None if place else 1.5 + step, NASTY if place else "")
            database.execute(
                "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, '{}', ?, ?, 1.0)",
                (run, number, step, f"{NASTY} {number}", *value, NASTY, made, place),
            )
            database.execute(
                "INSERT INTO answers VALUES (?, ?, 'train', ?, 1.0, ?, ?, 1, ?, 3, ?)",
                (run, number, NASTY[:60], NASTY, NASTY, made, NASTY if place else ""),
            )
        for kind in ("fault", "note", "remark"):
            database.execute(
                "INSERT INTO events (run, step, role, kind, text, facts, tokens, usd, created)"
                " VALUES (?, ?, ?, ?, ?, '{}', 1, 0.1, 0)",
                (run, step, NASTY[:16], kind, NASTY),
            )


def _nasty(run: str) -> dict[str, str]:
    return {"text": NASTY, "run": run}


def _odd(database: sqlite3.Connection, like: str) -> None:
    """Add runs with ids that are none, and runs with a value of a wrong kind in each column."""
    columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
    names = ", ".join(columns)
    taken = ", ".join(f":{name}" for name in columns)
    values = database.execute("SELECT * FROM runs WHERE id = ?", (like,)).fetchone()
    row = dict(zip(columns, values, strict=True))
    here = {"status": "running", "host": socket.gethostname()}
    odd = [{**row, **here, "id": identity} for identity in IDS]
    for name in columns[1:]:
        for place, value in enumerate((b"\xff\x00", "\x00", '{"a": [', "1e999", -(2**63), "[[[]]]", '{"set": []}')):
            odd.append({**row, "id": f"odd-{name}-{place}", name: value})
    deep = "[" * 100_000
    odd += [{**row, "id": f"deep-{place}", "config": config} for place, config in enumerate((deep, '{"steps": 1e999}'))]
    whole = json.loads(row["config"])
    strange = ({"steps": 10**300}, {NASTY: NASTY}, {"set": {NASTY: [NASTY]}}, {"budget": NASTY}, {"options": None})
    odd += [{**row, "id": f"strange-{n}", "config": json.dumps({**whole, **one})} for n, one in enumerate(strange)]
    database.executemany(f"INSERT INTO runs ({names}) VALUES ({taken})", odd)  # noqa: S608
