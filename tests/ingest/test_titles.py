"""A title is what a person wrote, in whatever language a program names what nobody named."""

import pytest

from ingest.partition.titles import is_title, worthy_title

LEFT_BEHIND = [
    "<4D6963726F736F667420576F7264202D20>", "‹4D6963726F736F667420576F7264202D20B>", "Unbenannt-1", "Unbenanntes Dokument",
    "Presentación de PowerPoint", "Presentazione di PowerPoint", "Apresentação do PowerPoint", "Презентация PowerPoint",
    "Prezentacja programu PowerPoint", "PowerPoint-presentatie", "PowerPoint 演示文稿", "PowerPoint プレゼンテーション",
    "Microsoft PowerPoint 프레젠테이션", "PowerPoint Sunusu", "Sans titre-2", "Document sans titre", "Senza titolo-1",
    "Sem título", "Bez tytułu", "Dokument bez názvu", "Без названия", "無題のドキュメント", "Naamloos 3", "Документ1",
    "Documento1", "Presentación1", "Document (2)", "12345", "2024-03",
]  # fmt: skip
NAMES = [
    "PowerPoint tips for teachers", "Presentación de resultados 2024", "Документ о приёме", "Apollo 13", "1Q84", "1984 (novel)",
    "Document management", "Unbenannte Helden", "Word of mouth", "Excel for nurses", "Sin título de propiedad",
    "Sans titre de séjour", "Untitled works of the 1920s", "Präsentation der Ergebnisse", "Deadbeef",
]  # fmt: skip


@pytest.mark.parametrize("title", LEFT_BEHIND)
def test_what_a_program_left_behind_is_no_title(title):
    assert not worthy_title(title)


@pytest.mark.parametrize("title", NAMES)
def test_what_a_person_wrote_is_a_title(title):
    assert is_title(title)


def test_a_year_is_a_title_only_if_the_file_says_so():
    assert worthy_title("1984") == "1984"
    assert not is_title("1984")
