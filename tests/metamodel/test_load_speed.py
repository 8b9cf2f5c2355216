"""A pack of the size of a real application is judged within a second."""

from __future__ import annotations

import time
from pathlib import Path

from sample_packs import write_pack

from metamodel.load import from_data, load_packs


def big_object(index: int) -> str:
    lines = [
        f"kind: object\nname: thing{index}\ntitle: name\nfields:\n  name: {{type: text, required: true, unique: true}}"
    ]
    lines += [f"  amount{n}: {{type: money, min: 0, label: {{en: Amount {n}, zh-CN: 金额}}}}" for n in range(4)]
    lines += [f"  parent: {{type: lookup, to: thing{max(0, index - 1)}, reverse: children{index}}}"]
    lines += ["  kind_of: {type: select, options: {a: A, b: B}}"]
    lines += ["  total: {type: formula, formula: 'amount0 + amount1 * 2 - amount2 / 3'}"]
    lines += ["  share: {type: formula, formula: 'IF(total > 0, amount3 / total, 0)', scale: 4}"]
    lines += ["  above: {type: formula, formula: parent.total + total}"]
    lines += ["rules:\n  positive: {valid_when: total >= 0 OR kind_of = 'a', message: {en: No, zh-CN: 否}}"]
    return "\n".join(lines) + "\n"


def test_twenty_objects_with_two_hundred_fields_load_within_a_second(tmp_path: Path) -> None:
    manifest = "kind: pack\nname: big\nversion: 1.0.0\nlanguage: 1\nlocales: [en, zh-CN]\n"
    folder = write_pack(tmp_path / "big", {f"t{n}.yaml": big_object(n) for n in range(20)}, manifest)
    load_packs([folder])
    start = time.perf_counter()
    loaded = load_packs([folder])
    took = time.perf_counter() - start
    assert sum(len(o.fields) for o in loaded.model.objects.values()) > 300
    assert from_data(loaded.data) == loaded.model
    assert took < 1, f"{took:.2f} s"
