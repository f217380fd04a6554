"""By keyboard, in both languages, on a phone, by day and by night."""

import re

import pytest
from playwright.sync_api import expect

from indexes.errors import GeneratorUnavailable
from service import page as files
from tests.service.page.person import Person, Sit, label, press_until, shelve

pytestmark = pytest.mark.slow

PHONE = {"width": 360, "height": 740}


def test_everything_can_be_done_with_the_keyboard(sit: Sit) -> None:
    person = sit()
    keys = person.page.keyboard
    expect(person.page.locator("#key")).to_be_focused()
    keys.type(person.house.keys["ada"])
    keys.press("Enter")
    expect(person.page.locator("#question")).to_be_focused()
    keys.type("When do")
    keys.press("Shift+Enter")
    keys.type("salaries rise?")
    keys.press("Enter")
    expect(person.page.locator(".sources")).to_be_visible()
    assert person.page.locator(".asked").inner_text() == "When do\nsalaries rise?"
    expect(person.page.locator("#question")).to_be_focused()
    press_until(person, "Shift+Tab", ".cite")
    outline = person.page.evaluate("getComputedStyle(document.activeElement).outline")
    assert "none" not in outline
    keys.press("Enter")
    expect(person.panel.locator("mark.quote")).to_be_visible()
    expect(person.page.locator("#panel-title")).to_be_focused()
    keys.press("Escape")
    expect(person.panel).to_be_hidden()
    expect(person.page.locator(".cite")).to_be_focused()
    press_until(person, "Tab", ".foot > .actions > .quiet:nth-child(2)")
    keys.press("Enter")
    press_until(person, "Tab", ".entries .source")
    keys.press("Enter")
    expect(person.panel.locator("mark").first).to_be_visible()
    keys.press("Escape")
    press_until(person, "Shift+Tab", "#sign-out")
    keys.press("Enter")
    expect(person.page.locator("#key")).to_be_focused()


@pytest.mark.parametrize("opened", ["What was read", "Where and how to ask", "Conversations"])
def test_every_field_and_button_has_a_name_in_every_language(ada: Person, opened: str) -> None:
    ada.ask()
    ada.press("Bad answer")
    ada.page.get_by_role("button", name=opened).last.click()
    expect(ada.panel.locator("p").first).to_be_visible()
    for language in ("简体中文", "繁體中文", "English"):
        ada.page.get_by_role("button", name=language).click()
        unnamed = ada.page.evaluate(
            """() => [...document.querySelectorAll("button, textarea, input, select")].filter((node) => !(node.ariaLabel
              || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML)"""
        )
        assert unnamed == []


def test_all_languages_say_the_same_things_with_the_same_gaps() -> None:
    english, *others = (
        dict(re.findall(r'^  "?([^\s":]+)"?:\s+(.+)$', said, re.MULTILINE))
        for said in (
            files.find_asset(f"words-{language}.js").content.decode()
            for language in ("en", "zh-hans", "zh-hant")
        )
    )
    assert len(english) > 200
    for other in others:
        assert list(other) == list(english)
        for key, said in other.items():
            assert set(re.findall(r"{\w+}", said)) == set(re.findall(r"{\w+}", english[key])), key


def test_traditional_chinese_is_written_without_simplified_characters() -> None:
    simplified = files.find_asset("words-zh-hans.js").content.decode()
    traditional = files.find_asset("words-zh-hant.js").content.decode()
    only_simplified = set(
        "这个们时来对开关页没还于为问题发动无请变张让给读书网录选择务标签语记录载删过话视图"
    )
    assert len(only_simplified & set(simplified)) > 20
    assert not only_simplified & set(traditional)


@pytest.mark.parametrize(
    ("locale", "language", "title"),
    [
        ("zh-TW", "zh-Hant", "向您的文件提問"),
        ("zh-HK", "zh-Hant", "向您的文件提問"),
        ("zh-CN", "zh-Hans", "向您的文档提问"),
        ("de-DE", "en", "Ask your documents"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    sit: Sit, locale: str, language: str, title: str
) -> None:
    person = sit(locale=locale)
    expect(person.page.locator("h1:visible")).to_have_text(title)
    assert person.page.evaluate("document.documentElement.lang") == language


def test_the_page_speaks_chinese_where_the_browser_does_and_remembers_another_choice(
    sit: Sit,
) -> None:
    person = sit(locale="zh-CN")
    expect(person.page.locator("h1:visible")).to_have_text("向您的文档提问")
    assert person.page.evaluate("document.documentElement.lang") == "zh-Hans"
    person.enter()
    person.house.model.reply = "工资在三月上涨 [1]。"
    person.ask("工资什么时候上涨？")
    expect(person.page.locator(".sources h3")).to_have_text("来源")
    expect(person.page.locator(".sources .where")).to_have_text("第 1 页")
    person.page.locator(".cite").click()
    expect(person.page.locator("#panel-place")).to_contain_text("第 1 页")
    person.page.get_by_role("button", name="English").click()
    expect(person.page.locator(".sources h3")).to_have_text("Sources")
    expect(person.page.locator("#panel-place")).to_contain_text("Page 1")
    expect(person.answer).to_contain_text("工资在三月上涨")
    person.page.reload()
    expect(person.page.locator("#sign-out")).to_have_text("Sign out")


def test_enter_that_ends_a_word_of_an_input_method_does_not_ask(ada: Person) -> None:
    ada.page.fill("#question", "gongzi")
    ada.page.evaluate(
        """() => document.getElementById("question").dispatchEvent(
          new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    expect(ada.page.locator(".turn")).to_have_count(0)


def test_on_a_phone_nothing_is_wider_than_the_screen(sit: Sit) -> None:
    person = sit(viewport=PHONE, has_touch=True, is_mobile=True)
    assert person.overflow() <= 0
    person.enter()
    shelve(
        person.house,
        "a/" * 60 + "x.txt",
        ["The zeppelin " + "x" * 300 + " lands."],
        title="T" * 200,
        section=("s" * 150,),
    )
    long = "".join(map(str, range(140)))  # what only repeats itself would be cut
    person.house.model.reply = lambda prompt: (
        f"The zeppelin {long} lands [{label(prompt, 'zeppelin')}].\n\n```\n{long}\n```"
    )
    person.ask("Where does the zeppelin land? " + "q" * 200)
    assert person.overflow() <= 0
    person.page.locator(".cite").first.tap()
    expect(person.panel.locator("mark").first).to_be_visible()
    assert person.overflow() <= 0
    assert person.panel.evaluate("(panel) => [panel.offsetLeft, panel.offsetWidth]") == [
        0,
        PHONE["width"],
    ]
    person.page.click("#panel-close")
    person.context()
    assert person.overflow() <= 0
    person.page.click("#panel-close")
    person.page.click("#choices")
    expect(person.panel.get_by_label("Folder")).to_be_visible()
    assert person.overflow() <= 0
    person.page.click("#panel-close")
    person.page.click("#conversations")
    person.panel.get_by_role("checkbox", name="Keep my conversations").check()
    expect(person.panel.locator(".kept .source")).to_be_visible()
    assert person.overflow() <= 0
    person.page.click("#panel-close")
    person.house.model.failure = GeneratorUnavailable("It refuses.")
    person.ask("And now?")
    assert person.overflow() <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_by_day_and_by_night(sit: Sit, scheme: str) -> None:
    """Contrast of 4.5 to 1, wherever text stands on a colour of its own, once colours have changed."""
    person = sit(color_scheme=scheme, reduced_motion="reduce")  # none is met halfway
    person.enter()
    person.house.model.reply = "Salaries rise in `March` [1]. The moon is made of green cheese [1]."
    person.ask()
    person.page.locator(".cite").first.click()
    expect(person.panel.locator("mark.quote")).to_be_visible()
    pale = person.page.evaluate(CONTRAST)
    assert pale == []


CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const parts = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const ground = (node) => { for (; node; node = node.parentElement) {
    const colour = parts(getComputedStyle(node).backgroundColor); if (colour[3] > 250) return colour; }
    return parts(getComputedStyle(document.documentElement).backgroundColor); };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  for (let text; (text = texts.nextNode());) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest(".unseen, .skip, noscript")) continue;
    const [one, other] = [light(parts(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) found.add(`${node.className || node.tagName} ${text.data.slice(0, 20)}`);
  }
  return [...found];
}"""
