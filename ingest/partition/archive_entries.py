"""What the tables of contents of archives leave open: in which encoding names are, and whether the
end is there.
"""

import tarfile
import zipfile

from ingest.partition.encodings import likeliest_encoding

_NAME_ENCODINGS = (
    "cp437", "cp850", "cp866", "gb18030", "cp932", "big5hkscs", "cp949", "cp852",
)  # fmt: skip
_UNICODE_NAME = 0x800  # the flag of a zip entry whose name is UTF-8


def name_of_entry(entry: zipfile.ZipInfo) -> str:
    """The name of a file in a zip archive, whatever encoding the program used that packed it."""
    if has_plain_name(entry):
        return entry.filename
    data = entry.filename.encode("cp437", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(likeliest_encoding(data, _NAME_ENCODINGS), "replace")


def has_plain_name(entry: zipfile.ZipInfo) -> bool:
    """Whether everybody reads the same in its name."""
    return bool(entry.flag_bits & _UNICODE_NAME) or entry.filename.isascii()


def has_tar_end(archive: tarfile.TarFile, size: int) -> bool:
    """Whether the mark stands behind the last file of a tar that was read to its end.

    Without it the archive was cut, perhaps between two files, which no reader notices.
    """
    return archive.offset + tarfile.BLOCKSIZE <= size
