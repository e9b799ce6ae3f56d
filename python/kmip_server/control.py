"""Test control: moves the clock of a server, makes its requests fail, sets its objects, and reads its messages.

`KmipServer(..., management_address="127.0.0.1:0", test_control=True)` has it as `control`; the fixture `kmip_server` of pytest
has its parts as `clock`, `faults`, `messages`, `seed` and `snapshot`.
"""

import datetime
import enum
import http.client
import json
import pathlib
import urllib.parse
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Type, Union

__all__ = ["Clock", "Control", "ControlError", "Fault", "Faults", "Item", "Message", "Messages", "Snapshot"]

# Longer than the longest wait of the server.
TIMEOUT = 90.0

Seconds = Union[int, float, datetime.timedelta]
Time = Union[int, float, datetime.datetime]
Name = Union[str, enum.Enum]


class ControlError(Exception):
    """A call that the server refuses. The text says why."""


class Control:
    """The control of the server whose management interface has this address, such as `127.0.0.1:9696`."""

    def __init__(self, address: str, token: Optional[str] = None) -> None:
        self.address = address
        self._token = token
        self.clock = Clock(self)
        self.faults = Faults(self)
        self.messages = Messages(self)

    def call(self, path: str, **members: Any) -> Any:
        """Calls `/control/PATH` with these members, without those that are None, and returns the answer.

        Raises ControlError if the server refuses the call.
        """
        body = json.dumps({name: value for name, value in members.items() if value is not None})
        status, text = self._exchange("POST", f"/control/{path}", body)
        if status == 404 and not text.startswith("{"):
            raise ControlError("the server has no test control; start it with test_control=True")
        if not text.startswith(("{", "[")):
            raise ControlError(text.strip())
        answer = json.loads(text)
        if status != 200:
            raise ControlError(answer["error"])
        return answer

    def _exchange(self, method: str, path: str, body: Optional[str] = None) -> Tuple[int, str]:
        """Returns the status and the text of the response."""
        fields = {"Content-Type": "application/json"} if body else {}
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(self.address, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise ControlError(f"the management interface on {self.address} does not answer: {error}") from None
        finally:
            connection.close()

    def seed(
        self,
        objects: Union[str, pathlib.Path, Iterable[Dict[str, Any]], None] = None,
        *,
        pykmip_database: Union[str, pathlib.Path, None] = None,
    ) -> List[str]:
        """Adds objects with fixed identifiers and known bytes, and returns their identifiers.

        `objects` is a list of dictionaries, or a file with a JSON object per line. A value can be bytes, a datetime, a
        timedelta from the server's time on, or a member of an enumeration of PyKMIP.
        """
        if pykmip_database is not None:
            return _ids(self.call("seed", pykmip_database=str(pathlib.Path(pykmip_database).resolve())))
        if objects is None:
            raise TypeError("seed needs objects or pykmip_database")
        if isinstance(objects, (str, pathlib.Path)):
            lines = pathlib.Path(objects).read_text(encoding="utf-8").splitlines()
            return _ids(self.call("seed", objects=[json.loads(line) for line in lines if line.strip()]))
        return _ids(self.call("seed", objects=[self._plain(seed) for seed in objects]))

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._plain(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._plain(inner) for inner in value]
        if isinstance(value, (bytes, bytearray)):
            return bytes(value).hex()
        if isinstance(value, enum.Enum):
            return value.name
        if isinstance(value, datetime.datetime):
            return int(value.timestamp())
        if isinstance(value, datetime.timedelta):
            return int((self.clock.now() + value).timestamp())
        return value

    def certificates(self, client: Optional[str] = None) -> str:
        """Returns the private key and the certificate of a client of `auto_certificates`, and the certificate of the CA, in PEM.

        A file with this text is the certificate, the key and the CA file of a client. Without a name, it is that of the
        first client.
        """
        query = "?client=" + urllib.parse.quote(client, safe="") if client else ""
        status, text = self._exchange("GET", "/control/certificates" + query)
        if status != 200:
            raise ControlError(text.strip())
        return text

    def snapshot(self) -> "Snapshot":
        """Copies the objects and the server's state."""
        return Snapshot(self, self.call("snapshot")["id"])

    def reset(self) -> None:
        """Removes objects, tickets, faults and recorded messages, and resets the clock."""
        self.call("reset")


class Snapshot:
    """A copy of the objects and the server's state. As a context manager, it is restored at the end."""

    def __init__(self, control: Control, number: int) -> None:
        self._control = control
        self.number = number

    def restore(self) -> None:
        """Replaces the objects and the server's state by the copy."""
        self._control.call("restore", id=self.number)

    def forget(self) -> None:
        """Removes the copy."""
        self._control.call("forget", id=self.number)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.restore()
        self.forget()


class Clock:
    """The clock of the server: states by date, leases, usage, time stamps and asynchronous operations follow it."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def now(self) -> datetime.datetime:
        """Returns the time of the server, in UTC."""
        return datetime.datetime.fromtimestamp(self._call()["seconds"], datetime.timezone.utc)

    @property
    def is_frozen(self) -> bool:
        """Whether the clock stands still."""
        return bool(self._call()["frozen"])

    def advance(self, by: Optional[Seconds] = None, **parts: float) -> None:
        """Moves the clock forward by seconds or a timedelta, or by the arguments of a timedelta: `advance(days=90)`."""
        self._call(advance=_seconds(datetime.timedelta(**parts) if by is None else by))

    def set(self, time: Time) -> None:
        """Sets the clock to a datetime, or to seconds since 1970."""
        self._call(set=time.timestamp() if isinstance(time, datetime.datetime) else time)

    def freeze(self, time: Optional[Time] = None) -> None:
        """Stops the clock, at `time` if it is given."""
        stamp = time.timestamp() if isinstance(time, datetime.datetime) else time
        self._call(freeze=True, set=stamp)

    def resume(self) -> None:
        """Lets the clock run."""
        self._call(resume=True)

    def reset(self) -> None:
        """Sets the clock to the time of the machine, and lets it run."""
        self._call(reset=True)

    def _call(self, **members: Any) -> Any:
        return self._control.call("clock", **members)


class Fault:
    """A rule that makes requests fail. As a context manager, it is removed at the end."""

    def __init__(self, control: Control, number: int) -> None:
        self._control = control
        self.number = number

    @property
    def hits(self) -> int:
        """How often the rule has acted."""
        for fault in self._control.faults.list():
            if fault["id"] == self.number:
                return int(fault["hits"])
        raise ControlError(f"there is no fault {self.number}")

    def wait(self, hits: int = 1, seconds: float = 10.0) -> None:
        """Waits until the rule has acted so often. Raises TimeoutError if it does not within the time."""
        acted = self._control.call("faults/wait", id=self.number, hits=hits, seconds=seconds)["hits"]
        if acted < hits:
            raise TimeoutError(f"fault {self.number} has acted {acted} times, not {hits}, within {seconds} s")

    def remove(self) -> None:
        """Removes the rule."""
        self._control.call("faults/remove", id=self.number)

    def __enter__(self) -> "Fault":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.remove()


class Faults:
    """The rules that make requests fail.

    Each method adds a rule. Its arguments select the requests: `operation`, `user`, `object` (a Unique Identifier), `nth` (the
    first match that fails), `count` (how many fail) and `probability`.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    def add(self, action: str, **members: Any) -> Fault:
        """Adds a rule with this action."""
        fault = {name: _name(value) for name, value in members.items() if value is not None}
        return Fault(self._control, self._control.call("faults/add", fault={"action": action, **fault})["id"])

    def fail(
        self,
        operation: Optional[Name] = None,
        reason: Optional[Name] = None,
        message: Optional[str] = None,
        **selection: Any,
    ) -> Fault:
        """Answers with this Result Reason and message, without the operation."""
        return self.add("fail", operation=operation, reason=reason, message=message, **selection)

    def delay(self, seconds: Seconds, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Lets the request wait."""
        return self.add("delay", seconds=_seconds(seconds), operation=operation, **selection)

    def pending(self, seconds: Seconds, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Executes the operation asynchronously, after this time of the server's clock."""
        return self.add("pending", seconds=_seconds(seconds), operation=operation, **selection)

    def close(self, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Ends the connection without the operation."""
        return self.add("close", operation=operation, **selection)

    def lose(self, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Executes the operation and ends the connection without its answer."""
        return self.add("lose", operation=operation, **selection)

    def cut(self, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Executes the operation and ends the connection in the middle of the answer."""
        return self.add("cut", operation=operation, **selection)

    def truncate(self, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Answers with half of the answer, as if it were complete."""
        return self.add("truncate", operation=operation, **selection)

    def garble(self, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Answers with bytes that cannot be parsed."""
        return self.add("garble", operation=operation, **selection)

    def wrong_version(self, version: str = "9.9", operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Answers in another protocol version."""
        return self.add("version", version=version, operation=operation, **selection)

    def slow(self, bytes_per_second: int, operation: Optional[Name] = None, **selection: Any) -> Fault:
        """Answers slowly."""
        return self.add("slow", bytes_per_second=bytes_per_second, operation=operation, **selection)

    def refuse_handshake(self, **selection: Any) -> Fault:
        """Ends TLS handshakes with an alert. `nth`, `count` and `probability` select them."""
        return self.add("refuse_handshake", **selection)

    def list(self) -> List[Dict[str, Any]]:
        """Returns the rules with their numbers, matches and hits."""
        return list(self._control.call("faults/list"))

    def clear(self, seed: Optional[int] = None) -> None:
        """Removes all rules. `seed` determines the random numbers of later probabilities."""
        self._control.call("faults/clear", seed=seed)


class Item:
    """An item of a message: its tag, its type, and its value. The value of a structure is a list of items."""

    def __init__(self, item: Dict[str, Any]) -> None:
        self.tag: str = item["tag"]
        self.type: str = item.get("type", "Structure")
        value = item.get("value", [])
        if self.type == "Structure":
            value = [Item(inner) for inner in value]
        elif self.type == "ByteString":
            value = bytes.fromhex(value)
        self.value: Any = value

    def all(self, tag: str) -> Iterator["Item"]:
        """Returns the items with this tag, at every depth."""
        if self.tag == tag:
            yield self
        if self.type == "Structure":
            for inner in self.value:
                yield from inner.all(tag)

    def find(self, tag: str) -> Any:
        """Returns the value of the first item with this tag, at every depth, or None."""
        for item in self.all(tag):
            return item.value
        return None

    def __repr__(self) -> str:
        return f"{self.tag}({self.value!r})"


class Message:
    """A request with its response."""

    def __init__(self, message: Dict[str, Any]) -> None:
        self.number: int = message["number"]
        self.time: str = message["time"]
        self.seconds: float = message["seconds"]
        self.session: str = message["session"]
        self.user: Optional[str] = message["user"]
        self.version: Optional[str] = message["version"]
        self.operations: List[str] = message["operations"]
        self.objects: List[str] = message["objects"]
        #: A dictionary per batch item: status, reason and message.
        self.results: List[Dict[str, Optional[str]]] = message["results"]
        #: The action of the fault with which the response was sent, or None.
        self.fault: Optional[str] = message["fault"]
        self.request: Optional[Item] = _item(message["request"])
        self.response: Optional[Item] = _item(message["response"])
        #: The messages as text: one line per item, without Time Stamp.
        self.request_text: str = message["request_text"]
        self.response_text: str = message["response_text"]

    @property
    def text(self) -> str:
        """The request and the response as text, the same in each run."""
        return self.request_text + self.response_text

    def sent(self, tag: str) -> Any:
        """Returns the value of the first item with this tag in the request, or None."""
        return self.request.find(tag) if self.request else None

    def received(self, tag: str) -> Any:
        """Returns the value of the first item with this tag in the response, or None."""
        return self.response.find(tag) if self.response else None

    def __repr__(self) -> str:
        results = [result["reason"] or result["status"] for result in self.results]
        return f"<Message {self.number}: {', '.join(self.operations)} by {self.user}: {results}>"


class Messages:
    """The messages that the server has recorded, at most 1,000 and 16 MiB: `messages(operation="Encrypt")`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def __call__(
        self,
        operation: Optional[Name] = None,
        user: Optional[str] = None,
        *,
        after: int = 0,
        last: Optional[int] = None,
        secrets: bool = False,
    ) -> List[Message]:
        """Returns the messages of this operation and user, the oldest first. Key material, passwords and data are zeros
        without `secrets`."""
        return self._find(operation, user, after, last, secrets, None)

    def wait(
        self,
        operation: Optional[Name] = None,
        user: Optional[str] = None,
        *,
        after: int = 0,
        seconds: float = 10.0,
        secrets: bool = False,
    ) -> List[Message]:
        """Waits for such a message. Raises TimeoutError if there is none within the time."""
        found = self._find(operation, user, after, None, secrets, seconds)
        if not found:
            raise TimeoutError(f"the server has received no such message within {seconds} s")
        return found

    @property
    def last_number(self) -> int:
        """The number of the last message, for `after`."""
        return int(self._control.call("messages", last=0)["last"])

    def clear(self) -> None:
        """Forgets the messages."""
        self._control.call("messages/clear")

    def _find(
        self,
        operation: Optional[Name],
        user: Optional[str],
        after: int,
        last: Optional[int],
        secrets: bool,
        seconds: Optional[float],
    ) -> List[Message]:
        answer = self._control.call(
            "messages",
            operation=_name(operation),
            user=user,
            after=after,
            last=last,
            secrets=secrets,
            seconds=seconds,
        )
        return [Message(message) for message in answer["messages"]]


def _ids(answer: Any) -> List[str]:
    return list(answer["ids"])


def _item(item: Optional[Dict[str, Any]]) -> Optional[Item]:
    return Item(item) if item else None


def _name(value: Any) -> Any:
    return value.name if isinstance(value, enum.Enum) else value


def _seconds(time: Seconds) -> float:
    return time.total_seconds() if isinstance(time, datetime.timedelta) else time
