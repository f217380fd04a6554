"""Whether a model says, in words of its own, that the passages do not answer the question."""

import re

from indexes.text.sentences import sentences
from indexes.text.words import terms

LONGEST = 3  # sentences, beside courtesies, of an answer that says no more than that
LATEST = 60  # characters before it in its sentence; what comes later is said by the way
FEW = 3  # content words after `but`; more of them are an answer to something

_S = (
    r"(?:passages?|documents?|contexts?|texts?|sources?|excerpts?|information|materials?|contents?|articles?|paragraphs?"
    r"|snippets?|files?|references?)"
)
_NOT = r"(?:(?:do|does|did|is|are|was|were|has|have|can|could)(?: not|n['’]t)|cannot|fails? to|lacks?)\b"
_TELL = (
    r"(?:answer|contain|mention|provide|say|state|specif|includ|give|address|available|enough|sufficient|discuss|indicat"
    r"|explain|describ|cover|reveal|tell|name|list|refer|disclos|clarif|detail|have|hold|information|found)"
)
_ENGLISH = (
    rf"\b{_S}\b.{{0,60}}?\b{_NOT}.{{0,40}}?\b{_TELL}",
    rf"\b(?:no|any) (?:\w+ )?(?:answer|information|mention|details?|indication|evidence|reference|data)\b.{{0,60}}\b{_S}\b",
    r"\bthere (?:is|was|are) (?:no|not (?:any|enough|sufficient))\b.{0,20}\b(?:answer|information|mention|details?|data)\b",
    r"\b(?:i|we)(?: am|['’]m| was| were)?(?: really| simply)? (?:cannot|can ?not|can['’]t|could not|couldn['’]t"
    r"|unable to|not able to|do not|don['’]t|did not|didn['’]t)\b.{0,30}?\b(?:find|answer|determine|locate|know|see|tell|have)\b",
    rf"\b(?:not|n['’]t|never)\b.{{0,15}}?\b{_TELL}\w*\b.{{0,25}}?\b(?:in|by|from) (?:the |any |these |those |this )?"
    rf"(?:\w+ ){{0,2}}?{_S}\b",
    rf"\b(?:none|neither) of (?:the |these |those )?(?:\w+ ){{0,2}}?{_S}\b.{{0,20}}\b{_TELL}",
    r"\b(?:unable|not possible|impossible) to (?:answer|find|determine|say|tell)\b|\bcannot be (?:answered|determined|found)\b"
    r"|\b(?:insufficient|not enough|no relevant) (?:information|context|details?|data)\b|\bunanswerable\b",
    r"^\W*(?:not (?:mentioned|stated|specified|answered|found|given|provided|available|known)|unknown"
    r"|no answer(?: found)?)\W*$",
)
_ZS = (
    "(?:资料|資料|文档|文檔|文件|段落|文中|上文|原文|材料|文章|文本|内容|內容|信息|訊息|資訊|资讯|上下文|来源|來源|片段|篇章"
    "|文字)"
)
_ZNOT = "(?:没有|沒有|没|沒|未|无法|無法|并无|並無|不包含|不包括|不含|不足以|不能|无|無|缺乏|缺少)"
_ZTELL = (
    "(?:回答|答案|提到|提及|说明|說明|相关|相關|有关|有關|信息|資訊|资讯|訊息|包含|给出|給出|指出|涉及|描述|记载|記載|显示|顯示|提供"
    "|明确|明確|解答|确定|確定|找到|介绍|介紹|交代|谈到|談到|提出|讨论|討論)"
)
_CHINESE = (
    rf"{_ZS}.{{0,12}}?{_ZNOT}.{{0,12}}?{_ZTELL}",
    rf"{_ZNOT}.{{0,8}}?{_ZTELL}.{{0,20}}?(?:问题|問題|答案|信息|資訊|资讯|訊息|内容|內容|资料|資料)",
    r"(?:找不到|查不到|无从得知|無從得知|不得而知|无法得知|無法得知|无法确定|無法確定|无法判断|無法判斷|无法回答|無法回答|未能找到)",
    r"(?:信息|資訊|资讯|资料|資料|内容|內容)(?:不足|不够|不夠)|我不知道|我不清楚|(?:^\W*)并?未(?:被)?(?:提及|提到|说明|說明)|并?未(?:被)?(?:提及|提到|说明|說明)\W*$",
)
_SAYS = re.compile("|".join((*_ENGLISH, *_CHINESE)), re.IGNORECASE | re.DOTALL)
_BUT = re.compile(
    r"[,;.]? ?\b(?:but|however|although|though|yet)\b|[，,；;]?(?:但|不过|不過|然而|可是)",
    re.IGNORECASE,
)
_THEY_SAY = re.compile(rf"\W*(?:it|they|the (?:\w+ )?{_S}|[它他其]们?們?|{_ZS})", re.IGNORECASE)
_ASIDE = re.compile(
    r"^\W*(?:(?:i['’]?m|i am|we are)? ?(?:very |so )?sorry|unfortunately|i apologi[sz]e|my apologies|sure|certainly|hello|hi"
    r"|(?:很|非常|十分)?(?:抱歉|遗憾|遺憾)|对不起|對不起|不好意思|您好|你好)\W*$",
    re.IGNORECASE,
)


def says_not_answered(sentence: str) -> bool:
    """Whether this sentence says that the passages do not hold the answer, and nothing else."""
    found = _SAYS.search(sentence)
    if found is None or found.start() > LATEST:
        return False
    but = _BUT.search(sentence, found.start())
    if but is None or but.start() == found.start():
        return True
    rest = sentence[but.end() :]
    return _THEY_SAY.match(rest) is not None or len(list(terms(rest, question=True))) <= FEW


def is_no_answer(text: str) -> bool:
    """Whether an answer, without its markers, is none: the first thing that it says is that nothing
    answers, and it does not say much more.
    """
    said = [text[start:end] for start, end in sentences(text)]
    said = [each for each in said if not _ASIDE.match(each) and any(map(str.isalnum, each))]
    return bool(said) and len(said) <= LONGEST and says_not_answered(said[0])
