"""Office documents, PDF and archives, written with the standard library so that the bytes never vary."""

import datetime
import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from xml.sax.saxutils import escape

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OOXML = "http://schemas.openxmlformats.org"
Members = dict[str, bytes]


def pack(members: Members, when: int, *, store: Sequence[str] = ()) -> bytes:
    """A zip file. Args: when: time of all members, seconds since 1970; store: members that are not deflated."""
    out = io.BytesIO()
    stamp = datetime.datetime.fromtimestamp(when, datetime.UTC)
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second))
            info.compress_type = zipfile.ZIP_STORED if name in store else zipfile.ZIP_DEFLATED
            info.create_system = 0
            archive.writestr(info, data)
    return out.getvalue()


def gz(data: bytes, when: int) -> bytes:
    """A gzip file with its time stamp."""
    return gzip.compress(data, mtime=when)


def locked_zip(name: str, data: bytes, password: str, when: int) -> bytes:
    """A zip file with one member under traditional encryption.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.16 and 6.1. The twelve bytes before the data, random
    by the book, are fixed here: the same bytes each time matter more than the secrecy of an exercise.
    """
    plain = pack({name: data}, when)
    body_start = 30 + len(name)  # local header, section 4.3.7; no extra field
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        info = archive.infolist()[0]
    body = plain[body_start : body_start + info.compress_size]
    header = bytes(range(0x10, 0x1B)) + bytes([info.CRC >> 24])
    locked = _zip_cipher(header + body, password.encode("ascii"))
    size = len(locked).to_bytes(4, "little")
    flag = (1).to_bytes(2, "little")  # bit 0: encrypted
    central_start = body_start + info.compress_size
    central = plain[central_start:]
    end = central.index(b"PK\x05\x06")
    return b"".join(
        [
            *(plain[:6], flag, plain[8:18], size, plain[22:body_start], locked),
            *(central[:8], flag, central[10:20], size, central[24:end]),
            *(central[end : end + 16], (body_start + len(locked)).to_bytes(4, "little"), central[end + 20 :]),
        ]
    )


def _zip_cipher(plain: bytes, password: bytes) -> bytes:
    """Traditional PKWARE encryption, APPNOTE 6.1.5 to 6.1.7."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = _crc_step(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc_step(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in plain:
        temp = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ (temp * (temp ^ 1) >> 8 & 0xFF))
        update(byte)
    return bytes(out)


def _crc_step(crc: int, byte: int) -> int:
    # zlib.crc32 inverts before and after; the cipher's own step does not.
    return zlib.crc32(bytes([byte]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def docx(paragraphs: Sequence[str], author: str, when: int) -> tuple[bytes, Members]:
    """A Word document and its parts. Source: ECMA-376 part 1, section 17.2 and part 2."""
    body = "".join(f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
    main = f'<w:document xmlns:w="{_OOXML}/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = _office(("word/document.xml", kind, main), author, when)
    return pack(parts, when), parts


def xlsx(rows: Sequence[Sequence[str]], author: str, when: int) -> tuple[bytes, Members]:
    """An Excel workbook with one sheet of inline strings, and its parts. Source: ECMA-376 part 1, section 18."""
    main_ns = f"{_OOXML}/spreadsheetml/2006/main"
    lines = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{chr(65 + column)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            for column, cell in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    book = (
        f'<workbook xmlns="{main_ns}" xmlns:r="{_OOXML}/officeDocument/2006/relationships">'
        '<sheets><sheet name="Prices" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    parts = _office(("xl/workbook.xml", kind, book), author, when)
    sheet_kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
    types = parts["[Content_Types].xml"].replace(
        b"</Types>", f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet_kind}"/></Types>'.encode()
    )
    parts["[Content_Types].xml"] = types
    parts["xl/_rels/workbook.xml.rels"] = _relations(("worksheet", "worksheets/sheet1.xml"))
    sheet = f'<worksheet xmlns="{main_ns}"><sheetData>{lines}</sheetData></worksheet>'
    parts["xl/worksheets/sheet1.xml"] = (_XML + sheet).encode()
    return pack(parts, when), parts


def _office(main: tuple[str, str, str], author: str, when: int) -> Members:
    name, kind, xml = main
    stamp = datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    package = f"{_OOXML}/package/2006"
    types = (
        f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{name}" ContentType="{kind}"/>'
        '<Override PartName="/docProps/core.xml" '
        'ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>'
    )
    core = (
        f'<cp:coreProperties xmlns:cp="{package}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:creator>{escape(author)}</dc:creator><cp:lastModifiedBy>{escape(author)}</cp:lastModifiedBy>"
        f'<dcterms:created xsi:type="dcterms:W3CDTF">{stamp}</dcterms:created></cp:coreProperties>'
    )
    relation = f"{package}/relationships/metadata/core-properties"
    return {
        "[Content_Types].xml": (_XML + types).encode(),
        "_rels/.rels": _relations(("officeDocument", name), (relation, "docProps/core.xml")),
        "docProps/core.xml": (_XML + core).encode(),
        name: (_XML + xml).encode(),
    }


def _relations(*targets: tuple[str, str]) -> bytes:
    base = f"{_OOXML}/officeDocument/2006/relationships/"
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{kind if kind.startswith("http") else base + kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return (_XML + f'<Relationships xmlns="{_OOXML}/package/2006/relationships">{rows}</Relationships>').encode()


def odt(paragraphs: Sequence[str], author: str, when: int) -> tuple[bytes, Members]:
    """An OpenDocument text and its parts. Source: ODF 1.3 part 2, section 3; the type comes first and is stored."""
    ns = "urn:oasis:names:tc:opendocument:xmlns"
    kind = "application/vnd.oasis.opendocument.text"
    body = "".join(f"<text:p>{escape(text)}</text:p>" for text in paragraphs)
    content = (
        f'<office:document-content xmlns:office="{ns}:office:1.0" xmlns:text="{ns}:text:1.0" office:version="1.3">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    meta = (
        f'<office:document-meta xmlns:office="{ns}:office:1.0" xmlns:meta="{ns}:meta:1.0" office:version="1.3">'
        f"<office:meta><meta:initial-creator>{escape(author)}</meta:initial-creator></office:meta>"
        "</office:document-meta>"
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{ns}:manifest:1.0" manifest:version="1.3">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        '<manifest:file-entry manifest:full-path="meta.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    parts = {
        "mimetype": kind.encode(),
        "content.xml": (_XML + content).encode(),
        "meta.xml": (_XML + meta).encode(),
        "META-INF/manifest.xml": (_XML + manifest).encode(),
    }
    return pack(parts, when, store=("mimetype",)), parts


def pdf(lines: Sequence[str], title: str) -> bytes:
    """A PDF of one page of ASCII lines, not compressed. Source: ISO 32000-1, 7.5 and 9.4."""
    shown = "".join(f"({line}) Tj T*\n" for line in lines)
    stream = f"BT /F1 12 Tf 14 TL 72 760 Td\n{shown}ET".encode("ascii")
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (%s) /CreationDate (D:20260302090000Z) >>" % title.encode("ascii"),
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\n" % (len(bodies) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)
