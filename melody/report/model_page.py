"""The page of a model's report: what is aimed at and reached, every measure, pictures, and some tunes to listen to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from melody.files import write_bytes
from melody.originality.runs import CONTINUED
from melody.report import likeness_plots
from melody.report.browser import data_address
from melody.report.page import PageTune, articles, check_page, framed, table
from melody.text import for_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from melody.evaluation.model_report import ModelReport
    from melody.statistics.distances import Comparison

_REACHED, _MARKS = {True: "reached", False: "missed"}, {True: "✓", False: "✗"}


def write_model_page(path: str | os.PathLike[str], report: ModelReport, tunes: Sequence[PageTune]) -> None:
    """Write `model_page`, one self-contained .html file, whole or not at all; arguments as there.

    Raises
    ------
    RenderError
        If the suffix is another, or matplotlib is not installed.
    FileError
        If the file cannot be written.
    """
    check_page(path)
    write_bytes(path, model_page(report, tunes).encode())


def model_page(report: ModelReport, tunes: Sequence[PageTune]) -> str:
    """The page as HTML.

    Parameters
    ----------
    report
        What was found.
    tunes
        To listen to.
    """
    facts = (
        f"{len(report.own.tunes):,} tunes that {report.model} ({report.fingerprint}) wrote, beside "
        f"{len(report.heldout.runs):,} of the {report.heldout_pieces:,} pieces of its corpus that it was not trained on; "
        f"trained on {report.pieces:,}."
    )
    goals = "".join(
        f'<p class="{_REACHED[reached]}">{_MARKS[reached]} {for_html(sentence)}</p>' for reached, sentence in report.goals
    )
    remarks = "".join(f"<p>{for_html(remark)}</p>" for remark in report.remarks)
    parts = [_part("In short", goals + remarks), _measures(report)]
    shown = likeness_plots.classes(report.own.to_heldout)
    if shown is not None:
        parts.append(_part("Notes", _picture(shown, "Shares of classes, tunes beside held-out pieces")))
    parts += [_tests(report), _originality(report)]
    if report.curves:
        parts.append(_extraction(report))
    if report.by_temperature:
        parts.append(_temperatures(report))
    heading = f"What {report.model} writes, beside its corpus"
    return framed(heading, f'<p class="facts">{for_html(facts)}</p>', "".join(parts) + articles(tunes))


def _part(title: str, html: str) -> str:
    return f'<section class="part">\n<h2>{for_html(title)}</h2>\n{html}</section>\n'


def _picture(figure: Figure, text: str) -> str:
    return f'<img alt="{for_html(text)}" src="{data_address(likeness_plots.svg(figure), "image/svg+xml")}">\n'


def _measures(report: ModelReport) -> str:
    text = (
        "The distance of each measure from held-out pieces with its 95 % interval; the floor is what two halves of the "
        "corpus of the same sizes differ by, and times floor the one over the other. Shares of classes: total variation. "
        "Numbers: Wasserstein distance in standard deviations. Overlap (1 is alike) and KL as in Yang and Lerch 2020, each "
        "beside that of two halves."
    )
    header = ("", "distance", "95 %", "floor", "times floor", "from training", "overlap", "halves", "KL", "halves", " most")
    training = {each.name: each for each in report.own.to_train}
    rows = sorted(report.own.to_heldout, key=lambda each: -each.times_floor)
    shown = table(header, [_row(each, training.get(each.name)) for each in rows], [each.times_floor > 2 for each in rows])
    picture = _picture(likeness_plots.distances(report.own), "Distances in floors, a row a measure")
    return _part("Measure by measure", f"<p>{for_html(text)}</p>\n{picture}{shown}")


def _row(each: Comparison, training: Comparison | None) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.distance:.3f}",
        f"{each.low:.3f} to {each.high:.3f}",
        f"{each.floor:.3f}",
        f"{each.times_floor:.2f}",
        "" if training is None else f"{training.distance:.3f}",
        f"{each.overlap:.2f}",
        f"{each.floor_overlap:.2f}",
        f"{each.kl:.3f}",
        f"{each.floor_kl:.3f}",
        each.largest_difference,
    )


def _tests(report: ModelReport) -> str:
    apart, mmd, floors = report.own.classified, report.own.discrepancy, report.floor_discrepancy
    if apart is None or mmd is None:
        return ""
    sentences = (
        f"Boosted trees tell a tune from a held-out piece in {apart.accuracy:.1%} of {apart.pieces:,} cases "
        f"({apart.low:.1%} to {apart.high:.1%}), two halves of the corpus in "
        f"{report.floor_classified.accuracy:.1%}; 50 % is chance.",
        f"MMD² is {mmd.mmd:.4f} (permutation test: p = {mmd.p:.3f}), of two halves of the corpus {floors.mmd:.4f} "
        f"(p = {floors.p:.3f}).",
    )
    rows = [(name, f"{100 * lost:.1f}") for name, lost in apart.features[:10] if lost > 0]
    shown = table(("what gives the tunes away", "% right that are lost without it"), rows) if rows else ""
    return _part("All measures together", "".join(f"<p>{for_html(each)}</p>\n" for each in sentences) + shown)


def _originality(report: ModelReport) -> str:
    tunes, heldout = report.own.copying, report.heldout
    rows = []
    for name, found in (("tunes", tunes), ("held-out pieces", heldout)):
        plain = found.to_dict()
        run = plain["longest_run"]
        copies = f"{found.share:.1%} ({found.interval[0]:.1%} to {found.interval[1]:.1%})" if found.is_known else "not known"
        rows.append((name, f"{run['median']:.0f}", f"{run['99 %']:.0f}", f"{run['most']:.0f}", copies))
    shown = table(("", "longest run: median", "99 %", "most", "copies"), rows)
    return _part("Originality", _picture(likeness_plots.runs(tunes, heldout), "Longest shared runs") + shown)


def _extraction(report: ModelReport) -> str:
    text = (
        f"Which share of pieces the model goes on with for the next {CONTINUED} notes as they are, note for note, when it "
        "has their first notes as a prompt; each the likeliest (greedy), or by chance at a temperature. What held-out "
        "pieces have as well is repetition and style; what training pieces have more is recited. The model has "
        f"{report.parameters:,} parameters."
    )
    prompts = [str(prompt) for prompt, _, _ in report.curves[0].points]
    rows = [
        (curve.name, curve.decoding, *(f"{share:.1%} of {pieces:,}" if pieces else "-" for _, share, pieces in curve.points))
        for curve in report.curves
    ]
    shown = table((" pieces", "", *(f"{prompt} notes" for prompt in prompts)), rows)
    picture = _picture(likeness_plots.extraction(report), "Extraction curves")
    return _part("Extraction", f"<p>{for_html(text)}</p>\n{picture}{shown}")


def _temperatures(report: ModelReport) -> str:
    rows = [
        (
            f"{degree:g}",
            f"{found.mean_floors:.2f}",
            f"{len(found.to_heldout) - len(found.far)} of {len(found.to_heldout)}",
            f"{found.copying.to_dict()['longest_run']['median']:.0f}",
            f"{found.copying.share:.1%}",
            "yes" if report.copies_more(found) else "no",
        )
        for degree, found in report.by_temperature
    ]
    header = ("temperature", "floors on average", "within 2 floors", "longest run", "copies", "copies more than held-out")
    picture = _picture(likeness_plots.temperatures(report), "By temperature")
    rule = (
        "The rule: of the temperatures at which no more is copied than held-out pieces copy, the one whose measures lie "
        "nearest to held-out pieces on average."
    )
    return _part("By temperature", f"<p>{rule}</p><p>{for_html(report.on_temperature)}.</p>\n{picture}{table(header, rows)}")
