"""The type of a content by libmagic, and whether its name claims another one."""

from typing import Any

from forensic_kit.api import Identifier, Identity

# What a name's extension claims, as the types that libmagic gives for such files. Only extensions whose files
# have a fixed form are here: for the others a disagreement says nothing.
_CLAIMS: dict[str, tuple[str, ...]] = {
    "jpg": ("image/jpeg",),
    "jpeg": ("image/jpeg",),
    "png": ("image/png",),
    "gif": ("image/gif",),
    "bmp": ("image/bmp", "image/x-ms-bmp"),
    "tif": ("image/tiff",),
    "tiff": ("image/tiff",),
    "webp": ("image/webp",),
    "heic": ("image/heic", "image/heif"),
    "ico": ("image/vnd.microsoft.icon", "image/x-icon"),
    "psd": ("image/vnd.adobe.photoshop",),
    "mp4": ("video/mp4", "video/quicktime", "video/x-m4v", "audio/mp4"),
    "mov": ("video/quicktime", "video/mp4"),
    "avi": ("video/x-msvideo",),
    "mkv": ("video/x-matroska", "video/webm"),
    "webm": ("video/webm", "video/x-matroska"),
    "wmv": ("video/x-ms-asf",),
    "mp3": ("audio/mpeg",),
    "wav": ("audio/x-wav", "audio/wav"),
    "flac": ("audio/flac", "audio/x-flac"),
    "m4a": ("audio/x-m4a", "audio/mp4", "video/mp4"),
    "pdf": ("application/pdf",),
    "rtf": ("text/rtf", "application/rtf"),
    "doc": ("application/msword", "application/cdfv2", "application/x-ole-storage", "text/rtf", "application/rtf"),
    "xls": ("application/vnd.ms-excel", "application/cdfv2", "application/x-ole-storage"),
    "ppt": ("application/vnd.ms-powerpoint", "application/cdfv2", "application/x-ole-storage"),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip"),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip"),
    "pptx": ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/zip"),
    "odt": ("application/vnd.oasis.opendocument.text", "application/zip"),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet", "application/zip"),
    "zip": ("application/zip", "application/java-archive"),
    "7z": ("application/x-7z-compressed",),
    "rar": ("application/x-rar",),
    "gz": ("application/gzip", "application/x-gzip"),
    "tgz": ("application/gzip", "application/x-gzip"),
    "bz2": ("application/x-bzip2",),
    "xz": ("application/x-xz",),
    "exe": ("application/x-dosexec", "application/vnd.microsoft.portable-executable"),
    "dll": ("application/x-dosexec", "application/vnd.microsoft.portable-executable"),
    "sqlite": ("application/vnd.sqlite3", "application/x-sqlite3"),
    "pst": ("application/vnd.ms-outlook",),
    "evtx": ("application/x-ms-evtx", "application/octet-stream"),
}


class LibMagic(Identifier, api=1):
    """MIME types by libmagic.

    Limits: sees the first 64 KiB; a type that is only told by later bytes is not found.
    """

    name, version = "filetype", "1.0"
    source = "libmagic's own database (the one pylibmagic ships, so that every machine gives the same answer)"
    limits = (
        "The type is told from the first 64 KiB.",
        "An extension mismatch is only told for extensions whose files have a fixed form.",
    )
    _magic: Any = None

    def identify(self, head: bytes, name: str, known: str = "") -> Identity:
        if not head:
            return Identity("inode/x-empty")
        mime = known or self._library().from_buffer(head)
        extension = name.rsplit(".", 1)[-1].lower() if "." in name else ""
        claimed = _CLAIMS.get(extension)
        if claimed is None or mime.lower() in claimed:
            return Identity(mime)
        return Identity(mime, claimed[0])

    def _library(self) -> Any:
        if self._magic is None:
            # First, so that python-magic finds the library that comes with it before any of the system's.
            import pylibmagic  # noqa: F401, I001
            import magic

            self._magic = magic.Magic(mime=True)
        return self._magic
