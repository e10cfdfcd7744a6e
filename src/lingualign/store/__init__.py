"""What is kept on disk: files and folders written whole or not at all, records read back strictly, and locks.

`whole_file` and `whole_folder` are there whole or not at all, whenever the process is killed; `file_damage` and
`folder_damage` find what a disk has changed since. `write_record` and `read_record` keep a dataclass as JSON,
`write_checked` and `read_checked` a head with bytes under one checksum. `taking_turns` lets one process after the other
into a block, `alone` only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.store.files import (
        cache_folder,
        check_name,
        check_regular,
        check_writable,
        discard,
        file_damage,
        is_plain_name,
        named,
        sha256_of,
        whole_file,
        write_atomically,
        writing_result,
    )
    from lingualign.store.folders import (
        UNFINISHED,
        folder_damage,
        follow_umask,
        remove_folder,
        replaced_folder,
        whole_folder,
    )
    from lingualign.store.locks import alone, taking_turns
    from lingualign.store.records import (
        FormatError,
        build_record,
        read_checked,
        read_json,
        read_record,
        write_checked,
        write_record,
    )

__all__ = [
    "UNFINISHED",
    "FormatError",
    "alone",
    "build_record",
    "cache_folder",
    "check_name",
    "check_regular",
    "check_writable",
    "discard",
    "file_damage",
    "folder_damage",
    "follow_umask",
    "is_plain_name",
    "named",
    "read_checked",
    "read_json",
    "read_record",
    "remove_folder",
    "replaced_folder",
    "sha256_of",
    "taking_turns",
    "whole_file",
    "whole_folder",
    "write_atomically",
    "write_checked",
    "write_record",
    "writing_result",
]

lazy_face(__name__)
