"""What all pages look like: plain HTML without any script, and headers that let nobody else add one."""

from collections.abc import Sequence
from html import escape

from litestar import MediaType, Response
from litestar.datastructures import Cookie

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} &middot; Fencepost</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem;
  color: #1c2530; background: #fbfbf9 }}
h1 {{ font-size: 1.5rem; margin: 0 0 1rem }}
label {{ display: block; font-weight: 600; margin: 1rem 0 .25rem }}
input {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem .6rem; border: 1px solid #7b858d;
  border-radius: 4px; color: inherit; background: #fff }}
button, .button {{ display: block; box-sizing: border-box; width: 100%; margin: 1.25rem 0 0; padding: .6rem;
  font: inherit; font-weight: 600; text-align: center; text-decoration: none; border: 1px solid #0b5b8c;
  border-radius: 4px; color: #fff; background: #0b5b8c; cursor: pointer }}
.second {{ color: #0b5b8c; background: none }}
:focus-visible {{ outline: 3px solid #f0a020; outline-offset: 2px }}
.problem {{ padding: .6rem .8rem; border-left: 4px solid #b3261e; background: #f9e9e7 }}
.problem p {{ margin: 0 }}
.hint {{ color: #56606a; font-size: .9rem; margin: .25rem 0 0 }}
pre {{ background: #eef0ec; padding: .8rem 1rem; overflow-x: auto; border-radius: 4px; font-size: .85rem }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .3rem .5rem .3rem 0;
  border-bottom: 1px solid #d5d9d3; overflow-wrap: anywhere }}
a {{ color: #0b5b8c }}
@media (prefers-color-scheme: dark) {{ body {{ color: #dfe5ea; background: #14181c }}
  input {{ background: #20262c; border-color: #8a949c }} pre {{ background: #20262c }} a {{ color: #7cc4f0 }}
  .second {{ color: #7cc4f0; border-color: #7cc4f0 }} .problem {{ background: #3a201e }} .hint {{ color: #9aa5ad }}
  th, td {{ border-color: #333b42 }} }}
</style>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""


def page(
    title: str,
    body: str,
    *,
    status: int = 200,
    problems: Sequence[str] = (),
    headers: dict[str, str] | None = None,
    cookies: Sequence[Cookie] = (),
) -> Response[str]:
    """Return a page; `body` is HTML, title and problems are texts."""
    said = "".join(f"<p>{escape(problem)}</p>" for problem in problems)
    shown = f'<div class="problem" role="alert">{said}</div>\n{body}' if problems else body
    return Response(
        PAGE.format(title=escape(title), body=shown),
        status_code=status,
        media_type=MediaType.HTML,
        headers={**HEADERS, **(headers or {})},
        cookies=[*cookies],
    )


def field(
    name: str,
    label: str,
    *,
    kind: str = "text",
    value: str = "",
    complete: str,
    hint: str = "",
    focus: bool = False,
) -> str:
    """Return a field of a form, which must be filled in; `complete` says what a browser may fill in itself."""
    below = f'<p class="hint" id="{name}-hint">{escape(hint)}</p>' if hint else ""
    described = f' aria-describedby="{name}-hint"' if hint else ""
    return (
        f'<label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" autocomplete="{complete}"'
        f' autocapitalize="none" spellcheck="false" required{described}{" autofocus" if focus else ""}>{below}'
    )


def form(action: str, *parts: str, button: str) -> str:
    """Return a form that is sent to one of our own paths; the parts are HTML."""
    inner = "\n".join(parts)
    return f'<form method="post" action="{action}">\n{inner}\n<button>{escape(button)}</button>\n</form>'
