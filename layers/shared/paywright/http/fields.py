"""Field types that the API's models share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, WithJsonSchema

from paywright.card_numbers import REFUSED, holds_card_number

# PostgreSQL's text takes neither NUL nor lone surrogates; both are legal in JSON.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("contains a character that cannot be stored")
    if holds_card_number(text):
        raise ValueError(REFUSED)
    return text


def _small(metadata: dict[str, str]) -> dict[str, str]:
    if len(metadata) > 50:
        raise ValueError("at most 50 entries")
    return metadata


AnyText = Annotated[str, AfterValidator(_storable)]
"""Text that something else limits the length of."""
Text = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_storable)]
ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_storable)
]
_MetadataKey = Annotated[
    str, StringConstraints(min_length=1, max_length=40), AfterValidator(_storable)
]
_MetadataValue = Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)]
Metadata = Annotated[dict[_MetadataKey, _MetadataValue], AfterValidator(_small)]


def _given(amount: int | None) -> int:
    if amount is None:
        raise ValueError("give an amount, or leave it out for all there is")
    return amount


PartAmount = Annotated[
    int | None, AfterValidator(_given), WithJsonSchema({"type": "integer"}, mode="validation")
]
"""An amount that is everything where it is left out: null, which is neither, is refused."""


class RequestModel(BaseModel):
    """The body of a request: types as JSON has them, and no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
