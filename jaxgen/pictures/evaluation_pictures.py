"""Pictures of an evaluation: samples themselves, and their position among real images."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxgen.pictures import image_grids
from jaxgen.pictures.figures import FAKE, REAL, figure

_TSNE_POINTS, _TSNE_COMPONENTS = 500, 50
_LARGEST_TILE = 128
_TEXT_SIZE, _MARGIN = 14, 6
_GAP = 16
_HIGHLIGHT, _FRAME = "#f0c800", 2  # as wide as the gap between the images of a grid


def tsne_points(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places of both sets' features in one plane by t-SNE (van der Maaten and Hinton 2008), [n, 2] and [m, 2].

    Args:
      real, fake: features [N, D] and [M, D]. At most 500 of each, drawn at random by `seed`, on 50 principal
        components of both together.
    """
    # Imported here: they take a second, which only this picture needs.
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    real, fake = (x[np.sort(rng.permutation(len(x))[:_TSNE_POINTS])] for x in (real, fake))
    both = np.concatenate([real, fake]).astype(np.float64)
    # More threads gain little on idle cores, and on busy ones wait for each other by spinning: 43 s where one took 17.
    with threadpool_limits(1):
        both = PCA(min(_TSNE_COMPONENTS, *both.shape), random_state=seed).fit_transform(both)
        perplexity = min(30.0, (len(both) - 1) / 3)
        places = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(both)
    return places[: len(real)], places[len(real) :]


def tsne(real: np.ndarray, fake: np.ndarray, seed: int = 0, title: str = "") -> Image.Image:
    """Both sets of features in one t-SNE plane: they mix where the generator covers the data, else they part.

    Distances between far groups mean nothing, nor do the axes.

    Args:
      real, fake, seed: as for `tsne_points`.
      title: such as the name of the feature network.
    """
    plot, draw = figure(6, 6.2, dpi=110)
    axes = plot.add_subplot()
    groups = zip(tsne_points(real, fake, seed), (REAL, FAKE), ("real", "generated"), ("o", "^"), strict=True)
    for places, colour, name, marker in groups:
        axes.scatter(*places.T, s=14, c=colour, marker=marker, alpha=0.6, linewidths=0, label=f"{name} ({len(places)})")
    axes.set(xticks=[], yticks=[], title=title)
    plot.legend(loc="outside lower center", ncols=2, frameon=False, markerscale=2)
    return draw()


def neighbours(samples: np.ndarray, train_images: np.ndarray, indices: np.ndarray) -> Image.Image:
    """Each sample with its nearest training images beside it, as in Figure 2 of Goodfellow et al. 2014.

    Args:
      samples: uint8 [N, H, W, C]. train_images: uint8 [M, H, W, C], an array or what streams from disk.
      indices: numbers of each sample's nearest training images, nearest first, int [N, K].
    """
    k = indices.shape[1]
    nearest = np.asarray(train_images[indices.ravel()])
    left = _headed(image_grids.grid(_tiles(samples), 1), "sample")
    right = _headed(image_grids.grid(_tiles(nearest), k), f"nearest training image{'s' if k > 1 else ''}")
    return image_grids.beside(left, right, gap=_GAP)


def figure2(samples: np.ndarray, nearest: np.ndarray, columns: int) -> Image.Image:
    """A grid of samples. A frame at the right shows the training image nearest to the last sample of each row.

    The layout of Figure 2 of Goodfellow et al. 2014.

    Args:
      samples: uint8 [N, H, W, C], N a multiple of `columns`, row by row.
      nearest: uint8 [N / columns, H, W, C], of samples `columns` - 1, 2 `columns` - 1, ...
    """
    grid = image_grids.grid(_tiles(samples), columns).convert("RGB")
    column = image_grids.grid(_tiles(nearest), 1).convert("RGB")
    draw, step = ImageDraw.Draw(column), (column.height - _FRAME) // len(nearest)
    for row in range(len(nearest)):
        corners = [0, row * step, column.width - 1, (row + 1) * step + _FRAME - 1]
        draw.rectangle(corners, outline=_HIGHLIGHT, width=_FRAME)
    return image_grids.beside(grid, column, gap=_FRAME)


def real_beside_fake(real: np.ndarray, fake: np.ndarray, columns: int = 8) -> Image.Image:
    """Two grids of uint8 images [N, H, W, C] under their headings, real ones left."""
    left, right = (image_grids.grid(_tiles(images), columns) for images in (real, fake))
    return image_grids.beside(_headed(left, "real"), _headed(right, "generated"), gap=_GAP)


def per_class(
    images: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...], per_class: int = 8, most: int = 50
) -> Image.Image:
    """One row for each class, its name and count at the left, with the first images of that class.

    Args:
      images: uint8 [N, H, W, C]. labels: int [N], the requested or predicted class of each image.
      class_names: names of the labels. Only the first `most` classes are shown.
    """
    rows, names = [], []
    for label, name in enumerate(class_names[:most]):
        of_class = np.flatnonzero(labels == label)
        first = images[of_class[:per_class]]
        blank = np.full((per_class - len(first), *images.shape[1:]), 255, np.uint8)
        rows += [first, blank]
        names.append(f"{name} ({len(of_class)})")
    grid = image_grids.grid(_tiles(np.concatenate(rows)), per_class)
    return image_grids.beside(_row_names(names, grid.height), grid, gap=0)


def traversal(images: np.ndarray, names: list[str], values: np.ndarray, title: str = "") -> Image.Image:
    """A row for each latent, its name at the left, a column for each of its values.

    Args:
      images: uint8 [rows * columns, H, W, C]. names: of the rows. values: of the columns.
      title: "" says that all rows go from the first value to the last.
    """
    grid = image_grids.grid(_tiles(images), len(values))
    title = title or f"one latent at a time from {values[0]:g} to {values[-1]:g}, the others fixed"
    return _headed(image_grids.beside(_row_names(names, grid.height), grid, gap=0), title)


def progress(targets: np.ndarray, stages: dict[int, np.ndarray]) -> Image.Image:
    """A row for each target: the target, then the search's images after several numbers of steps, the last image last.

    Args:
      targets: uint8 [N, H, W, C]. stages: steps -> images like the targets.
    """
    rows = np.stack([targets, *stages.values()], axis=1)
    grid = image_grids.grid(_tiles(rows.reshape(-1, *targets.shape[1:])), 1 + len(stages))
    return _headed(grid, f"target, then after {', '.join(map(str, stages))} steps")


def duplicates(images: np.ndarray, pairs: np.ndarray, distances: np.ndarray, columns: int = 4) -> Image.Image:
    """Pairs of samples that are closest to each other, side by side, with their distances below.

    Args:
      images: uint8 [N, H, W, C]. pairs: int [P, 2]. distances: [P].
    """
    grids = (image_grids.grid(_tiles(images[pair]), 2) for pair in pairs)
    tiles = [_below(grid, f"{distance:.4g}") for grid, distance in zip(grids, distances, strict=True)]
    width, height = max(p.width for p in tiles), tiles[0].height
    canvas = Image.new("RGB", (columns * (width + _GAP) - _GAP, -(-len(tiles) // columns) * height), "white")
    for i, picture in enumerate(tiles):
        canvas.paste(picture, (i % columns * (width + _GAP), i // columns * height))
    return _headed(canvas, "closest pairs of samples")


def _tiles(images: np.ndarray) -> np.ndarray:
    """The images, as means of whole blocks where their longer side exceeds 128 pixels."""
    factor = -(-max(images.shape[1:3]) // _LARGEST_TILE)
    if factor == 1:
        return images
    small = np.stack([np.asarray(image_grids.single(image).reduce(factor)) for image in images])
    return small.reshape(*small.shape[:3], images.shape[3])


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=_TEXT_SIZE)


def _headed(picture: Image.Image, text: str) -> Image.Image:
    """The picture below a line of text, wide enough for both."""
    top = _TEXT_SIZE + 2 * _MARGIN
    width = max(picture.width, round(_font().getlength(text)) + 2 * _MARGIN)
    canvas = Image.new("RGB", (width, picture.height + top), "white")
    ImageDraw.Draw(canvas).text((_MARGIN, top / 2), text, fill="black", font=_font(), anchor="lm")
    canvas.paste(picture, (0, top))
    return canvas


def _below(picture: Image.Image, text: str) -> Image.Image:
    """The picture above a centred line of text."""
    canvas = Image.new("RGB", (picture.width, picture.height + _TEXT_SIZE + _MARGIN), "white")
    canvas.paste(picture)
    place = picture.width / 2, picture.height + _TEXT_SIZE / 2
    ImageDraw.Draw(canvas).text(place, text, fill="black", font=_font(), anchor="mm")
    return canvas


def _row_names(names: list[str], height: int) -> Image.Image:
    """A column of names, each in the middle of its row, against the right edge."""
    width = round(max(_font().getlength(name) for name in names)) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for i, name in enumerate(names):
        place = width - _MARGIN, (i + 0.5) * height / len(names)
        draw.text(place, name, fill="black", font=_font(), anchor="rm")
    return canvas
