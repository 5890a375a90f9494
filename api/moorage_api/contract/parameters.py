"""Query parameters with a form that pydantic alone would not hold them to: whole numbers and cursors."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from moorage_api.contract import pages
from moorage_api.contract.errors import WordedError

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
#: What is said of a cursor that is none, or one of another list.
NO_CURSOR = "not a cursor of this list with these filters; begin again without it"


def _whole(value: Any, info: ValidationInfo) -> Any:
    """A query has texts only, and pydantic would take `1_0`, `50.0` and ` 5` for whole numbers."""
    if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
        message = f"{info.field_name} must be a whole number in plain digits, such as 50"
        raise WordedError(message, "int_parsing")
    return value


def _cursor(text: str) -> str:
    """What has not the form of a cursor is refused before anything is looked for; the rest is a matter of the list."""
    try:
        pages.key_in(text)
    except pages.DamagedCursorError:
        raise WordedError(NO_CURSOR) from None
    return text


Cursor = Annotated[
    str,
    Field(min_length=1, max_length=512, description="`next_cursor` of the page before."),
    AfterValidator(_cursor),
]
#: Of whole numbers in queries; after their bounds, so that the document has these.
WHOLE = BeforeValidator(_whole)
Limit = Annotated[int, Field(ge=1, le=200, description="How many a page holds at most."), WHOLE]
