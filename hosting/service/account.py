"""Whose the data is: commands that are run as root become that account before they touch it.

A file that root made in the data folder, were it only the database's lock, would be one that the service cannot open.
"""

from __future__ import annotations

import os
from pathlib import Path

from hosting.errors import HostingError

_PRIVATE = 0o077


def become_owner(data: Path) -> None:
    """Make this process its owner's, for good. Raises HostingError for one who is neither root nor the owner.

    Root stays root where the folder is root's own: an image under construction has no other account.
    """
    os.umask(_PRIVATE)
    try:
        owner = data.stat()
    except OSError as error:
        raise HostingError(f"the data folder {data} cannot be used: {error.strerror}") from None
    if owner.st_uid == os.geteuid():
        return
    if os.geteuid() != 0:
        raise HostingError(f"the data folder {data} is not yours: run this command as root, or as its owner")
    import pwd

    try:
        account = pwd.getpwuid(owner.st_uid)
    except KeyError:
        raise HostingError(f"the owner of {data} is no account of this machine (uid {owner.st_uid})") from None
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(owner.st_uid)
    os.environ["HOME"] = str(data)  # not root's, whose folders are closed now
