"""The first volume, NTFS: what is on Mira's Windows workstation."""

from maker import browser, documents, pictures, texts, windows
from maker.item import Item, at, folders

USER = "/Users/mira"
CHROME = f"{USER}/AppData/Local/Google/Chrome/User Data/Default"
BIN = "/$Recycle.Bin/S-1-5-21-1000000001-1000000002-1000000003-1001"
NTFS_LABEL = "WORKSTATION"
NTFS_SERIAL = 0x20260302_5E1F0900  # Windows shows, and shortcuts keep, the lower half


def workstation() -> list[Item]:
    """NTFS: Mira's Windows profile."""
    tree = folders(
        *(f"{USER}/Documents", f"{USER}/Downloads", f"{USER}/Pictures", f"{USER}/Mail", CHROME, BIN),
        f"{USER}/AppData/Roaming/Microsoft/Windows/Recent",
    )
    next(item for item in tree if item.path == f"{USER}/Downloads").streams["routing"] = (
        f"the {texts.MEETING} folder, not a download".encode()
    )
    return [*tree, *_papers(), *_downloads(), *_traces(), *_names(), *_deleted_papers(), *_overwritten_pair()]


def _overwritten_pair() -> list[Item]:
    lost, taker = f"{USER}/Documents/price-list-2024.csv", f"{USER}/Pictures/oven-door.bmp"
    return [
        Item(lost, texts.price_list(1030), at(0, "09:00:00"), deleted=at(2, "16:00:00"), overwritten_by=taker),
        Item(taker, pictures.bmp(96, 72, pictures.card), at(0, "09:05:00"), filled=at(3, "10:00:00")),
    ]


def _papers() -> list[Item]:
    born = at(0, "10:00:00")
    plan, plan_parts = documents.docx(
        ["Plan for the spring", f"Move {texts.CODE_NAME} to the new kitchen.", texts.CAKE], "Mira Holloway", born
    )
    prices, prices_parts = documents.xlsx(
        [["item", "price"], [texts.CAKE, "4.80"], ["rye loaf", "3.20"]], "Tomasz Wren", born
    )
    letter, letter_parts = documents.odt([f"Dear Tomasz, the {texts.BOX} arrived."], "Mira Holloway", born)
    web = f"<html><head><meta charset='utf-8'><title>{texts.CAKE}</title></head><body><p>menu</p></body></html>\n"
    message = texts.mail(
        *(texts.MIRA, texts.RIVAL, "the parcel", "Tue, 03 Mar 2026 18:20:00 +0000"),
        f"It is done. Ring {texts.PHONE}.\n",
        ("parcel.zip", documents.pack({"label.txt": f"{texts.BOX} 2 of 2\n".encode()}, born)),
    )
    documents_folder = f"{USER}/Documents"
    return [
        Item(f"{documents_folder}/kitchen notes.txt", texts.NOTES.encode() * 4, born, slack=texts.slack("ntfs")),
        Item(f"{documents_folder}/spring plan.docx", plan, born + 60, inside=plan_parts),
        Item(f"{documents_folder}/prices.xlsx", prices, born + 120, inside=prices_parts),
        Item(f"{documents_folder}/letter.odt", letter, born + 180, inside=letter_parts),
        Item(
            f"{documents_folder}/contract.pdf",
            _contract(),
            born + 240,
        ),
        Item(f"{documents_folder}/menu.html", web.encode(), born + 300),
        Item(
            f"{documents_folder}/menu-1252.txt",
            f"Today: {texts.CAKE}, caf\u00e9, \u20ac4.80\r\n".encode("cp1252") * 50,
            born + 360,
            note="Windows-1252",
        ),
        Item(
            f"{documents_folder}/todo-unicode.txt",
            b"\xff\xfe" + (texts.COPY_LIST + texts.CAKE + "\n" + texts.RUSSIAN).encode("utf-16-le") * 3,
            born + 420,
            note="UTF-16LE with byte order mark",
        ),
        Item(
            f"{documents_folder}/BitLocker Recovery Key.txt",
            texts.bitlocker_note(),
            born + 480,
            facts={"looks_like": "BitLocker recovery key"},
        ),
        Item(
            f"{documents_folder}/safe.kdbx",
            texts.password_safe(),
            born + 540,
            facts={"looks_like": "KeePass database"},
            note="noise behind the header",
        ),
        Item(
            f"{USER}/Mail/the parcel.eml",
            message,
            at(1, "18:20:00"),
            inside=_parcel(born),
            facts={"subjects": ["the parcel"]},
        ),
    ]


def _contract() -> bytes:
    return documents.pdf(["Contract of employment", f"Mira Holloway keeps {texts.CODE_NAME} secret."], "Contract")


def _parcel(born: int) -> dict[str, bytes]:
    inner = {"label.txt": f"{texts.BOX} 2 of 2\n".encode()}
    return {"parcel.zip": documents.pack(inner, born), **{f"parcel.zip!{name}": data for name, data in inner.items()}}


_OFFER = {"note.txt": f"{texts.BOX} in the offer\n".encode() * 8}


def _downloads() -> list[Item]:
    born = at(1, "12:00:00")
    origin = {"Zone.Identifier": windows.zone_identifier("https://example.org/jobs", "https://example.org/jobs/1.zip")}
    inner = documents.pack({"deep.txt": f"{texts.BOX} two levels down\n".encode() * 3}, born)
    secret = f"{texts.BOX} behind a password\n".encode() * 4
    hidden = {"members.txt": f"{texts.BOX} in a picture that is none\n".encode()}
    folder = f"{USER}/Downloads"
    return [
        Item(f"{folder}/offer.zip", documents.pack(_OFFER, born), born, streams=origin, inside=_OFFER),
        Item(
            f"{folder}/nested.zip",
            documents.pack({"inner.zip": inner, "readme.txt": b"see inner\n"}, born),
            born + 60,
            streams=origin,
            inside={
                "inner.zip": inner,
                "inner.zip!deep.txt": f"{texts.BOX} two levels down\n".encode() * 3,
                "readme.txt": b"see inner\n",
            },
        ),
        Item(
            f"{folder}/locked.zip",
            documents.locked_zip("secret.txt", secret, "kneading", born),
            born + 120,
            inside={"secret.txt": secret},
            password="kneading",
        ),
        Item(
            f"{folder}/team-photo.jpg",
            documents.pack(hidden, born),
            born + 180,
            inside=hidden,
            facts={"looks_like": "zip"},
            note="a zip file with a picture's name",
        ),
        Item(
            f"{folder}/readme.txt",
            b"Nothing to see here.\n" * 60,
            born + 240,
            streams={"ledger": f"{texts.CODE_NAME} sold for 900 pounds\n".encode() * 40},
        ),
    ]


def _traces() -> list[Item]:
    when = at(1, "11:00:00")
    thrown, parts = documents.docx(["Letter of resignation", f"I never saw {texts.CODE_NAME}."], "Mira Holloway", when)
    folder, name = "C:\\Users\\mira\\Documents", "resignation.docx"
    thrown_at = at(2, "15:30:00")
    shown = len(_contract()), when, when, NTFS_LABEL, NTFS_SERIAL & 0xFFFFFFFF
    link = windows.shortcut(f"{folder}\\contract.pdf", *shown)
    return [
        *_history(when),
        Item(
            f"{USER}/AppData/Roaming/Microsoft/Windows/Recent/contract.pdf.lnk",
            link,
            when + 300,
            facts={"target": f"{folder}\\contract.pdf", "target_size": shown[0], "drive_serial": "5e1f0900"},
        ),
        Item(
            f"{BIN}/$IA1B2C3.docx",
            windows.recycled(f"{folder}\\{name}", len(thrown), thrown_at),
            thrown_at,
            facts={"original": f"{folder}\\{name}", "original_size": len(thrown), "thrown": "2026-03-04T15:30:00Z"},
        ),
        Item(f"{BIN}/$RA1B2C3.docx", thrown, when + 600, inside=parts),
        Item(f"{USER}/Pictures/test card.png", _png(), when + 900),
        Item(f"{USER}/Pictures/copy of test card.png", _png(), when + 960, note="same content as test card.png"),
    ]


def _png() -> bytes:
    return pictures.png(96, 64, pictures.card, "test card")


def _history(when: int) -> list[Item]:
    committed = [
        browser.Visit(when, "https://example.com/careers", "Crumb & Co - careers"),
        browser.Visit(when + 90, "https://example.org/search?q=starter+culture", "starter culture"),
    ]
    pending = [browser.Visit(when + 7200, "https://example.com/lay-by", f"The {texts.MEETING} lay-by on the map")]
    size = len(documents.pack(_OFFER, at(1, "12:00:00")))
    target = "C:\\Users\\mira\\Downloads\\offer.zip"
    download = browser.Download(when + 3600, "https://example.org/jobs/1.zip", target, size, "application/zip")
    main, log = browser.history(committed, pending, download)
    facts = {
        "visits": [visit.address for visit in committed],
        "visits_in_wal_only": [visit.address for visit in pending],
        "downloads": [download.address],
    }
    return [
        Item(f"{CHROME}/History", main, when, facts=facts, note="the newest visit stands in History-wal only"),
        Item(f"{CHROME}/History-wal", log, when + 7200),
    ]


def _names() -> list[Item]:
    born = at(1, "14:00:00")
    names = (
        "\u0440\u0435\u0446\u0435\u043f\u0442.txt",  # Cyrillic
        "\u914d\u65b9.txt",  # Chinese
        "br\u00fbl\u00e9e.txt",  # composed
        "bru\u0302le\u0301e.txt",  # the same letters, decomposed
        "invoice\u202efdp.txt",  # right-to-left override: shows as "invoicetxt.pdf"
        "\U0001f35e.txt",  # outside the BMP: a surrogate pair on NTFS
    )
    made = [
        Item(f"{USER}/Documents/{name}", f"name test {number}\n".encode(), born + number)
        for number, name in enumerate(names)
    ]
    made[0].data = texts.RUSSIAN.encode()
    return made


def _deleted_papers() -> list[Item]:
    born, gone = at(1, "15:00:00"), at(3, "16:05:00")
    offer, parts = documents.docx(["Offer", f"Crumb & Co pays for {texts.CODE_NAME}."], "Crumb & Co", born)
    return [
        Item(f"{USER}/Documents/offer letter.docx", offer, born, deleted=gone, inside=parts),
        Item(f"{USER}/Documents/copy list.txt", texts.COPY_LIST.encode() * 9, born + 60, deleted=gone + 30),
        Item(
            f"{USER}/Documents/tiny.txt",
            f"{texts.OVEN} tiny\n".encode(),
            born + 120,
            deleted=gone + 60,
            note="resident: the content lies in the MFT record",
        ),
    ]
