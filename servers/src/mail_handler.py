"""What the mail server does with what it is told: keeps letters, refuses some recipients."""

import base64
import itertools
import os
import re

from aiosmtpd.smtp import AuthResult


class Keeper:
    def __init__(self, folder, password):
        self.folder = folder
        self.password = password
        self.numbers = itertools.count(len(os.listdir(folder)))

    @classmethod
    def from_cli(cls, parser, *arguments):
        return cls(*arguments)

    async def auth_PLAIN(self, server, arguments):
        if len(arguments) != 2:
            return AuthResult(success=False)
        _, user, password = base64.b64decode(arguments[1]).decode().split("\0")
        known = (user, password) == ("post", self.password)
        return AuthResult(success=known, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = re.match(r"([45]\d\d)-(data-)?([45]\.\d\.\d)?", address)
        if refusal and not refusal[2]:
            return f"{refusal[1]} {refusal[3] or ''} not to {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            refusal = re.match(r"([45]\d\d)-data-", address)
            if refusal:
                return f"{refusal[1]} not this letter"
        head = [f"from {envelope.mail_from}"]
        head += [f"to {address}" for address in envelope.rcpt_tos]
        if session.authenticated:
            head.append("authenticated")
        path = os.path.join(self.folder, f"{next(self.numbers):06}")
        with open(path, "wb") as file:
            file.write("\n".join(head).encode() + b"\n\n" + envelope.original_content)
        # Whole before it has its name.
        os.rename(path, path + ".letter")
        return "250 OK"
