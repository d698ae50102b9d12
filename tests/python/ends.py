"""A wrong token does not come in, and a sign-in that ends takes its client with it."""

import socketio
from harness import PATIENCE, TRANSPORTS, URL, Client, api, login, register

token = register("ann")

refused = Client()
try:
    refused.connect(token + "x")
except socketio.exceptions.ConnectionError:
    pass
else:
    raise AssertionError("a wrong token came in")
refusal = refused.expect("connect_error")
assert " " in refusal["message"], refusal
data = refusal["data"]
assert (data["code"], data["reconnect"], data["error"]) == (4401, "never", "invalid_token"), refusal
assert isinstance(data["reason"], str)
refused.stays_away()

# A token in the address is not looked at, and the refusal says where it belongs.
refused = Client()
try:
    refused.sio.connect(f"{URL}?token={token}", transports=TRANSPORTS, wait_timeout=PATIENCE)
except socketio.exceptions.ConnectionError:
    pass
else:
    raise AssertionError("a token in the address came in")
refusal = refused.expect("connect_error")
assert refusal["message"] == 'the access token is missing: it belongs in auth, as {"token":"TOKEN"}', refusal
refused.stays_away()

client = Client().connect(token)
other = Client().connect(login("ann"))
client.expect("welcome")
client.travels()
api("logout", token)
goodbye = client.expect("goodbye")
assert goodbye == {"code": 4441, "reason": "signed out", "reconnect": "never"}, goodbye
reason = client.expect("disconnect")
assert reason == client.sio.reason.SERVER_DISCONNECT, reason
client.stays_away()

assert len(other.call("sessions")["sessions"]) == 1
