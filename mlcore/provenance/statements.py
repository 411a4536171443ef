"""What a field may declare: a program's name where programs write theirs, a whole statement elsewhere.

People and companies bear generators' names (an artist called Grok, "OpenAI via AP" as a credit), and
many people write that their picture is *not* generated, in more words than anybody can list. So free
text declares nothing by a name in it. It declares only where all of it, or one whole sentence of a
credit, is one of the statements below, and where no word of denial stands anywhere beside it.
"""

from __future__ import annotations

import re

from mlcore.provenance import vocabulary

MOST = 400  # characters of a field that are looked at; statements are short

_DENIALS = (
    r"no|non|not|never|none|nor|neither|without|zero|isn['’]?t|wasn['’]?t|aren['’]?t|anti|against"
    r"|human[- ]?made|kein\w*|nicht|ohne|niemals|sans|aucun\w*|jamais|sin|nunca|ning[uú]n\w*|sem|n[ãa]o"
    r"|nenhum\w*|senza|nessun\w*|zonder|geen|niet|bez|utan|inte|uden|ikke|без|не|нет"
)
_MORE = r"free|frei|pas|ni|nie|mai|ej|ingen"  # words of programs' names and of other languages, too
_ENDINGS = r"|n['’]t\b|\bfree of\b|-free\b|-?frei\b|\b0 ?%|不是|没有|沒有|非 ?ai|無し|なし|ではない|아님|없"
PROGRAM_DENIAL = re.compile(rf"\b(?:{_DENIALS})\b{_ENDINGS}", re.I)
DENIAL = re.compile(rf"\b(?:{_DENIALS}|{_MORE})\b{_ENDINGS}", re.I)

_AI = r"(?:(?:google|meta|adobe|microsoft|generative|gen)[ -])?(?:ai|a\.i\.|artificial intelligence|genai)"
_KI = r"(?:ki|künstlicher intelligenz|künstliche intelligenz)"
_IA = (
    r"(?:ia|inteligencia artificial|intelligence artificielle|intelligenza artificiale"
    r"|inteligência artificial)"
)
_PICTURE = (
    r"(?:image|picture|photo|photograph|artwork|art|illustration|content|media|visual|graphic|drawing"
    r"|painting)s?"
)
_THIS = (
    rf"(?:(?:this|the|an?) )?(?:{_PICTURE} )?(?:(?:is|was|has been|were) )?"
    r"(?:(?:fully|entirely|completely|an?) )?"
)
_TOOL = r"(?: (?:tools?|technology|software|models?|image generator|generator))?"
_HEAD = (
    r"(?:(?:photo|image|picture|illustration|credit|foto|bild|grafik|symbolbild|imagen|source|quelle)s?"
    r"(?: by)?: ?)?"
)
_ENGLISH = (
    rf"{_THIS}(?:ai|a\.i\.|artificial intelligence|genai)[- ]?(?:generated|created|made|produced)"
    rf"(?: {_PICTURE})?"
    rf"|{_THIS}(?:made|created|generated|imagined|produced|rendered) (?:with|by|using) (?:an )?{_AI}{_TOOL}"
)
_MAKER = r"(?:openai|adobe|google|microsoft|meta)(?:['’]s)?"
_MADE = r"(?:generiert|erstellt|erzeugt)"
_GERMAN = (
    rf"{_KI}[- ]?{_MADE}(?:e[srn]?)?(?: (?:bild|grafik|foto|illustration))?"
    rf"|(?:(?:dieses |das )?(?:bild|foto|grafik) (?:wurde |ist )?)?(?:mit|von|durch) {_KI} {_MADE}"
    rf"|{_MADE} (?:mit|von|durch) {_KI}"
)
_ROMANCE = (
    r"(?:(?:cette |esta |questa )?(?:image|imagen|immagine|imagem) "
    r"(?:a été |est |fue |es |ha sido |è stata )?)?"
    r"(?:g[ée]n[ée]r[ée]e?|cré[ée]e?|generad[oa]|cread[oa]|generat[oa]|creat[oa]|gerad[oa]|criad[oa]) "
    rf"(?:par|avec|con|por|com|da) (?:une? |la |l['’])?{_IA}"
)
WHOLE = re.compile(rf"{_HEAD}(?:{_ENGLISH}|{_GERMAN}|{_ROMANCE})", re.I)
WHOLE_AND_NAME = re.compile(
    rf"(?:{WHOLE.pattern})[ ,:(–-]+(?:(?:using|with|via|by|in|mit|avec|con) )?(?P<tool>.{{2,60}}?)\)?", re.I
)
# A maker's name behind these can only be a program's; "made by Grok" can be a person's work.
WITH = re.compile(
    rf"{_HEAD}{_THIS}(?:(?:made|created|produced|rendered) (?:with|using|in)"
    rf"|(?:ai[- ])?(?:generated|imagined) (?:with|by|using|in)) (?P<tool>.{{2,60}})",
    re.I,
)
BY = re.compile(rf"{_HEAD}{_THIS}(?:made|created|produced|rendered|drawn) by (?P<tool>.{{2,60}})", re.I)
NO_PERSON = {"DALL·E", "Stable Diffusion", "Adobe Firefly", "ComfyUI", "OpenAI", "Microsoft"}
EDITED = re.compile(
    rf"{_THIS}(?:edited|retouched|modified|enhanced) (?:with|by|using) {_AI}{_TOOL}"
    r"|magic eraser|generative fill",
    re.I,
)
BETWEEN = re.compile(r"\s*(?:[.;|/\n\r•·–—]|\s-\s)\s*")
VERSION = re.compile(r"[ ,]*(?:\(?(?:v|version )?\d[\w.]*\)?|\([\w .·-]{2,40}\))$", re.I)
NO_NAME = "a generator that is not named"


def program(text: str) -> str:
    """The generator that a program's field names, "" for none; a field that denies names none."""
    return "" if PROGRAM_DENIAL.search(text[:MOST]) else vocabulary.generator(text)


def edited_with_ai(text: str) -> bool:
    """Whether a program's field says that a part was changed by AI."""
    return bool(vocabulary.EDITED_WITH_AI.search(text[:MOST])) and not PROGRAM_DENIAL.search(text[:MOST])


def credit(text: str) -> str:
    """The generator that one whole sentence of a credit, byline or copyright states, "" for none."""
    return next(filter(None, map(_stated, _sentences(text))), "")


def credit_of_edit(text: str) -> bool:
    """Whether one whole sentence of a credit says that the picture was edited with AI."""
    return any(EDITED.fullmatch(sentence) for sentence in _sentences(text))


def caption(text: str) -> str:
    """As ``credit``, of free text: captions speak of much, so that all of it must be the statement."""
    return "" if denies(text) or len(text) > MOST else _stated(text.strip(" .!\n\t"))


def denies(text: str) -> bool:
    """Whether any word of denial stands in the text, whatever it denies."""
    return bool(DENIAL.search(text[:2000]))


def _sentences(text: str) -> list[str]:
    if denies(text) or len(text) > MOST:
        return []
    return [text.strip(" .!\n\t"), *BETWEEN.split(text.strip(" .!\n\t"))]


def _stated(sentence: str) -> str:
    sentence = " ".join(sentence.split())
    if WHOLE.fullmatch(sentence):
        return vocabulary.generator(sentence) or NO_NAME
    for pattern in (WHOLE_AND_NAME, WITH, BY):
        match = pattern.fullmatch(sentence)
        name = _only_a_name(match["tool"].strip()) if match else ""
        if name and (pattern is not BY or name in NO_PERSON):
            return name
    return ""


def _only_a_name(text: str) -> str:
    """The generator where the text is its name, perhaps with a version or its maker, and nothing else."""
    for _ in range(3):
        text = VERSION.sub("", text).strip()
    for pattern, name in vocabulary.GENERATORS:
        if re.fullmatch(rf"(?:{_MAKER} )?(?:{pattern})(?: ai)?", text, re.I):
            return name
    return ""
