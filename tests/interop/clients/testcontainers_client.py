"""Uses `KmipContainer` as a test would, with an argument: `serve`, or `fail` for a server that does not start."""

import http.client
import json
import os
import ssl
import stat
import sys
import urllib.parse

from kmip_server.control import ControlError
from kmip_server.testcontainers import KmipContainer

# A Create of the folder examples/, over HTTPS.
REQUEST = open(sys.argv[2], "rb").read()


def create(container, user):
    """Creates a key as this user and returns the response."""
    path = container.certificates(user)
    context = ssl.create_default_context(cafile=path)
    context.load_cert_chain(path)
    connection = http.client.HTTPSConnection(container.host, container.port, context=context, timeout=30)
    connection.request("POST", "/kmip", REQUEST, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def serve():
    with KmipContainer("registry.example/kmip-server", tag="1.2", clients=["Ann", "Bob Smith"]) as container:
        for user in container.clients:
            assert "Success" in json.dumps(create(container, user)), user
        path = container.client_options("Bob Smith")["cert"]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert [message.user for message in container.control.messages()] == ["Ann", "Bob Smith"]
        container.control.clock.advance(days=1)
        try:
            container.certificates("Nobody")
        except ValueError as error:
            assert "Ann, Bob Smith" in str(error)
        # The interface needs the token.
        address = urllib.parse.urlsplit(f"http://{container.management_address}")
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        connection.request("GET", "/control")
        assert connection.getresponse().status == 401
        control = container.control
    assert not os.path.exists(path), "the key remains"
    try:
        control.messages()
    except ControlError:
        print("served")


def fail():
    try:
        KmipContainer(settings={"compatibility": "Other"}, seconds=1).start()
    except TimeoutError as error:
        assert "'compatibility' cannot be 'Other'" in str(error), error
        print("failed")


{"serve": serve, "fail": fail}[sys.argv[1]]()
