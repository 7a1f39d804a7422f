"""What the numbers mean that a board refuses with.

Source: the error codes of Zephyr's MCUmgr (mgmt/mgmt_defines.h, grp/img_mgmt/img_mgmt.h).
"""

from __future__ import annotations

from typing import Any

from smp.error import MGMT_ERR
from smp.header import GroupId
from smp.image_management import IMG_MGMT_ERR

from edged.core.errors import BoardRefused, ImageFault
from edged.mcu import messages

_SHARED = {
    MGMT_ERR.EUNKNOWN: "it failed, and does not say why",
    MGMT_ERR.ENOMEM: "it has no memory for that",
    MGMT_ERR.EINVAL: "it cannot use what it was given",
    MGMT_ERR.ETIMEOUT: "it took too long",
    MGMT_ERR.ENOENT: "it has no such thing",
    MGMT_ERR.EBADSTATE: "not in the state that it is in",
    MGMT_ERR.EMSGSIZE: "the answer would be too long",
    MGMT_ERR.ENOTSUP: "it cannot do that",
    MGMT_ERR.ECORRUPT: "what it was given is damaged",
    MGMT_ERR.EBUSY: "it is busy",
    MGMT_ERR.EACCESSDENIED: "it may not do that",
    MGMT_ERR.UNSUPPORTED_TOO_OLD: "it speaks a newer version of the protocol only",
    MGMT_ERR.UNSUPPORTED_TOO_NEW: "it speaks an older version of the protocol only",
}

_IMAGE = {
    IMG_MGMT_ERR.NO_IMAGE: "there is no such image",
    IMG_MGMT_ERR.INVALID_TLV: "the image has no signature that it trusts",
    IMG_MGMT_ERR.HASH_NOT_FOUND: "it holds no image with that hash",
    IMG_MGMT_ERR.NO_FREE_SLOT: "no slot is free for it, or not now",
    IMG_MGMT_ERR.FLASH_WRITE_FAILED: "its flash cannot be written",
    IMG_MGMT_ERR.FLASH_ERASE_FAILED: "its flash cannot be erased",
    IMG_MGMT_ERR.INVALID_IMAGE_HEADER: "the image is malformed",
    IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC: "that is no image, or of a kind that it does not take",
    IMG_MGMT_ERR.INVALID_HASH: "the image arrived damaged",
    IMG_MGMT_ERR.INVALID_FLASH_ADDRESS: "the image is linked for another address than this board runs it at",
    IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER: "that would be a downgrade",
    IMG_MGMT_ERR.INVALID_IMAGE_VECTOR_TABLE: "the image is made for another board",
    IMG_MGMT_ERR.INVALID_IMAGE_TOO_LARGE: "the image is larger than its slot",
    IMG_MGMT_ERR.INVALID_IMAGE_DATA_OVERRUN: "more was sent than was announced",
    IMG_MGMT_ERR.IMAGE_CONFIRMATION_DENIED: "what runs has not passed its self-test",
    IMG_MGMT_ERR.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED: "that image runs already",
}

_IMAGE_HINTS = {
    IMG_MGMT_ERR.INVALID_TLV: "Sign it with the key whose public half is in the board's loader, and change nothing after that.",
    IMG_MGMT_ERR.INVALID_IMAGE_HEADER: "`edged mcu sign` makes an image that it takes.",
    IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC: "`edged mcu sign` makes an image that it takes.",
    IMG_MGMT_ERR.INVALID_HASH: "Sign it anew, or try another cable.",
    IMG_MGMT_ERR.INVALID_FLASH_ADDRESS: "Build it for this board, and sign it without --load-address beside its .elf.",
    IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER: "Sign a newer one, with a --counter at least as high as the board's.",
    IMG_MGMT_ERR.INVALID_IMAGE_VECTOR_TABLE: "Build or sign it for this board.",
    IMG_MGMT_ERR.INVALID_IMAGE_TOO_LARGE: "Take a smaller one.",
}
"""For what no repetition changes."""

FOR_GOOD: dict[int, ImageFault] = {
    IMG_MGMT_ERR.INVALID_TLV: "wrong key",
    IMG_MGMT_ERR.INVALID_FLASH_ADDRESS: "wrong board",
    IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER: "downgrade",
    IMG_MGMT_ERR.INVALID_IMAGE_VECTOR_TABLE: "wrong board",
}
"""What a board says of an image that arrived whole: the same bytes would be refused again."""

_OURS = {
    1: "something is missing of what it was given",
    2: "what it was given is malformed",
    3: "a checksum does not match",
    4: "it does not do that",
    5: "that is too large for it",
    6: "that is out of range",
    7: "not in the state that it is in",
    8: "no signature that it trusts",
    9: "a downgrade",
    10: "made for another board",
    11: "its flash failed",
    12: "there is no such thing",
    13: "a golden vector came out otherwise",
}
"""As firmware/core/result.h numbers them."""

_HINTS = {
    MGMT_ERR.ENOTSUP: "Does a firmware of edged run on it? `edged mcu flash --tool mcuboot` flashes others that have MCUboot.",
    MGMT_ERR.EBUSY: "Try again.",
}


def fault_of(error: BoardRefused) -> ImageFault | None:
    """What is wrong with the image itself, where that was refused, which no repetition mends."""
    return FOR_GOOD.get(error.code) if error.group == GroupId.IMAGE_MANAGEMENT else None


def refused(request: Any, group: int | None, code: int) -> BoardRefused:
    """The error for an answer; ``group`` is None where the code is one that all groups share."""
    what = type(request).__name__.removesuffix("Write").removesuffix("Read")
    if group == GroupId.IMAGE_MANAGEMENT:
        named = IMG_MGMT_ERR(code) if code in list(IMG_MGMT_ERR) else IMG_MGMT_ERR.UNKNOWN
        told = _IMAGE.get(named, f"code {code} of its image group")
        return BoardRefused(f"the board refuses {what}: {told}", hint=_IMAGE_HINTS.get(named, ""), code=code, group=group)
    if group == messages.GROUP:
        return BoardRefused(f"the board refuses {what}: {_OURS.get(code, f'status {code}')}", code=code, group=group)
    known = MGMT_ERR(code) if code in list(MGMT_ERR) else None
    why = _SHARED.get(known) if known is not None else None
    hint = _HINTS.get(known, "") if known is not None else ""
    return BoardRefused(f"the board refuses {what}: {why or f'code {code}'}", hint=hint, code=code, group=group)
