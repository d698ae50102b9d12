"""A mail server (aiosmtpd) in one of the roles that real ones have. Says its port, then each mail that it took, as JSON."""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = b"doorward@example.org", b"p%s/#@: hunter2"

arguments = argparse.ArgumentParser()
arguments.add_argument("--tls", choices=["start", "starttls"])
arguments.add_argument("--cert")
arguments.add_argument("--key")
arguments.add_argument("--auth", action="store_true")
arguments.add_argument("--utf8", action="store_true")
arguments = arguments.parse_args()


def say(thing):
    print(json.dumps(thing), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        say({
            "helo": session.host_name,
            "user": session.authenticated and USER.decode(),
            "encrypted": session.ssl is not None or arguments.tls == "start",
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "utf8": envelope.smtp_utf8,
            "content": envelope.content.decode(),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (USER, PASSWORD), handled=False)


async def main():
    context = None
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert, arguments.key)
    starttls = context if arguments.tls == "starttls" else None

    def session():
        return SMTP(
            Handler(),
            hostname="mail.test",
            enable_SMTPUTF8=arguments.utf8,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=arguments.auth,
            # aiosmtpd knows of no TLS but its own STARTTLS.
            auth_require_tls=starttls is not None,
            authenticator=authenticate,
        )

    from_the_start = context if arguments.tls == "start" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=from_the_start)
    say({"port": server.sockets[0].getsockname()[1]})
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
