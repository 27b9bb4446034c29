"""The second volume, FAT16: the memory card of a camera."""

from maker import documents, pictures, texts
from maker.item import Item, at, folders

_EXIF_FACTS = {
    "make": "Exemplar",
    "model": "Bakecam 1",
    "taken": "2026:03:03 10:15:00",
    "latitude": 54.0,
    "longitude": -4.5,
}


def camera() -> list[Item]:
    """FAT16: the memory card."""
    tree = folders("/DCIM/100BAKE", "/\u0424\u043e\u0442\u043e", "/PRIVATE", born=at(0, "08:40:00"))
    exif = pictures.exif("Exemplar", "Bakecam 1", "2026:03:03 10:15:00", 54.0, -4.5)
    shot = pictures.jpeg(60, 45, pictures.card, exif)
    other = pictures.jpeg(48, 48, lambda x, y: (x * y) % 256, exif)
    third = pictures.jpeg(80, 60, lambda x, y: (x ^ y) * 4 % 256, exif)
    lost, taker = "/DCIM/100BAKE/IMG_0002.JPG", "/PRIVATE/ledger of deliveries.csv"
    born, gone = at(1, "10:15:00"), at(2, "17:00:00")
    return [
        *tree,
        Item(lost, other, born, deleted=gone, overwritten_by=taker, listed_as="/DCIM/100BAKE/_MG_0002.JPG"),
        Item("/DCIM/100BAKE/IMG_0001.JPG", shot, born + 60, facts=_EXIF_FACTS),
        Item(
            "/DCIM/100BAKE/IMG_0003.JPG",
            third,
            born + 120,
            deleted=gone + 60,
            listed_as="/DCIM/100BAKE/_MG_0003.JPG",
            note="short name only: the first letter is lost",
        ),
        Item(
            "/DCIM/100BAKE/culture book page 1.png",
            pictures.png(120, 90, pictures.card, f"{texts.OVEN} page"),
            born + 180,
            deleted=gone + 120,
            note="the long name survives deletion",
        ),
        Item(
            "/na\u00efve caf\u00e9.txt", f"{texts.CAKE} on a card\n".encode() * 30, born + 240, slack=texts.slack("fat")
        ),
        Item("/\u0424\u043e\u0442\u043e/readme.txt", texts.RUSSIAN.encode() * 4, born + 300),
        Item(
            "/PRIVATE/HOLIDAY.GZ",
            documents.gz(f"{texts.BOX} zipped by gzip\n".encode() * 20, born),
            born + 360,
            inside={"HOLIDAY": f"{texts.BOX} zipped by gzip\n".encode() * 20},
        ),
        Item(taker, texts.price_list(60).replace(b"loaf", b"drop"), at(3, "11:00:00"), filled=at(3, "11:00:00")),
    ]
