"""The report of a run: whole, bounded, safe, and in two languages."""

import re
import string
from html.parser import HTMLParser

import pytest
from batch_runner.artefact.outcome import Remark
from batch_runner.reporting.page.measures import measure
from batch_runner.reporting.page.rendering import MAX_BYTES, render
from batch_runner.reporting.page.wording import Language, Wording, catalogue
from batch_runner.tests.simulated_run import simulated_run

HOSTILE = '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">{{7*7}} \'"]]>\u202e'


class _Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.elements.append((tag, dict(attrs)))


def structure(html: str) -> _Structure:
    parsed = _Structure()
    parsed.feed(html)
    return parsed


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    english, swedish = (catalogue(language) for language in Language)

    assert english.keys() == swedish.keys()
    for name, text in english.items():
        fields, others = (
            {field for _, field, _, _ in string.Formatter().parse(each) if field}
            for each in (text, swedish[name])
        )
        assert fields == others, name


@pytest.mark.parametrize("language", Language)
def test_every_essay_is_in_the_ranking_and_has_its_comparisons(language: Language) -> None:
    run = simulated_run(12, anchors=4)

    html = render(run, language)

    for score in run.bt_summary:
        assert f'data-id="{score.essay_id}"' in html
    assert html.count('<details class="essay"') == 12
    assert html.count('class="what"') == 2 * len(measure(run).judged)


def test_hostile_names_and_reasons_stay_text() -> None:
    plain = structure(render(simulated_run(6, anchors=3), Language.ENGLISH))

    html = render(simulated_run(6, anchors=3, reason=HOSTILE, file=HOSTILE), Language.ENGLISH)

    hostile = structure(html)
    assert hostile.tags.count("script") == plain.tags.count("script") == 1
    assert "img" not in hostile.tags
    assert not [name for name, _ in hostile.attributes if name.startswith("on") or name == "style"]
    assert "{{7*7}}" in html


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    parsed = structure(render(simulated_run(6, anchors=3), Language.ENGLISH))

    links = [value or "" for name, value in parsed.attributes if name in ("src", "href", "action")]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    (policy,) = (
        element["content"] or ""
        for _, element in parsed.elements
        if element.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy


def test_every_figure_has_a_text_and_ids_are_unique() -> None:
    parsed = structure(render(simulated_run(70, per_essay=4), Language.SWEDISH))

    figures = [
        element for tag, element in parsed.elements if (tag, element.get("class")) == ("svg", "figure")
    ]
    assert len(figures) >= parsed.tags.count("figure") > 0
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {(value or "")[1:] for name, value in parsed.attributes if name == "href" and value != "data:,"}
    assert targets <= set(ids)


@pytest.mark.parametrize("reliability", [None, -13.996])
def test_a_reliability_that_cannot_be_measured_is_said_to_be_so(reliability: float | None) -> None:
    run = simulated_run(5, anchors=0, per_essay=4)
    assert run.reliability is not None
    broken = run.model_copy(update={"reliability": run.reliability.model_copy(update={"eb": reliability})})

    html = render(broken, Language.ENGLISH)

    assert "−13" not in html
    assert "not measurable" in html


def test_a_run_without_any_judgement_still_has_a_page() -> None:
    run = simulated_run(5, anchors=0, per_essay=4).model_copy(
        update={"llm_comparisons": (), "bt_summary": ()}
    )

    assert "There were no anchors" in render(run, Language.ENGLISH)


def test_many_essays_with_long_reasons_stay_within_the_bound() -> None:
    html = render(simulated_run(800, per_essay=8, reason="'" * 500), Language.ENGLISH)

    assert len(html.encode()) <= MAX_BYTES
    assert len(re.findall(r'class="(?:a )?(?:c-\w+)?" data-id', html)) == 800
    assert "more in comparisons.csv" in html


def test_numbers_are_written_as_each_language_writes_them() -> None:
    swedish, english = Wording(Language.SWEDISH), Wording(Language.ENGLISH)

    assert swedish.number(-1234.5, 1) == "−1\u202f234,5"
    assert english.number(-1234.5, 1) == "−1\u202f234.5"
    assert english.percent(0.999) == ">99%"


def test_gates_and_each_judges_share_are_on_the_page() -> None:
    html = render(simulated_run(8, anchors=4), Language.ENGLISH)

    assert "Comparisons of the essay that was compared least" in html
    assert "not known" in html
    assert "Who judged how much" in html


def test_essays_without_a_rank_are_named_with_the_reason() -> None:
    reason = "too few of its comparisons were judged to link it to the others"
    run = simulated_run(8, anchors=4).model_copy(update={"unranked": {"elev-9": reason}})

    html = render(run, Language.SWEDISH)

    assert '<th scope="row">elev-9</th>' in html
    assert "för få av dess jämförelser" in html
    assert "1 text gick inte att rangordna" in html


def test_cost_is_drawn_by_the_clock() -> None:
    html = render(simulated_run(24), Language.ENGLISH)

    assert re.search(r'text-anchor="middle">09:3\d:\d\d<', html)


@pytest.mark.parametrize(
    ("kind", "message", "swedish"),
    [
        ("document", "anna.docx: 2 comments left out", "anna.docx: kommentarer utelämnade: 2"),
        (
            "document",
            "bo.docx: hidden text is left out (3 words: 'a: b')",
            "bo.docx: dold text är utelämnad, 3 ord: &#39;a: b&#39;",
        ),
        ("look_at", "forged_answer, encoded_text", "den innehåller kodad text"),
    ],
)
def test_remarks_are_in_the_language_of_the_page(kind: str, message: str, swedish: str) -> None:
    remark = Remark(essay_id=None, kind=kind, message=message)

    html = render(simulated_run(6, anchors=3).model_copy(update={"flags": (remark,)}), Language.SWEDISH)

    assert swedish in html


def test_a_remark_that_nobody_has_translated_is_marked_as_english() -> None:
    remark = Remark(essay_id=None, kind="document", message="something new")

    html = render(simulated_run(6, anchors=3).model_copy(update={"flags": (remark,)}), Language.SWEDISH)

    assert 'lang="en">something new' in html
