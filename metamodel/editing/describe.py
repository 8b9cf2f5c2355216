"""What people call the things that formulas name, and what is said of them."""

from __future__ import annotations

from metamodel.formula.service import Described, Describer
from metamodel.kinds.common import in_locale
from metamodel.kinds.process import Stage
from metamodel.model import Model


def describer(model: Model, locale: str = "en") -> Describer:
    """Labels and help of fields, child sets, options and stages in a locale."""

    def describe(kind: str, owner: str, name: str) -> Described:
        if kind == "field" and owner in model.objects and name in model.objects[owner].fields:
            f = model.objects[owner].fields[name]
            return Described(in_locale(f.label, locale), in_locale(f.help, locale))
        if kind == "child" and name in model.children.get(owner, {}):
            return Described(in_locale(model.objects[model.children[owner][name].object].plural, locale))
        if kind == "option" and (chosen := model.choices(owner).get(name)):
            guidance = in_locale(chosen.guidance, locale) if isinstance(chosen, Stage) else ""
            return Described(in_locale(chosen.label, locale), guidance)
        return Described()

    return describe
