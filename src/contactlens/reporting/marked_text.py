"""A part of a page, between two comments that no reader sees, that a command writes anew."""

from contactlens.base.errors import InputError


def replace_marked(page: str, name: str, text: str, source: str = "page") -> str:
    """The page with all between `<!-- name: start -->` and `<!-- name: end -->` replaced by `text`.

    source: what a message calls the page

    Raises InputError unless the page has both marks, once each and in this order.
    """
    start, end = f"<!-- {name}: start -->", f"<!-- {name}: end -->"
    if page.count(start) != 1 or page.count(end) != 1 or page.index(end) < page.index(start):
        raise InputError(f"{source}: must hold {start} and, after it, {end}, once each")
    before, rest = page.split(start)
    after = rest.split(end)[1]
    return f"{before}{start}\n{text.strip()}\n{end}{after}"
