"""What a workflow can do: one module an action, and the table of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.automation.actions import assign, convert, create_record, give_back, make_move, notify, set_fields
from engine.automation.actions.step import Step
from metamodel.kinds.workflow import Action, Assign, Convert, CreateRecord, GiveBack, MakeMove, Notify, SetFields

Perform = Callable[[Step, Any], Awaitable[dict[str, Any]]]

ACTIONS: dict[type[Action], Perform] = {
    SetFields: set_fields.perform,
    CreateRecord: create_record.perform,
    Convert: convert.perform,
    Assign: assign.perform,
    GiveBack: give_back.perform,
    Notify: notify.perform,
    MakeMove: make_move.perform,
}
