"""Sentences that answer nothing, whatever words they share with a question."""

import re

from indexes.text.sentences import CLOSING, QUESTION_MARKS

_HOLDERS = (
    "documents?|passages?|sources?|texts?|sections?|articles?|pages?|files?|records?|materials?|context|information"
    "|answers?|excerpts?|handbook|manual|knowledge base|database"
)
_TELLS = (
    "answer\\w*|sa(?:y|ys|id)|tell\\w*|mention\\w*|state\\w*|contain\\w*|describe\\w*|provide\\w*|address\\w*|cover\\w*"
    "|specif\\w+|include\\w*|give\\w*|found|available|known|explain\\w*|hold\\w*|indicate\\w*|know\\w*"
)
_NO = r"(?:not|n['’]t|no|none|nothing|nobody|never|neither|cannot|unable|without|un(?=answered|known))"
_DENIES = re.compile(
    rf"\b(?:{_HOLDERS})\b[^.;!?]{{0,60}}\b(?:do|does|did|can|could|is|are|was|were|has|have)?\s?{_NO}\b[^.;!?]{{0,40}}\b(?:{_TELLS})\b"
    rf"|\b(?:no|none|nothing|nobody|neither)\b[^.;!?]{{0,60}}\b(?:{_HOLDERS})\b[^.;!?]{{0,60}}\b(?:{_TELLS})\b"
    rf"|\b(?:nobody|no one|no-one) (?:knows?|can (?:say|tell|answer))\b"
    rf"|\bthere (?:is|are|was) (?:no|not any) (?:information|answers?|mention|record|evidence|data)\b"
    rf"|\b(?:not|un|never)[ -]?answered\b|\bno answer\b|\bcannot be answered\b"
    r"|(?:文[档檔件中章]|[资資]料|材料|本文|段落|来源|來源|原文|上文|[内內]容|答案)[^。！？]{0,30}(?:[没沒]有|未|不|[无無])[^。！？]{0,20}"
    r"(?:回答|答案|提[到及供]|[说說]明|[记記][载載]|涉及|包含|解答|回[应應]|知道|[写寫]|答)"
    r"|(?:[没沒]有|[无無]|未)[^。！？]{0,12}(?:文[档檔件]|[资資]料|材料)[^。！？]{0,20}(?:回答|答案|提[到及供]|[说說]明|[记記][载載])"
    r"|[没沒]有答案|[无無]法回答|[没沒]有人知道|[无無]人知[道晓曉]|[没沒]有回答|未[作予]?回答|找不到答案",
    re.IGNORECASE,
)
_POINTS_ELSEWHERE = re.compile(
    r"^\W*(?:see also|see (?:the )?(?:section|page|chapter|below|above)"
    r"|for more (?:information|details)|read more|further reading"
    r"|related (?:pages|links|articles)|click here|back to|table of contents"
    r"|参[见見看]|另[见見]|更多(?:信息|[内內]容|[资資]料)|相[关關][链連][接结結]|目[录錄錄])",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"^\W*(?:thank(?:s| you)|please (?:do not hesitate|feel free|contact us|let us know)|welcome"
    r"|hello|hi\b|dear\b|good (?:morning|day)"
    r"|(?:best|kind|warm) regards|sincerely|we hope|you(?:'|’)re welcome|[谢謝][谢謝]|感[谢謝]|[欢歡]迎|您好|你好|敬[请請]|此致)",
    re.IGNORECASE,
)
_QUESTION = re.compile(rf"(?:{'|'.join(map(re.escape, QUESTION_MARKS))})[{CLOSING}\s*_#]*$")


def asks(sentence: str) -> bool:
    """Whether it is a question itself; what follows it may be the answer."""
    return _QUESTION.search(sentence) is not None


def answers_nothing(sentence: str) -> bool:
    """Whether it only points elsewhere, is polite, or claims that documents do not answer."""
    return bool(
        _POINTS_ELSEWHERE.search(sentence) or _COURTESY.search(sentence) or _DENIES.search(sentence)
    )
