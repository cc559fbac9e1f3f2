"""Makes pages of the Markdown files in the root of the repository, with their links mended."""

import posixpath
import re

# Pages of the section "Project", by the file that each is made of.
PAGES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def page(text: str, uri: str) -> str:
    """The text of a root file for the page `uri`.

    A link to a page or a root file leads to the page. A link to any other file of the repository becomes its text.
    """

    def mended(match: re.Match) -> str:
        label, target = match.groups()
        path, mark, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return match[0]
        path = posixpath.normpath(path)
        path = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not path:
            return label
        return f"[{label}]({posixpath.relpath(path, posixpath.dirname(uri))}{mark}{anchor})"

    return _LINK.sub(mended, text)
