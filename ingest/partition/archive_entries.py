"""What the tables of contents of archives leave open: whether the end is there."""

import tarfile


def has_tar_end(archive: tarfile.TarFile, size: int) -> bool:
    """Whether the mark stands behind the last file of a tar that was read to its end.

    Without it the archive was cut, perhaps between two files, which no reader notices.
    """
    return archive.offset + tarfile.BLOCKSIZE <= size
