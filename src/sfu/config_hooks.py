"""The table ``[hooks]``: how plugins are asked before something happens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sfu.config_section import Section

OnFailure = Literal["deny", "allow"]


class HooksSection(Section):
    """``[hooks]``: how long and how many may wait for plugins, and what counts when one can not say."""

    timeout_s: float = Field(2.0, gt=0, le=60, description="seconds that a plugin may take to answer")
    max_waiting: int = Field(1000, ge=1, le=100_000, description="questions of one hook that wait at a time")
    before_join: OnFailure = Field("deny", description="when a plugin fails or takes too long")
    before_publish: OnFailure = Field("deny", description="when a plugin fails or takes too long")
    before_subscribe: OnFailure = Field("deny", description="when a plugin fails or takes too long")
    before_record: OnFailure = Field("deny", description="when a plugin fails or takes too long")
