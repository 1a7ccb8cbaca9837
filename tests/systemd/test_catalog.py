# SPDX-License-Identifier: BSD-3-Clause
"""The journal catalog explains every MESSAGE_ID there is, and no other."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

from harness import run

SOURCE = Path(__file__).parents[2]
HEADER = SOURCE / "daemon/messages.h"
CATALOG = SOURCE / "systemd/fancap.catalog"


def message_ids() -> dict[str, str]:
    """Name to id."""
    return dict(re.findall(r'^#define (MESSAGE_\w+) "(\w+)"$', HEADER.read_text(), re.M))


def entries() -> dict[str, str]:
    """Id to text."""
    found = re.split(r"^-- (\S+)\n", CATALOG.read_text(), flags=re.M)[1:]
    assert len(set(found[::2])) == len(found[::2]), "an id has two entries"
    return dict(zip(found[::2], found[1::2], strict=True))


def test_every_message_id_is_one_of_its_own() -> None:
    ids = message_ids()
    assert len(ids) == HEADER.read_text().count("#define MESSAGE_")
    assert len(set(ids.values())) == len(ids)
    for name, message_id in ids.items():
        # As systemd-id128 makes them: random, with the version and variant bits of a UUID 4.
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", message_id), name


def test_every_message_has_an_entry_and_every_entry_a_message() -> None:
    assert list(entries()) == list(message_ids().values())


def test_every_message_is_used() -> None:
    code = "".join(path.read_text() for path in SOURCE.glob("daemon/*.c"))
    assert [name for name in message_ids() if not re.search(rf"\b{name}\b", code)] == []


def test_every_entry_has_a_subject_and_a_text() -> None:
    for message_id, text in entries().items():
        head, body = text.split("\n\n", 1)
        assert re.search(r"^Subject: \S", head, re.M), message_id
        assert "Defined-By: fancap" in head, message_id
        assert len(body.strip()) > 40, message_id


def test_journalctl_reads_the_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    run("journalctl", "--update-catalog", f"--root={tmp_path}")
    listed = run("journalctl", "--list-catalog", f"--root={tmp_path}").stdout
    for message_id in message_ids().values():
        assert f"{message_id} fancap: " in listed
