"""A client comes in and asks for what there is, as applications of Flask-SocketIO do."""

import re

from harness import Client, register

CODE = r"[A-Z0-9]{8}"

token = register("ann")
client = Client().connect(token)
client.travels()
assert client.expect("server_response") == {"message": "Connected as ann"}
welcome = client.expect("welcome")
assert welcome["session"] == client.sio.get_sid()
assert welcome["user"]["username"] == "ann"

client.sio.emit("get_secret")
message = client.expect("secret_message")["message"]
assert re.fullmatch(rf"ann, .+ \[Secret Code: {CODE}\]", message), message
# The acknowledgement comes with the event, not in its place.
called = client.call("get_secret")
assert re.fullmatch(rf"ann, .+ \[Secret Code: {CODE}\]", called["message"]), called
assert client.expect("secret_message") == called

client.sio.emit("secret")
secret = client.expect("secret")
assert secret["message"].startswith("ann, ") and re.fullmatch(CODE, secret["code"]), secret
secret = client.call("secret", {"id": 7})
assert secret["id"] == 7 and re.fullmatch(CODE, secret["code"]), secret

error = client.call("nothing", {"file": b"\x00\xff\x1e"})
assert (error["type"], error["code"]) == ("error", "unknown_type"), error
client.sio.emit("nothing")
assert client.expect("error")["code"] == "unknown_type"

[session] = client.call("sessions")["sessions"]
assert (session["id"], session["carrier"]) == (client.sio.get_sid(), "socketio"), session
