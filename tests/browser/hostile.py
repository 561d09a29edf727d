"""Texts with which models, or those who write their prompts, have tried to take over pages that show them."""

from itertools import product

MARKS = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=window.hacked=1>",
    "<svg onload=window.hacked=1>",
    "<svg><animate onbegin=window.hacked=1 attributeName=x dur=1s>",
    "<body onload=window.hacked=1>",
    "<iframe src=javascript:parent.hacked=1></iframe>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "<a href=javascript:window.hacked=1>click</a>",
    "<input autofocus onfocus=window.hacked=1>",
    "<details open ontoggle=window.hacked=1>x</details>",
    "<video><source onerror=window.hacked=1></video>",
    "<math><mtext><img src=x onerror=window.hacked=1></mtext></math>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=//127.0.0.1:1/x.css>",
    "<meta http-equiv=refresh content='0;url=about:blank'>",
    "<base href=//127.0.0.1:1/>",
    "<object data=javascript:window.hacked=1></object>",
    "<embed src=javascript:window.hacked=1>",
    "<form action=javascript:window.hacked=1><button>x</button></form>",
    "<template><script>window.hacked=1</script></template>",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
    "&#60;img src=x onerror=window.hacked=1&#62;",
    "[click](javascript:window.hacked=1)",
    "![x](http://127.0.0.1:1/x.png)",
    "![x](x 'onerror=window.hacked=1')",
    "[x]: javascript:window.hacked=1",
    "<javascript:window.hacked=1>",
    "# A heading that is none",
    "**bold** _italic_ ~~struck~~",
    "> a quotation",
    "- a list\n- of two",
    "| a | table |\n|---|---|\n| 1 | 2 |",
    "```python\nprint('code')\n```",
    "$\\frac{1}{2}$ and $$\\int_0^1 x\\,dx$$",
    "\\(\\href{javascript:window.hacked=1}{x}\\)",
    ":red[red] :material/delete: :smile:",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "\x1b[31mred\x1b[0m \x1b]8;;http://127.0.0.1:1\x07link\x1b]8;;\x07",
    "'\"><script>window.hacked=1</script>",
    "--><script>window.hacked=1</script><!--",
)
WRAPPINGS = ("{}", "w=15, {}", "{}\n{}", '"{}"', "</code></pre>{}")

TEXTS = tuple(wrapping.replace("{}", mark) for wrapping, mark in product(WRAPPINGS, MARKS))
"""200 texts, all different."""
