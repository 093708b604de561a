"""Handwritten numbers on forms: real digits, set together, photographed or scanned."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ocr_retrain.demo_data.digits import SIDE, Hand, Scan, ScanPool
from ocr_retrain.demo_data.photograph import (
    FLATBED,
    PHONE,
    Capture,
    Pixels,
    lay_over,
    paper,
    soft_noise,
    take_picture,
)

SHORTEST, LONGEST = 4, 9
_SCALE = 3.0
_CELL = int(SIDE * _SCALE)
_LINE_HEIGHT = 94
_WIDEST = 660

_PAPERS = ((250, 249, 244), (243, 239, 226), (236, 240, 245), (248, 240, 212), (248, 226, 222))
_PENS = ((24, 34, 112), (20, 50, 150), (28, 28, 34), (45, 45, 52), (16, 24, 70), (120, 26, 34))
_PENCIL = (92, 92, 96)
_CARBON_COPY = (86, 84, 150)
_PRINTS = ((110, 140, 190), (190, 120, 120), (90, 90, 90), (110, 170, 130), (200, 150, 90))


@dataclass(frozen=True)
class Line:
    """A picture of a line (a file and the end of its name), what it says, and its scans."""

    image: bytes
    suffix: str
    truth: str
    sources: tuple[int, ...]


def make_line(pool: ScanPool, length: int, rng: np.random.Generator) -> Line:
    """Write a number of `length` digits with scans of `pool` onto a form and capture it."""
    capture = PHONE if rng.random() < 0.4 else FLATBED
    hand = pool.pick_hand(rng)
    scans = [pool.pick(int(digit), hand, rng) for digit in rng.integers(0, 10, length)]
    tiles = [_redraw(scan, hand, rng) for scan in scans]
    pitch = None
    if rng.random() < 0.2:
        pitch = float(rng.uniform(60, min(80, _WIDEST / length)))
    ink = _write_in_boxes(tiles, pitch, rng) if pitch else _write_freely(tiles, rng)
    sheet = _form(ink.shape[1], pitch, capture, rng)
    return Line(
        image=take_picture(_lay_ink(sheet, ink, rng), capture, rng),
        suffix=capture.suffix,
        truth="".join(str(scan.digit) for scan in scans),
        sources=tuple(scan.source for scan in scans),
    )


def _write_in_boxes(tiles: list[Pixels], pitch: float, rng: np.random.Generator) -> Pixels:
    """Ink coverage 0..1, one digit every `pitch` pixels."""
    margin = int(rng.integers(6, 30))
    middles = margin + pitch * (np.arange(len(tiles)) + 0.5) + rng.normal(0, 4, len(tiles))
    lefts = [round(x - tile.shape[1] / 2) for x, tile in zip(middles, tiles, strict=True)]
    return _put_down(tiles, lefts, 2 * margin + int(pitch * len(tiles)), rng)


def _write_freely(tiles: list[Pixels], rng: np.random.Generator) -> Pixels:
    """Ink coverage 0..1, with gaps that are about the same along the line."""
    margin = int(rng.integers(6, 30))
    room = (_WIDEST - 2 * margin - sum(tile.shape[1] for tile in tiles)) / len(tiles)
    gap = float(rng.uniform(10, np.clip(room, 14, 42)))
    lefts, right = [], margin
    for tile in tiles:
        lefts.append(right)
        right += tile.shape[1] + round(max(0.0, gap + float(rng.normal(0, 4))))
    return _put_down(tiles, lefts, lefts[-1] + tiles[-1].shape[1] + margin, rng)


def _put_down(
    tiles: list[Pixels], lefts: list[int], width: int, rng: np.random.Generator
) -> Pixels:
    ink = np.zeros((_LINE_HEIGHT, width), dtype=np.float32)
    drift = float(rng.uniform(-1.6, 1.6))
    for index, (tile, wanted) in enumerate(zip(tiles, lefts, strict=True)):
        left = int(np.clip(wanted, 0, width - tile.shape[1]))
        top = (_LINE_HEIGHT - _CELL) // 2 + round(drift * index + rng.normal(0, 3))
        top = int(np.clip(top, 0, _LINE_HEIGHT - _CELL))
        spot = ink[top : top + _CELL, left : left + tile.shape[1]]
        np.maximum(spot, tile, out=spot)
    return ink


def _redraw(scan: Scan, hand: Hand, rng: np.random.Generator) -> Pixels:
    """The scan enlarged to 84 rows with smooth strokes, cropped to its columns of ink."""
    size = _SCALE * float(rng.uniform(0.86, 1.02))
    squeeze = hand.squeeze * float(rng.uniform(0.95, 1.05))
    turn = np.radians(rng.normal(0, 2.5))
    # Bring the digit half-way to the slant of the line: writers are not perfectly even.
    lean = hand.flourish + 0.5 * (hand.slant - scan.slant)
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    forward = forward @ np.array([[1.0, -lean], [0.0, 1.0]]) @ np.diag([size * squeeze, size])
    back = np.linalg.inv(forward)
    width = _CELL + 18
    shift = np.array([SIDE / 2, SIDE / 2]) - back @ np.array([width / 2, _CELL / 2])
    image = Image.fromarray(scan.image).transform(
        (width, _CELL),
        Image.Transform.AFFINE,
        (back[0, 0], back[0, 1], shift[0], back[1, 0], back[1, 1], shift[1]),
        Image.Resampling.BICUBIC,
    )
    image = image.filter(ImageFilter.GaussianBlur(1.35))
    # 28x28 scans have stair-case edges; a soft threshold gives them a pen's edge back. A higher one
    # is a finer pen, which strokes that are thin already would not survive.
    edge = min(hand.nib, 0.15 * scan.pen)
    stroke = np.asarray(image, dtype=np.float32) / np.float32(255)
    tile = np.clip((stroke - np.float32(edge)) / np.float32(0.36), 0, 1)
    columns = np.flatnonzero(tile.max(axis=0) > 0.1)
    return np.asarray(tile[:, columns[0] : columns[-1] + 1], dtype=np.float32)


def _form(width: int, pitch: float | None, capture: Capture, rng: np.random.Generator) -> Pixels:
    """A piece of a form: blank, ruled, squared, or with a box for each digit."""
    colour = np.array(_PAPERS[int(rng.integers(len(_PAPERS)))], dtype=np.float32)
    sheet = paper(width, _LINE_HEIGHT, colour * np.float32(rng.uniform(0.86, 1.0)), capture, rng)
    if rng.random() < capture.dropout:
        return sheet
    printed = np.zeros(sheet.shape[:2], dtype=np.float32)
    thick = int(rng.integers(2, 4))
    if pitch:
        _print_boxes(printed, pitch, thick, rng)
    else:
        kind = rng.random()
        if kind < 0.15:
            step = int(rng.integers(26, 46))
            _print_rules(printed, int(rng.integers(step)), step, thick)
            _print_rules(printed.T, int(rng.integers(step)), step, thick)
        elif kind < 0.45:
            _print_rules(printed, int(rng.integers(72, 90)), _LINE_HEIGHT, thick)
    colour = np.array(_PRINTS[int(rng.integers(len(_PRINTS)))], dtype=np.float32)
    return lay_over(sheet, colour, printed * np.float32(rng.uniform(0.4, 0.95)))


def _print_rules(printed: Pixels, first: int, step: int, thick: int) -> None:
    for top in range(first, printed.shape[0], step):
        printed[top : top + thick] = 1.0


def _print_boxes(printed: Pixels, pitch: float, thick: int, rng: np.random.Generator) -> None:
    top, bottom = int(rng.integers(1, 12)), int(rng.integers(82, 92))
    for row in (top, bottom):
        printed[row : row + thick] = 1.0
    for left in np.arange((printed.shape[1] % pitch) / 2, printed.shape[1], pitch):
        printed[top:bottom, int(left) : int(left) + thick] = 1.0


def _lay_ink(sheet: Pixels, ink: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = ink.shape
    pressure = 0.06 * soft_noise(width, height, 16, rng)
    writing = rng.random()
    if writing < 0.15:
        colour = np.array(_PENCIL, dtype=np.float32)
        graphite = np.abs(rng.standard_normal(ink.shape, np.float32))
        pressure = pressure + np.float32(rng.uniform(0.74, 0.98)) - 0.18 * graphite
    elif writing < 0.27:
        colour = np.array(_CARBON_COPY, dtype=np.float32)
        pressure = 2.5 * pressure + np.float32(rng.uniform(0.6, 0.88))
    else:
        colour = np.array(_PENS[int(rng.integers(len(_PENS)))], dtype=np.float32)
        pressure = pressure + np.float32(rng.uniform(0.72, 0.98))
    return lay_over(sheet, colour, ink * np.clip(pressure, 0.2, 1.0))
