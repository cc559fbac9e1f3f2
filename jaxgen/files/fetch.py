"""Downloads one file over HTTP. It is checked by SHA-256 and written whole or not at all."""

from pathlib import Path

from jaxgen.errors import UserError


def fetch(
    url: str, target: Path, sha256: str, *, what: str, by_hand: Path | None = None, progress: bool = True
) -> None:
    """Downloads `url` to `target`.

    Args:
      what: the user of the file, for messages.
      by_hand: another place for a copy fetched by hand, if not `target`.
      progress: whether to show a bar.

    Raises:
      UserError: the download failed or has another hash. The line says which file to put where by hand.
    """
    # Imported here: only a download needs them.
    import pooch
    import requests
    from tqdm import tqdm

    def download(url: str, path: str, _) -> None:
        # pooch's own downloader leaves the socket of a broken transfer to the garbage collector.
        with requests.Session() as session, session.get(url, stream=True, timeout=30) as response:
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0)) or None
            bar = tqdm(total=total, desc=target.name, unit="B", unit_scale=True, disable=not progress)
            with bar, open(path, "wb") as file:
                for chunk in response.iter_content(2**18):
                    file.write(chunk)
                    bar.update(len(chunk))

    pooch.get_logger().setLevel("WARNING")  # the bar, or the error line, tells it
    try:
        # Downloads to a temporary name and moves it into place after the hash has been checked.
        pooch.retrieve(url, f"sha256:{sha256}", fname=target.name, path=target.parent, downloader=download)
    except (requests.exceptions.RequestException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{what}: downloading {target.name} failed ({reason}). Get {url} and put it at {by_hand or target}"
        ) from error
