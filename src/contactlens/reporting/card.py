"""A model card as Markdown: sections and tables, in the order of Mitchell et al. (2019), Model Cards for Model
Reporting."""

from collections.abc import Mapping, Sequence


class Card:
    """Text of a card, built section by section."""

    def __init__(self, title: str) -> None:
        self.parts = [f"# {title}"]

    def section(self, heading: str, *paragraphs: str) -> None:
        """Lines that begin with a dash make one list."""
        self.parts.append(f"## {heading}")
        for text in paragraphs:
            if text.startswith("- ") and self.parts[-1].startswith("- "):
                self.parts[-1] += f"\n{text}"
            else:
                self.parts.append(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [columns, ["---"] * len(columns), *rows]
        self.parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))

    def text(self) -> str:
        return "\n\n".join(self.parts) + "\n"


def metric_rows(metrics: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    """metric, estimate and interval of each metric that could be had, {metric: {estimate, low, high}}.

    Whatever else stands there has no row; the registry refuses it by name.
    """

    def number(value: float | None) -> str:
        return "not known" if value is None else f"{value:.4g}"

    return [
        [name, number(ends.get("estimate")), f"[{number(ends.get('low'))}, {number(ends.get('high'))}]"]
        for name, ends in metrics.items()
        if isinstance(ends, Mapping)
    ]


def origin_sentence(tags: Mapping[str, str], data: str) -> str:
    """Which code and data a version was made from. `tags`: those of its run; `data`: path of the data.

    Raises KeyError where the tags do not tell."""
    return f"Made at commit `{tags['git_commit']}` from `{data}` of DVC hash `{tags[f'dvc/{data}']}`."


def looks_sentence(test_looks: int) -> str:
    """How far a test split is used up: of several models that it chose from, the best looks better than it is."""
    if test_looks == 1:
        return "This test split has been used for one decision of this registered model, that on this version."
    return (
        f"This test split has been used for {test_looks} decisions of this registered model, that on this version"
        " included: its figures are the more optimistic the more versions it has chosen from."
    )
