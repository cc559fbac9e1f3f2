"""What MkDocs calls while it builds the pages (mkdocs.yml, `hooks`): it adds the pages that are made of other files."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tools.pages import generated  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages and their pictures."""
    try:
        made = generated.pages(ROOT)
    except (ValueError, OSError) as error:
        raise PluginError(f"tools/pages: {error}") from error
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    return files
