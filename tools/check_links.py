"""Checks links without a network: those of the Markdown sources, and those of the built pages.

    python tools/check_links.py              # README, docs/ and the other Markdown files
    python tools/check_links.py --site DIR   # the pages that `mkdocs build` wrote to DIR

Addresses of other servers are not opened. A built page may link to them, and it may load nothing from them.
"""

import argparse
import posixpath
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[1]
ROOT_FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "launch/README.md")
_FENCED = re.compile(r"^(\s*)(```+|~~~+)[^\n]*\n.*?^\1\2[ \t]*$", re.M | re.S)
_INLINE_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_OTHER_LINKS = (
    re.compile(r"^\s*\[[^\]]+\]:\s+(\S+)", re.M),
    re.compile(r"<(?:a|img|source)\b[^>]*?(?:href|src)=\"([^\"]+)\""),
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)


def of_sources(root: Path, generated: Mapping[str, str | bytes]) -> list[str]:
    """One line for each link of the sources that leads nowhere.

    A page of docs/ may link to pages and pictures of docs/ and to generated pages. A file outside docs/ may link to
    every file of the repository. It may not link to generated pages, because readers of the repository lack these.

    Args:
      root: of the repository.
      generated: pages that only the build makes, by their path below docs/.
    """
    docs = root / "docs"
    pages = {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in docs.rglob("*.md")}
    pages |= {uri: text for uri, text in generated.items() if isinstance(text, str)}
    bad = []
    for uri, text in sorted(pages.items()):
        for target in links(text):
            path, _, anchor = target.partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(uri), unquote(path))) if path else uri
            if path not in generated and (path.startswith("..") or not (docs / path).is_file()):
                bad.append(f"docs/{uri}: {target}: no such page or picture in docs/")
            elif anchor and path in pages and not _has_anchor(pages[path], anchor, anchors(pages[path])):
                bad.append(f"docs/{uri}: {target}: no such heading")
    for name in ROOT_FILES:
        text = (root / name).read_text(encoding="utf-8")
        for target in links(text):
            path, _, anchor = target.partition("#")
            file = (root / name).parent / unquote(path) if path else root / name
            if not file.exists():
                bad.append(f"{name}: {target}: no such file")
            elif anchor and file.suffix == ".md":
                there = file.read_text(encoding="utf-8")
                if not _has_anchor(there, anchor, anchors(there, github=True)):
                    bad.append(f"{name}: {target}: no such heading")
    return bad


def links(markdown: str) -> list[str]:
    """The links and pictures of a page that lead to other files or to the page itself."""
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "`", _FENCED.sub("", markdown), flags=re.S)
    found = _INLINE_LINK.findall(text)
    # A picture that is itself the text of a link.
    found += re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)(?=[^\[]*\]\()", text)
    for pattern in _OTHER_LINKS:
        found += pattern.findall(text)
    return [target for target in dict.fromkeys(found) if not _SCHEME.match(target)]


def anchors(markdown: str, github: bool = False) -> set[str]:
    """The anchors of a page: its headings, as MkDocs or as GitHub names them, and all that have names of their own."""
    text = _FENCED.sub("", markdown)
    found = set(re.findall(r"\{[^}\n]*#([^\s}]+)[^}\n]*\}", text)) | set(
        re.findall(r"\b(?:id|name)=\"([^\"]+)\"", text)
    )
    found |= set(re.findall(r"^::: (\S+)", text, re.M))
    counts: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.M):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"\{[^}]*\}\s*$", "", heading)).replace("`", "")
        slug = _github_slug(plain) if github else _mkdocs_slug(plain)
        seen = counts[slug] = counts.get(slug, -1) + 1
        found.add(f"{slug}{'-' if github else '_'}{seen}" if seen else slug)
    return found


def _mkdocs_slug(heading: str) -> str:
    text = unicodedata.normalize("NFKD", re.sub(r"[*]", "", heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())


def _github_slug(heading: str) -> str:
    return re.sub(r"[^\w\s-]", "", re.sub(r"[*]", "", heading).strip().lower()).replace(" ", "-")


def _has_anchor(page: str, anchor: str, known: set[str]) -> bool:
    # Members of an object of the Python reference have anchors of their own, which the built pages alone know.
    members = re.findall(r"^::: (\S+)", page, re.M)
    return anchor in known or any(anchor.startswith(f"{name}.") for name in members)


class _Page(HTMLParser):
    """What a built page links to, loads and can be linked to at."""

    LOADING = ("stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "icon", "manifest")

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and set(values.get("rel", "").split()) & set(self.LOADING):
            self.loads.append(values["href"])
        elif "src" in values:
            self.loads.append(values["src"])
        if "srcset" in values:
            self.loads += [part.split()[0] for part in values["srcset"].split(",")]
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", values.get("style", ""))


def of_site(site: Path) -> list[str]:
    """One line for each link of the built pages that leads nowhere, and for each file from another server."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site}: there are no pages"]
    bad = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for target in page.loads:
            if _SCHEME.match(target) and not target.startswith("data:"):
                bad.append(f"{name}: {target}: a file from another server")
        for target in [*page.links, *page.loads]:
            if not _SCHEME.match(target):
                bad += [f"{name}: {target}: {reason}" for reason in _dead(site, path, target, pages)]
    for path in sorted(site.rglob("*.css")):
        for target in re.findall(
            r"(?:url\(|@import\s*)['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text(encoding="utf-8")
        ):
            bad.append(f"{path.relative_to(site)}: {target}: a file from another server")
    return bad


def _dead(site: Path, path: Path, target: str, pages: Mapping[Path, _Page]) -> Iterator[str]:
    place, _, anchor = target.partition("#")
    place = unquote(place.partition("?")[0])
    if place.startswith("/") and path != site / "404.html":  # a server shows this one page at any address
        yield "an absolute address, which a folder does not have"
        return
    file = (site / place.lstrip("/") if place.startswith("/") else path.parent / place).resolve() if place else path
    file = file / "index.html" if file.is_dir() else file
    if not file.is_file():
        yield "no such file"
    elif anchor and file in pages and unquote(anchor) not in pages[file].anchors and anchor != "__top":
        yield "no such anchor"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, help="the folder of built pages. Without it the sources are checked")
    site = parser.parse_args(arguments).site
    if site:
        bad = of_site(site.resolve())
    else:
        sys.path.insert(0, str(ROOT))
        from tools.pages import generated

        bad = of_sources(ROOT, generated.pages(ROOT))
    print("\n".join(bad) or "every link leads somewhere")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
