"""Reads C++ just well enough for lint.py: blanks comments and strings, finds function bodies."""
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r'(?P<raw>\b(?:u8|u|U|L)?R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")'
    r"|(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)"
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')",
    re.S,
)
TYPE_HEAD = re.compile(
    r"^(?:(?:typedef|static|constexpr|const|inline)\s+)*(?:class|struct|union|enum)\b")
ACCESS = re.compile(r"^\s*(?:(?:public|private|protected)\s*:(?!:)\s*)+")
CONSTRUCTOR_LIST = re.compile(r"\)\s*(?:noexcept\s*(?:\(\))?\s*)?:(?!:)")
ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")
OPERATOR = re.compile(r"\boperator\s*(?:\(\)|\[\]|[^\w\s(]+)")
CALLED = re.compile(r"([~\w:]+(?:<[^()]*>)?)\s*\(\)")
NOT_NAMES = {"decltype", "alignas", "noexcept", "requires", "explicit", "__attribute__", "sizeof"}


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip(text, keep_strings=False):
    """Same length and lines; comments and raw strings blanked, other literals emptied or kept."""

    def replace(match):
        if match["comment"]:
            return blank(match[0])
        if match["raw"]:
            return '"' + blank(match[0][1:-1]) + '"'
        return match[0] if keep_strings else match[0][0] + blank(match[0][1:-1]) + match[0][-1]

    return TOKEN.sub(replace, text)


def strip_directives(code):
    """Blanks preprocessor lines with their continuations; `code` comes from strip()."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: blank(m[0]), code, flags=re.M)


@dataclass
class Function:
    name: str
    line: int  # of the first line of the head
    lines: int
    parameters: int
    nesting: int = 0


@dataclass
class Frame:
    kind: str  # namespace, type, function, lambda, block or init (braces of an initialiser)
    function: Function | None = None
    head: str = ""  # text since the last statement, without what stands in parentheses
    head_at: int = 0
    parens: int = 0
    first_paren: int = -1


def match_back(text, opening, closing):
    """Index in `text` of the bracket that its last character closes, or -1."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += (text[i] == closing) - (text[i] == opening)
        if depth == 0:
            return i
    return -1


def is_lambda(code, at):
    """Does the brace at code[at] open the body of a lambda expression?"""
    text = code[max(0, at - 1500) : at].rstrip()
    text = re.sub(r"->\s*[\w:<>,&*\s]+$", "", text).rstrip()
    while match := re.search(r"\b(?:mutable|noexcept|constexpr)$", text):
        text = text[: match.start()].rstrip()
    if text.endswith(")"):
        text = text[: max(0, match_back(text, "(", ")"))].rstrip()
    if text.endswith(">"):
        text = text[: max(0, match_back(text, "<", ">"))].rstrip()
    if not text.endswith("]"):
        return False
    before = text[: max(0, match_back(text, "[", "]"))].rstrip()
    return re.search(r"\breturn$", before) is not None or not re.search(r"[\w)\]>]$", before)


def strip_template(head):
    """The head without its template parameter lists and access labels."""
    head = ACCESS.sub("", head)
    while match := re.search(r"\btemplate\s*<", head):
        depth, i = 1, match.end()
        while i < len(head) and depth:
            depth += (head[i] == "<") - (head[i] == ">")
            i += 1
        head = head[: match.start()] + head[i:]
    return OPERATOR.sub("operator_", head).strip()


def classify(code, at, stack):
    """The kind of the brace at code[at], which opens inside stack[-1]."""
    frame = stack[-1]
    if is_lambda(code, at):
        return "lambda"
    if frame.parens > 0 or frame.kind == "init":
        return "init"
    head = strip_template(frame.head)
    is_type = TYPE_HEAD.match(head) and not head.endswith(")")
    if any(f.function for f in stack):
        if is_type or not head or head.endswith((")", ":")) or head in ("else", "do", "try"):
            return "block"
        return "block" if re.search(r"(?:\belse|\btry)$", head) else "init"
    if re.search(r'\bnamespace\b|^extern\s*"\s*"$|^TEST_SUITE\s*\(', head):
        return "namespace"
    if is_type:
        return "type"
    if ASSIGNMENT.search(head) or "(" not in head:
        return "init"
    if CONSTRUCTOR_LIST.search(head) and re.search(r"[\w>]$", head):
        return "init"
    return "function"


def count_parameters(code, at):
    """How many parameters the list that opens at code[at] has."""
    depth, count, text = 0, 1, ""
    for char in code[at:]:
        if char in "([{<":
            depth += 1
        elif char in ")]}>":
            depth -= 1
            if depth == 0:
                break
        elif char == "," and depth == 1:
            count += 1
        text += char
    return count if text[1:].strip() not in ("", "void") else 0


def function_name(kind, head, text):
    """`text` is the original head, from which the name of a test is taken."""
    if test := re.match(r'TEST_CASE\w*\s*\(\s*(?:\w+\s*,\s*)?"([^"]*)"', text):
        return "TEST_CASE:" + re.sub(r"\W+", "_", test[1])
    if kind == "lambda":
        assigned = re.findall(r"(\w+)\s*=", head)
        return (assigned[-1] + ":" if assigned else "") + "lambda"
    names = [n for n in CALLED.findall(strip_template(head)) if n not in NOT_NAMES]
    return names[0] if names else "unnamed"


def open_brace(text, code, at, stack):
    """The frame of the brace at code[at]; a function or outermost lambda gets a Function."""
    kind, parent = classify(code, at, stack), stack[-1]
    frame = Frame(kind, head_at=at + 1)
    if kind == "function" or (kind == "lambda" and not any(f.function for f in stack)):
        start = at if kind == "lambda" else parent.head_at
        name = function_name(kind, parent.head, text[parent.head_at : at])
        is_test = name.startswith("TEST_CASE:") or kind == "lambda"
        parameters = 0 if is_test else count_parameters(code, parent.first_paren)
        frame.function = Function(name, code.count("\n", 0, start) + 1, 0, parameters)
    elif kind in ("block", "lambda"):
        depth = 1
        for outer in reversed(stack):
            if outer.function:
                outer.function.nesting = max(outer.function.nesting, depth)
                break
            depth += outer.kind in ("block", "lambda")
    return frame


def reset_head(frame, code, at):
    frame.head, frame.first_paren, frame.parens = "", -1, 0
    while at < len(code) and code[at].isspace():
        at += 1
    frame.head_at = at


def find_functions(text):
    """(functions, balanced): every function body of a C++ file, and whether the braces match."""
    code = strip_directives(strip(text))
    functions, stack, last = [], [Frame("namespace")], 0
    reset_head(stack[0], code, 0)
    for match in re.finditer(r"[{}();]", code):
        at, char, frame = match.start(), match[0], stack[-1]
        if frame.parens == 0:
            frame.head += code[last:at]
        last = at + 1
        if char == "(":
            if frame.parens == 0:
                if frame.first_paren < 0 or frame.head.endswith("operator()"):
                    frame.first_paren = at
                frame.head += "()"
            frame.parens += 1
        elif char == ")":
            frame.parens = max(0, frame.parens - 1)
        elif char == ";" and frame.parens == 0:
            reset_head(frame, code, last)
        elif char == "{":
            stack.append(open_brace(text, code, at, stack))
            reset_head(stack[-1], code, last)
        elif char == "}":
            if len(stack) == 1:
                return functions, False
            closed = stack.pop()
            if closed.function:
                closed.function.lines = code.count("\n", 0, at) + 2 - closed.function.line
                functions.append(closed.function)
            if closed.kind in ("init", "lambda"):
                stack[-1].head += "{}" if stack[-1].parens == 0 else ""
            else:
                reset_head(stack[-1], code, last)
    return functions, len(stack) == 1
