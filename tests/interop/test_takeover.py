"""A database of PyKMIP's, started from: what PyKMIP's client reads from PyKMIP's server, it reads from this one.

The databases hold every type of object (make_database.py), made by the release that the tests use and by the one
that most installations pin.
"""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import prepare
import pytest
import smoke
from kmip import enums
from kmip.pie import exceptions
from server import Server, StartFailed, reference_command

HERE = pathlib.Path(__file__).resolve().parent
# The release that most installations pin, and the oldest one with the tables of today but for a few.
RELEASES = [None, "0.10.0", "0.9.1"]
# Read in PyKMIP's own words by its client; the first has no Sensitive attribute, the last has other messages.
VERSIONS = ["1.2", "1.4", "2.0"]


def make_database(path, release):
    """A database by that release of PyKMIP; by the one that is installed where none is named."""
    environment = dict(os.environ)
    if release:
        environment["PYTHONPATH"] = str(prepare.source(prepare.default_root(), sys.executable, release))
    done = subprocess.run(
        [sys.executable, str(HERE / "make_database.py"), str(path)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    return int(done.stdout.split()[-1])


def attributes(client, identifier, names=None):
    """Every attribute that the server names, or those of `names`, as text by name."""
    listed = names or client.get_attribute_list(identifier)
    found = {}
    for name in listed:
        try:
            _, values = client.get_attributes(identifier, [name])
            found[name] = [str(value.attribute_value) for value in values]
        except NotImplementedError:
            # PyKMIP's client cannot read every attribute that its server sends.
            found[name] = "unreadable"
    return found


def read_as(client, count, names):
    """What a client learns of every object: the object itself and its attributes, or the refusal."""
    answers = {}
    for number in range(1, count + 2):
        identifier = str(number)
        for what, ask in (
            ("object", lambda: client.get(identifier)),
            ("attributes", lambda: attributes(client, identifier, names.get(number))),
        ):
            try:
                answer = ask()
                if what == "object":
                    answer = (type(answer).__name__, answer.value, repr(answer), wrapping(answer))
                else:
                    names.setdefault(number, sorted(answer))
            except exceptions.KmipOperationFailure as error:
                answer = (error.reason, error.message)
            answers[number, what] = answer
    return answers


def wrapping(thing):
    return getattr(thing, "key_wrapping_data", None)


def read(server, pki, count, names):
    """Returns the answers to John and Jane in each version."""
    answers = {}
    for person in ("john_doe", "jane_doe"):
        connect = smoke.connector(
            "127.0.0.1", server.port, pki.certificate(person), pki.key(person), pki.ca_path
        )
        for version in VERSIONS:
            with_names = names.setdefault((person, version), {})
            client = connect(smoke.VERSIONS[version])
            try:
                answers.update(
                    {(person, version) + key: value for key, value in read_as(client, count, with_names).items()}
                )
                answers[person, version, "located"] = client.locate()
                by_name = smoke.attribute("Name", "second name")
                answers[person, version, "by name"] = client.locate(attributes=[by_name])
            finally:
                client.close()
    return answers


@pytest.mark.parametrize("release", RELEASES)
def test_pykmips_database_is_taken_over(release, command, is_reference, pki, tmp_path):
    if is_reference:
        pytest.skip("PyKMIP's server has nothing to take over")
    theirs, ours = tmp_path / "theirs.database", tmp_path / "ours.database"
    count = make_database(theirs, release)
    if release == "0.9.1":
        add_what_the_reference_needs(theirs)
    shutil.copy(theirs, ours)
    names = {}
    with Server(reference_command(), tmp_path / "reference", pki, settings={"database_path": theirs}) as server:
        expected = read(server, pki, count, names)
        server.kill()
    with Server(command, tmp_path / "server", pki, settings={"database_path": ours}) as server:
        assert_same(expected, read(server, pki, count, names))
        new = create(server, pki)
        assert int(new) == count + 2, "numbers go on behind those of objects that are gone"
        assert f"All {count} objects are taken over" in server.log.read_text()
        server.log.unlink()
        server.stop()
        # A second start finds a database of its own.
        server.start()
        assert_same(expected, read(server, pki, count, names), but_new=new)
        assert "taken over" not in server.log.read_text()
    assert tables(ours, "managed_objects") == tables(theirs, "managed_objects"), "PyKMIP's tables stay"


def add_what_the_reference_needs(path):
    """The columns that today's PyKMIP asks an old database for; this server does without."""
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE managed_objects ADD COLUMN sensitive BOOLEAN")


def create(server, pki):
    connect = smoke.connector(
        "127.0.0.1", server.port, pki.certificate("john_doe"), pki.key("john_doe"), pki.ca_path
    )
    client = connect(smoke.VERSIONS["1.2"])
    try:
        return client.create(enums.CryptographicAlgorithm.AES, 128, cryptographic_usage_mask=[smoke.MASK.ENCRYPT])
    finally:
        client.close()


def assert_same(expected, answers, but_new=None):
    """Equal, except that a sensitive object is refused, with the reason of the version."""
    differences = []
    for key, value in expected.items():
        answer = answers[key]
        if but_new and "located" in key:
            answer = [identifier for identifier in answer if identifier != but_new]
        if key[2:] == (2, "object") and answer != value:
            assert answer[0] in (enums.ResultReason.PERMISSION_DENIED, enums.ResultReason.SENSITIVE), (key, answer)
            continue
        if answer != value:
            differences.append(f"{key}:\n  PyKMIP {value}\n  here   {answer}")
    assert not differences, "\n".join(differences)


def tables(path, name):
    with sqlite3.connect(path) as database:
        return database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()


@pytest.mark.parametrize("harm", ["cut", "value", "column"])
def test_a_database_that_cannot_be_taken_over_is_left_untouched(harm, command, is_reference, pki, tmp_path):
    if is_reference:
        pytest.skip("PyKMIP's server has nothing to take over")
    path = tmp_path / "pykmip.database"
    make_database(path, None)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-4096])
    else:
        change = {
            "value": "UPDATE crypto_objects SET state = 77 WHERE uid = 3",
            "column": "ALTER TABLE keys DROP COLUMN key_format_type",
        }[harm]
        with sqlite3.connect(path) as database:
            database.execute(change)
    before = path.read_bytes()
    with pytest.raises(StartFailed) as failed:
        Server(command, tmp_path / "server", pki, settings={"database_path": path}).start()
    message = {"cut": "damaged", "value": "object 3: its column state", "column": "no column key_format_type"}[harm]
    assert "cannot be taken over" in str(failed.value) and message in str(failed.value), failed.value
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.glob("pykmip.database*")) == ["pykmip.database"]
