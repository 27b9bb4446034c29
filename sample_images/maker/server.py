"""The third volume, ext4: Tomasz's shop server."""

from maker import texts
from maker.item import Item, at, folders


def server() -> list[Item]:
    """ext4: Tomasz's shop server."""
    tree = folders(
        *("/home/tomasz/.ssh", "/home/tomasz/odd names", "/var/mail", "/var/log/nginx", "/srv/images"),
        born=at(0, "08:50:00"),
    )
    born, gone = at(0, "20:00:00"), at(3, "22:00:00")
    box = texts.mailbox(
        [
            ("Mon Mar  2 20:00:00 2026", _letter("stock", "Mon, 02 Mar 2026 20:00:00 +0000", "Rye is low.\n")),
            (
                "Tue Mar  3 07:30:00 2026",
                _letter(
                    "culture", "Tue, 03 Mar 2026 07:30:00 +0000", f"Who fed {texts.CODE_NAME}?\nFrom now on I do it.\n"
                ),
            ),
            (
                "Wed Mar  4 09:10:00 2026",
                _letter("missing", "Wed, 04 Mar 2026 09:10:00 +0000", f"The jar is gone. Call {texts.PHONE}.\n"),
            ),
        ]
    )
    home = "/home/tomasz"
    return [
        *tree,
        Item("/var/mail/tomasz", box, born, facts={"subjects": ["stock", "culture", "missing"]}),
        Item("/var/log/nginx/access.log", texts.access_log(400), born + 60),
        Item(
            f"{home}/.ssh/id_ed25519",
            texts.private_key(),
            born + 120,
            facts={"looks_like": "OpenSSH private key"},
            note="noise between the lines of a key file",
        ),
        Item(f"{home}/.bash_history", f"ls /srv\ngrep -r {texts.OVEN} /var/log\nexit\n".encode(), born + 180),
        Item(
            "/srv/images/sparse.img",
            f"{texts.OVEN} after the hole\n".encode() * 20,
            born + 240,
            hole=1 << 20,
            note="the hole is not stored",
        ),
        Item(f"{home}/recipe.txt", f"{texts.CAKE}\n{texts.LEAVEN}\n".encode() * 5, born + 300),
        Item(f"{home}/recipe-again.txt", kind="hardlink", target=f"{home}/recipe.txt", born=born + 360),
        Item(f"{home}/latest", kind="symlink", target="recipe.txt", born=born + 420),
        Item(
            f"{home}/far",
            kind="symlink",
            target="/srv/" + "long/" * 20 + "way",
            born=born + 480,
            note="more than 59 bytes: the target has a block of its own",
        ),
        *_odd_names(f"{home}/odd names", born + 600),
        Item(
            f"{home}/diary.txt",
            f"Mira asked about {texts.CODE_NAME} again.\n".encode() * 60,
            born + 900,
            deleted=gone,
            note="deleted, block map left in place",
        ),
        Item(
            f"{home}/wiped.txt",
            f"{texts.MEETING} at nine, bring the jar.\n".encode() * 60,
            born + 960,
            deleted=gone + 60,
            cleared=True,
            note="deleted as Linux does it: size and block map are cleared, the blocks are not",
        ),
    ]


def _letter(subject: str, date: str, text: str) -> bytes:
    return texts.mail(texts.MIRA, texts.TOMASZ, subject, date, text)


def _odd_names(folder: str, born: int) -> list[Item]:
    names = (
        b"caf\xe9.txt".decode("utf-8", "surrogateescape"),  # Latin-1: no valid UTF-8
        "<img src=x onerror=alert(1)>.txt",
        "=cmd.txt",
        "\x1b[31mred.txt",  # turns a terminal red
        "tab\there.txt",
        "back\\slash.txt",
        "100%!#~:.txt",
        "  spaces  ",
    )
    return [Item(f"{folder}/{name}", f"odd name {n}\n".encode(), born + n) for n, name in enumerate(names)]
