"""The look of the page, and what a browser may load for it: nothing."""

from __future__ import annotations

from jobferry.reporting.html.markup import Html, tag, void

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

# Colours after Okabe and Ito, which people with any colour vision can distinguish; the textures
# distinguish the outcomes in black and white.
STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fff; --sheet: #f6f7f9; --ink: #1b1f24; --quiet: #5a6472; --rule: #d5dae1;
  --succeeded: #0072b2; --failed: #c44f00; --rejected: #b97a00; --skipped: #767f8c;
  --unknown: #a64d85; --texture: rgb(255 255 255 / .65);
  --link: #005a8f; --mark: #ffe3a8;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --sheet: #1e2329; --ink: #e8ebef; --quiet: #9ba6b3; --rule: #39424d;
    --succeeded: #4aa8e0; --failed: #f0803c; --rejected: #e0ab3a; --skipped: #8e98a5;
    --unknown: #d58cbb; --texture: rgb(0 0 0 / .55);
    --link: #7cc4f2; --mark: #6b4a00;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
}
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { margin: 0 0 .75rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
h3 { margin: 0 0 .35rem; font-size: 1rem; }
p { margin: 0 0 .5rem; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
code { font-size: .9em; }
.quiet, small, footer { color: var(--quiet); }
header > .quiet { margin: 0; }
dl { margin: 0; }
dd { margin: 0; white-space: pre-wrap; }
dt { color: var(--quiet); font-size: .85rem; }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, auto)); gap: .5rem 2rem;
}
.facts > :last-child { grid-column: 1 / -1; }
.contents ul {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1.25rem 0 0; padding: 0;
}
.contents li { list-style: none; }
a { color: var(--link); text-underline-offset: .15em; }
a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
mark { background: var(--mark); color: inherit; padding: 0 .2em; border-radius: .2em; }
mark .quiet { color: inherit; }
.wrong dt { font-weight: 600; }
.verdict {
  margin-top: 1.5rem; padding: 1rem 1.25rem; background: var(--sheet);
  border: 1px solid var(--rule); border-left: .4rem solid var(--tone); border-radius: .4rem;
}
.verdict p:last-child { margin: 0; }
.sentence { font-size: 1.25rem; font-weight: 600; line-height: 1.35; }
.good { --tone: var(--succeeded); }
.fair { --tone: var(--rejected); }
.bad { --tone: var(--failed); }
.bar { display: flex; gap: 2px; height: 1.75rem; margin-bottom: 1rem; }
.segment { min-width: .4rem; flex-basis: 0; }
.bar > :first-child { border-radius: .3rem 0 0 .3rem; }
.bar > :last-child { border-radius: 0 .3rem .3rem 0; }
.bar > :only-child { border-radius: .3rem; }
.key { flex: none; display: inline-block; width: .95rem; height: .95rem; border-radius: .2rem; }
.segment, .key { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.succeeded { background: var(--succeeded); }
.failed {
  background: repeating-linear-gradient(
    45deg, var(--failed) 0 5px, var(--texture) 5px 6px), var(--failed);
}
.rejected {
  background: repeating-linear-gradient(
    0deg, var(--rejected) 0 4px, var(--texture) 4px 5px), var(--rejected);
}
.skipped {
  background: radial-gradient(var(--texture) 1.1px, transparent 1.4px) 0 0 / 6px 6px,
    var(--skipped);
}
.unknown {
  background: repeating-linear-gradient(-45deg, transparent 0 5px, var(--texture) 5px 6px),
    repeating-linear-gradient(45deg, transparent 0 5px, var(--texture) 5px 6px), var(--unknown);
}
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .4rem; text-align: left; font-weight: 600; }
.outcomes caption {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
.columns caption { font-size: 1.05rem; }
th, td { padding: .4rem 0 .4rem 1rem; border-top: 1px solid var(--rule); vertical-align: top; }
th { text-align: left; font-weight: 400; }
th:first-child { padding-left: 0; }
td, thead th:not(:first-child) { text-align: right; white-space: nowrap; }
thead th { border: 0; color: var(--quiet); font-size: .85rem; }
tfoot th, tfoot td { font-weight: 600; }
.named { display: flex; gap: .6rem; }
.named .key { margin-top: .28rem; }
.outcomes small { display: block; }
.columns {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 0 2.5rem;
}
.columns > * { min-width: 0; }
.columns > section { margin-top: 2rem; }
.columns tbody th { white-space: nowrap; }
article {
  margin: 0 0 1rem; padding: 1rem 1.25rem; border: 1px solid var(--rule); border-radius: .4rem;
}
article > :last-child { margin-bottom: 0; }
h3 .key { margin-right: .5rem; vertical-align: -.12rem; }
.sample { margin: .75rem 0; padding: .6rem .9rem; background: var(--sheet); border-radius: .3rem; }
.sample p { margin: 0 0 .3rem; }
.cells > div { display: grid; grid-template-columns: minmax(6rem, 12rem) 1fr; gap: .1rem 1rem; }
.cells dt, .cells dd { padding: .1rem 0; font-size: .9rem; }
.steps { padding-left: 1.4rem; }
.steps li { margin-bottom: .8rem; }
.command {
  display: block; margin: .35rem 0; padding: .5rem .75rem; background: var(--sheet);
  border: 1px solid var(--rule); border-radius: .3rem;
}
ul { padding-left: 1.4rem; }
figure { margin: 0 0 1rem; }
figcaption { margin-bottom: .25rem; }
svg { display: block; width: 100%; max-width: 30rem; height: auto; }
svg text { fill: var(--quiet); font-size: 11px; }
svg .grid { stroke: var(--rule); } svg .mark { stroke: var(--quiet); }
svg .line { fill: none; stroke: var(--succeeded); stroke-width: 2; stroke-linejoin: round; }
svg .area { fill: var(--succeeded); opacity: .15; } svg .dot { fill: var(--succeeded); }
footer {
  margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--rule); font-size: .85rem;
}
@media (max-width: 34rem) {
  main { padding: 1.25rem 1rem 2rem; }
  .columns tbody th { white-space: normal; }
  .columns td { white-space: normal; }
  .cells > div { grid-template-columns: minmax(4.5rem, 30%) 1fr; }
  article { padding: .8rem .9rem; }
}
@media print {
  body { font-size: 10pt; line-height: 1.35; }
  main { max-width: none; padding: 0; }
  .contents { display: none; }
  h2 { margin: 1.2rem 0 .4rem; }
  article { padding: .5rem .8rem; margin-bottom: .5rem; }
  .sample { margin: .3rem 0; padding: .3rem .6rem; }
  .columns { grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
  .columns > section { margin-top: 1rem; }
  th, td { padding-block: .2rem; }
  article, figure, table, .verdict { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


def framed(title: str, body: Html) -> str:
    """A whole page around a `body`, ready to be encoded as UTF-8."""
    head = tag(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=POLICY),
        void("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"
