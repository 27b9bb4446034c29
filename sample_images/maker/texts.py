"""The story's words: who is who, the search terms, and the longer texts.

Everybody and everything is invented. Addresses end in example.org or example.com (RFC 2606), telephone numbers are
from the ranges that Ofcom keeps for drama: 07700 900000 to 900999 and 01632 960000 to 960999.
"""

import base64
import random
from email.message import EmailMessage
from email.policy import SMTP

MIRA = "mira.holloway@example.org"
TOMASZ = "tomasz.wren@example.org"
RIVAL = "orders@example.com"

#: What an examiner would search for. Written the same way wherever it occurs, so that counts are exact.
CODE_NAME = "SILVERMOTH"  # the starter culture that was stolen
CAKE = "Cr\u00e8me Z\u00e9phyrine"
LEAVEN = "\u0437\u0430\u043a\u0432\u0430\u0441\u043a\u0430"  # Russian: leaven
OVEN = "KILN-4471"
MEETING = "OVENGATE"
BOX = "PROOFBOX"
PHONE = "07700 900142"
TERMS = (CODE_NAME, CAKE, LEAVEN, OVEN, MEETING, BOX, PHONE)

NOTES = f"""Riverbend Bakery - kitchen notes

Monday: fed {CODE_NAME} at 06:00, rye only, 27 degrees.
{CAKE}: fold, rest, fold. Never write the ratio down.
Tuesday: Tomasz keeps the culture book in the blue tin.
Supplier rang from {PHONE}.
"""

COPY_LIST = f"""what to take before friday
1. culture book, photographed
2. price list
3. {CODE_NAME} jar (small one)
meet at the {MEETING} lay-by, ring {PHONE}
"""

RUSSIAN = (
    f"\u0420\u0435\u0446\u0435\u043f\u0442\n{LEAVEN}: 2 \u0434\u043d\u044f, "
    "24 \u0433\u0440\u0430\u0434\u0443\u0441\u0430\n"
)


def bitlocker_note() -> bytes:
    """A recovery-key file as Windows saves it (UTF-16LE); the key has the right form and opens nothing."""
    groups = "-".join(f"{number * 11:06d}" for number in (10101, 20202, 30303, 40404, 50505, 60606, 11121, 21222))
    text = (
        "BitLocker Drive Encryption recovery key \n\nTo verify that this is the correct recovery key, compare the "
        "start of the following identifier with the identifier value displayed on your PC.\n\nIdentifier:\n\n\t"
        f"00000000-1111-4222-8333-444444444444\n\nRecovery Key:\n\n\t{groups}\n"
    )
    return b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le")


def private_key() -> bytes:
    """The outside of an OpenSSH private key around noise: no tool can load it."""
    # Put together here so that no scanner takes this source file for a leaked key.
    edge = "-----{} OPENSSH PRIVATE " + "KEY-----"
    body = base64.b64encode(b"openssh-key-v1\0" + random.Random(7).randbytes(180)).decode()
    lines = [body[place : place + 70] for place in range(0, len(body), 70)]
    return "\n".join([edge.format("BEGIN"), *lines, edge.format("END"), ""]).encode()


def password_safe() -> bytes:
    """The header of a KeePass 2 database and noise. Source: KeePass "KDBX 4" format, signatures and version."""
    return bytes.fromhex("03d9a29a67fb4bb5") + b"\x00\x00\x04\x00" + random.Random(11).randbytes(2036)


def mail(
    sender: str, to: str, subject: str, date: str, text: str, attachment: tuple[str, bytes] | None = None
) -> bytes:
    """One message with fixed ids. Args: date: as in the header (RFC 5322)."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"], message["Date"] = sender, to, subject, date
    message["Message-ID"] = f"<{sum(subject.encode()):06d}.1@example.org>"
    message.set_content(text)
    if attachment:
        name, data = attachment
        message.add_attachment(data, maintype="application", subtype="zip", filename=name)
        message.set_boundary("=_riverbend_1")
    return message.as_bytes()


def mailbox(messages: list[tuple[str, bytes]]) -> bytes:
    """An mbox (RFC 4155). Args: messages: the date of the ``From`` line and the message."""
    out = b""
    for date, message in messages:
        body = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
        out += f"From {MIRA} {date}\n".encode("ascii") + body.rstrip(b"\n") + b"\n\n"
    return out


def price_list(rows: int) -> bytes:
    """A comma-separated list."""
    rng = random.Random(3)
    lines = ["item,unit,price_pence"]
    lines += [f"loaf {number:04d},each,{rng.randrange(120, 900)}" for number in range(rows)]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def access_log(rows: int) -> bytes:
    """A web server's log; addresses from the documentation range 192.0.2.0/24 (RFC 5737)."""
    rng = random.Random(5)
    return b"".join(
        b'192.0.2.%d - - [03/Mar/2026:%02d:%02d:00 +0000] "GET /shop/%d HTTP/1.1" 200 %d "-" "-"\n'
        % (rng.randrange(1, 255), number // 60 % 24, number % 60, rng.randrange(400), rng.randrange(200, 9000))
        for number in range(rows)
    )


def slack(where: str) -> bytes:
    """What is written behind the content of a file."""
    return f"[{OVEN} left in {where} slack]".encode()
