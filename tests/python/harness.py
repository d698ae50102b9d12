"""What every scenario of python-socketio stands on: clients that keep what happens to them.

The client handles each message in a thread of its own, so two that follow each other may come in either order: events are
waited for by name.
"""

import os
import queue
import sys
from collections import defaultdict

import requests
import socketio

# What goes wrong is shown with the test.
sys.stderr = sys.stdout

URL = f"http://{os.environ['DOORWARD_ADDRESS']}"
PASSWORD = "correct horse battery staple 9"

# How the client comes in; its default is to begin with the one and change to the other.
CARRIER = sys.argv[1]
TRANSPORTS = None if CARRIER == "upgrade" else [CARRIER]

# Long enough for a busy machine; what takes this long has failed.
PATIENCE = 30


def api(path, token=None, **body):
    """Posts to the HTTP API; the answer must be good."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    response = requests.post(f"{URL}/api/{path}", json=body or None, headers=headers, timeout=PATIENCE)
    assert response.ok, f"{path}: {response.status_code} {response.text}"
    return response.json() if response.text else None


def register(username):
    return api("register", username=username, password=PASSWORD)["access_token"]


def login(username):
    return api("login", login=username, password=PASSWORD)["access_token"]


class Client:
    """One client, as an application has it: reconnection is on."""

    def __init__(self):
        self.happened = defaultdict(queue.Queue)
        self.sio = socketio.Client(request_timeout=PATIENCE)
        self.sio.on("*", lambda event, *args: self.happened[event].put(args[0] if args else None))
        for event in ["connect_error", "disconnect"]:
            self.sio.on(event, self.happened[event].put)

    def connect(self, token):
        self.sio.connect(URL, auth={"token": token}, transports=TRANSPORTS, wait_timeout=PATIENCE)
        return self

    def expect(self, event):
        """The argument of the next event of this name."""
        try:
            return self.happened[event].get(timeout=PATIENCE)
        except queue.Empty:
            came = {name: list(what.queue) for name, what in self.happened.items()}
            raise AssertionError(f"{event} did not come, but {came}") from None

    def call(self, event, *args):
        """Asks with an acknowledgement."""
        return self.sio.call(event, *args, timeout=PATIENCE)

    def travels(self):
        """Whether it came as it was meant to."""
        assert self.sio.transport() == ("polling" if CARRIER == "polling" else "websocket"), self.sio.transport()

    def stays_away(self):
        """Waits until the client has ended. As long as it tries to come back, this does not return."""
        self.sio.wait()
        assert not self.sio.connected
