"""Names and what is asked of them, whatever operators stand between: the grammar binds those in the wrong order."""

from __future__ import annotations

import pytest

from tools.bicep.expressions import Expressions
from tools.bicep.parse import expression


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("x.y == z.w ? p.q : r.s", "x.y z.w p.q r.s"),
        ("!a.b && c.d || -e.f < 1", "a.b c.d e.f"),
        ("a.b[c.d].e", "c.d a.b.[].e"),
        ("a['b'].c[0]", "a.b.c.[]"),
        ("a.?b.c ?? d!.e", "a.b.c d.e"),
        ("a.b + c.d * e.f", "a.b c.d e.f"),
        ("f(a.b).c == d ? e : g.h", "a.b d e g.h"),
        ("(a ? b.c : d).e", "a b.c d"),
        ("[for x in a.b: '${x.c}${d.e}']", "a.b d.e"),
        ("map(a.b, n => n.c == d.e)", "a.b d.e"),
        ("a.listKeys().keys[b.c].value", "b.c a"),
        ("{ 'x${a.b}': c.d ? e : f.g, h: i }", "a.b c.d e f.g i"),
        ("'\\${a.b}${c[d].e}'", "d c.[].e"),
    ],
)
def test_what_an_expression_uses(text: str, uses: str) -> None:
    found, tree = Expressions(), expression(text)
    assert tree is not None
    found.read(tree)
    assert [".".join([each.name, *each.chain]) for each in found.uses] == uses.split()
    assert found.problems == []
