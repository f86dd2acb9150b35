"""Tokens into a tree, by the grammar that Jinja2 and Python have in common.

The parser is our own, not Python's `ast.parse`: `~`, `is defined` and filters with Jinja's binding do not exist in
Python, `ast.parse` has no bound on nesting of its own, and its messages are for programmers. Where the two languages
read a text differently (a filter or an `is` test beside arithmetic), it asks for parentheses and takes neither side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from workers.engine.expressions import tree
from workers.engine.expressions.tokens import cut, number
from workers.exceptions import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.engine.expressions.tokens import Token

MAX_DEPTH: Final = 30
MAX_TOKENS: Final = 800
CHAINED: Final = frozenset({"<", "<=", ">", ">=", "=="})
COMPARISONS: Final = CHAINED | {"!=", "in", "not in"}
CONSTANTS: Final = {"true": True, "false": False, "none": None, "True": True, "False": False, "None": None}
RESERVED: Final = frozenset({"and", "or", "not", "in", "is", "if", "else"})
OUT_OF_PLACE: Final = {
    "=": "write `==` to compare",
    "=>": "write `>=`",
    "=<": "write `<=`",
    "|": "a filter has a name: `| lower`; for alternatives write `or`",
    ",": 'several values stand in a list: `in ["DE", "AT"]`; a number has no commas',
    **dict.fromkeys(("*", "not"), "add parentheses"),
    "contains": 'write `"demo" in event.form`',
    **dict.fromkeys(("like", "matches", "startswith", "starts"), 'write `| matches("^demo")`'),
    **dict.fromkeys(("endswith", "ends"), 'write `| matches("demo$")`'),
    **dict.fromkeys(("equals", "eq"), "write `==` to compare"),
    "between": "write `5 <= lead.employees <= 10`",
    **dict.fromkeys(("if", "then"), "write `5 if lead.employees > 10 else 0`"),
}
"""What to do about words and signs where they cannot stand; some are what other languages say."""
MISPLACED: Final = {
    "end": "something is missing behind the last word",
    **dict.fromkeys(
        ("name", "number", "text"), "join conditions with `and` or `or`, texts with `~`; text stands in quotes"
    ),
}
"""The same by the kind of what stands there."""
ONE_TOO_MANY: Final = "something is missing before it, or it is one too many"
UNKNOWN_WORDS: Final = {
    "null": "write `none`",
    "undefined": "write `is defined` or `is none` behind the name",
    "lambda": "there are no functions of your own",
}


def parse(source: str) -> tree.Node:
    """The tree of an expression.

    Raises:
        ExpressionError: the text is not one expression, reads differently in Jinja2 and Python, or nests too deep.
    """
    tokens = cut(source)
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError("too long", "split it into several rules", code="too-long")
    if len(tokens) == 1:
        raise ExpressionError("the expression is empty", "write a condition, or leave the key out")
    parser = Parser(tokens)
    root = parser.choice()
    if parser.next.kind != "end":
        parser.refuse_next()
    return root


class Parser:
    """Recursive descent; one method per level of binding, loosest first."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def next(self) -> Token:
        """The token to look at."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """The next token, passed."""
        token = self.next
        self._at += 1
        return token

    def sees(self, *texts: str) -> bool:
        """True if the next token is one of these signs or words."""
        return self.next.kind in {"sign", "name"} and self.next.text in texts

    def accept(self, *texts: str) -> Token | None:
        """Pass the next token if it is one of these."""
        return self.take() if self.sees(*texts) else None

    def expect(self, text: str, opened: Token) -> None:
        """Pass the closing sign of what `opened`."""
        if not self.accept(text):
            hint = f"write `{text}` before it, or leave {opened} out"
            raise ExpressionError(f"{self.next} where `{text}` should close {opened}", hint, self.next.offset)

    def refuse_next(self) -> NoReturn:
        """Say why the next token cannot stand where it stands."""
        token = self.next
        said = token.text if token.kind in {"name", "sign"} else ""
        if said == "=" and self._tokens[self._at + 1].text in {">", "<"}:
            said += self._tokens[self._at + 1].text
        hint = OUT_OF_PLACE.get(said) or MISPLACED.get(token.kind, ONE_TOO_MANY)
        raise ExpressionError(f"{token} cannot stand here", hint, token.offset)

    def deeper(self, rule: Callable[[], tree.Node], at: int) -> tree.Node:
        """Parse something nested, up to the bound."""
        if self._depth >= MAX_DEPTH:
            raise ExpressionError("nested too deep", "split it into several rules", at, code="too-long")
        self._depth += 1
        node = rule()
        self._depth -= 1
        return node

    # ── truth ────────────────────────────────────────────────────────────────────────────────────────────────

    def choice(self) -> tree.Node:
        """`a if condition else b`, or anything that binds tighter."""
        node = self.any_of()
        if word := self.accept("if"):
            condition = self.any_of()
            if not self.accept("else"):
                raise ExpressionError("`if` without `else`", "write `else none` for nothing", word.offset)
            return tree.Choice(node.offset, condition, node, self.deeper(self.choice, word.offset))
        return node

    def any_of(self) -> tree.Node:
        """Joined by `or`."""
        return self.logic("or", self.all_of)

    def all_of(self) -> tree.Node:
        """Joined by `and`."""
        return self.logic("and", self.negation)

    def logic(self, word: str, operand: Callable[[], tree.Node]) -> tree.Node:
        """Operands joined by one word."""
        first = operand()
        operands = [first]
        while self.accept(word):
            operands.append(operand())
        return tree.Logic(first.offset, word, operands) if len(operands) > 1 else first

    def negation(self) -> tree.Node:
        """`not` before a comparison."""
        if word := self.accept("not"):
            return tree.Not(word.offset, self.deeper(self.negation, word.offset))
        return self.comparison()

    def comparison(self) -> tree.Node:
        """One comparison, or a chain like `1 < x <= 5`."""
        first = self.sum()
        rest: list[tuple[str, tree.Node]] = []
        while operator := self.comparator():
            at = self.next.offset
            if rest and not {operator, rest[0][0]} <= CHAINED:
                raise ExpressionError(f"`{operator}` in a chain of comparisons", "join two comparisons with `and`", at)
            rest.append((operator, self.sum()))
        if not rest:
            return first
        for operand in (first, *(operand for _, operand in rest)):
            self.keep_tests_apart(operand)
        return tree.Compare(first.offset, first, rest)

    def comparator(self) -> str | None:
        """Pass and return the next comparison operator, if there is one."""
        if self.sees("not"):
            if self._tokens[self._at + 1].text != "in":
                self.refuse_next()
            self._at += 2
            return "not in"
        operator = self.accept(*COMPARISONS)
        return operator.text if operator else None

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────

    def sum(self) -> tree.Node:
        """Joined by `+` and `-`."""
        node = self.join()
        while operator := self.accept("+", "-"):
            right = self.join()
            if isinstance(node, tree.Join) or isinstance(right, tree.Join):
                raise ExpressionError(
                    f"`~` beside `{operator.text}`", "add parentheses to say which comes first", operator.offset
                )
            node = self.arithmetic(operator, node, right)
        return node

    def join(self) -> tree.Node:
        """Joined by `~`."""
        first = self.product()
        parts = [first]
        while operator := self.accept("~"):
            parts.append(self.product())
            for part in parts[-2:]:
                self.keep_filters_apart(operator, part)
        return tree.Join(first.offset, parts) if len(parts) > 1 else first

    def product(self) -> tree.Node:
        """Joined by `*`, `/`, `//` and `%`."""
        node = self.filtered()
        while operator := self.accept("*", "/", "//", "%"):
            node = self.arithmetic(operator, node, self.filtered())
        return node

    def arithmetic(self, operator: Token, left: tree.Node, right: tree.Node) -> tree.Node:
        """Two operands of which neither is an open filter or test."""
        self.keep_filters_apart(operator, left)
        self.keep_filters_apart(operator, right)
        return tree.Arithmetic(left.offset, operator.text, left, right)

    def keep_filters_apart(self, operator: Token, operand: tree.Node) -> None:
        """Refuse `a + b | lower`, which Jinja2 reads as a + (b | lower) and Python as (a + b) | lower."""
        if isinstance(operand, tree.Filter):
            raise ExpressionError(
                f"a filter beside `{operator.text}` can be read in two ways",
                f"add parentheses: `(… | {operand.name})`",
                operand.offset,
                code="ambiguous",
            )
        self.keep_tests_apart(operand)

    def keep_tests_apart(self, operand: tree.Node) -> None:
        """Refuse `a == b is defined`, which Jinja2 reads as a == (b is defined) and Python as a chain."""
        if isinstance(operand, tree.Test):
            word = "defined" if operand.defined else "none"
            raise ExpressionError(
                f"`is {word}` beside another comparison or calculation can be read in two ways",
                f"add parentheses: `(… is {word})`",
                operand.offset,
                code="ambiguous",
            )

    def filtered(self) -> tree.Node:
        """A value with the filters and the test behind it."""
        node = self.signed()
        while self.accept("|"):
            node = self.filter(node)
        if not (word := self.accept("is")):
            return node
        test = tree.Test(node.offset, node, self.test(word))
        if self.sees("|", "is"):
            self.keep_tests_apart(test)
        return test

    def filter(self, operand: tree.Node) -> tree.Node:
        """The name of a filter and what stands in its parentheses."""
        if self.next.kind != "name" or self.next.text in RESERVED:
            self.refuse_next()
        name = self.take()
        opened = self.accept("(")
        arguments = self.arguments(opened) if opened else tree.Arguments()
        # The node begins where its operand does; what is wrong with a filter is shown at its name.
        return tree.Filter(name.offset, operand, name.text, arguments)

    def test(self, word: Token) -> bool:
        """What stands behind `is`: True for `defined` and `not none`."""
        negated = self.accept("not") is not None
        if self.accept("defined"):
            return not negated
        if self.accept("none", "None"):
            return negated
        raise ExpressionError(
            f"{self.next} behind `is`", "there is `is defined` and `is none`; compare values with `==`", word.offset
        )

    def signed(self) -> tree.Node:
        """A value with a sign before it."""
        if sign := self.accept("-", "+"):
            operand = self.deeper(self.signed, sign.offset)
            return tree.Negative(sign.offset, operand) if sign.text == "-" else operand
        return self.value()

    def value(self) -> tree.Node:
        """A literal, a list, a name, a call or parentheses."""
        token = self.next
        if token.kind == "number":
            return tree.Literal(token.offset, number(self.take()))
        if token.kind == "text":
            return tree.Literal(token.offset, self.take().text)
        if token.kind == "name" and token.text not in RESERVED:
            return self.named(self.take())
        if opened := self.accept("("):
            inner = self.deeper(self.choice, token.offset)
            if self.sees(","):
                raise ExpressionError("a list in parentheses", "write a list in brackets: [ … ]", token.offset)
            self.expect(")", opened)
            return tree.Group(token.offset, inner)
        if opened := self.accept("["):
            return tree.ListOf(token.offset, self.items("]", opened))
        return self.refuse_next()

    def named(self, name: Token) -> tree.Node:
        """What begins with a word."""
        if name.text in CONSTANTS:
            return tree.Literal(name.offset, CONSTANTS[name.text])
        if opened := self.accept("("):
            return tree.Call(name.offset, name.text, self.arguments(opened))
        if self.accept("."):
            return self.attribute(name)
        if self.sees("["):
            raise ExpressionError(f"brackets behind `{name.text}`", f"write {name.text}.<name>", self.next.offset)
        text = f"`{name.text}` is not a known word"
        raise ExpressionError(text, UNKNOWN_WORDS.get(name.text, ""), name.offset, code="unknown-name")

    def attribute(self, owner: Token) -> tree.Node:
        """`owner.name`, and nothing behind it."""
        if self.next.kind != "name":
            self.refuse_next()
        name = self.take()
        if self.sees("(", ".", "["):
            filters = "there are no methods; use a filter: `lead.title | lower`"
            hint = filters if self.sees("(", ".") else "of a list `| first` and `| last` give an element"
            raise ExpressionError(f"`{self.next.text}` behind {owner.text}.{name.text}", hint, self.next.offset)
        return tree.Attribute(owner.offset, owner.text, name.text)

    def items(self, close: str, opened: Token) -> list[tree.Node]:
        """Values with commas between, up to the closing sign."""
        items: list[tree.Node] = []
        while not self.sees(close):
            items.append(self.deeper(self.choice, self.next.offset))
            if not self.accept(","):
                break
        self.expect(close, opened)
        return items

    def arguments(self, opened: Token) -> tree.Arguments:
        """What stands in a call's parentheses; named arguments come last."""
        values: list[tree.Node] = []
        named: list[tuple[str, tree.Node]] = []
        while not self.sees(")"):
            name = self.argument_name()
            value = self.deeper(self.choice, self.next.offset)
            if name:
                named.append((name, value))
            elif named:
                raise ExpressionError("a plain argument behind a named one", "put it first", value.offset)
            else:
                values.append(value)
            if not self.accept(","):
                break
        self.expect(")", opened)
        return tree.Arguments(values, named)

    def argument_name(self) -> str:
        """Pass `name =`, if that is what comes next."""
        if self.next.kind == "name" and self._tokens[self._at + 1].text == "=":
            self._at += 2
            return self._tokens[self._at - 2].text
        return ""
