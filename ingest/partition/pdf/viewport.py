"""From the places of a PDF's page to those of its reader."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.partition.pdf.page import Box

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Viewport:
    """From the places of the file to those of the reader."""

    left: float
    bottom: float
    right: float
    top: float
    turn: int  # quarter turns clockwise

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turn % 2 else (width, height)

    def place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        if self.turn == 1:
            return y - self.bottom, x - self.left
        if self.turn == 2:
            return self.right - x, y - self.bottom
        if self.turn == 3:
            return self.top - y, self.right - x
        return x - self.left, self.top - y

    def place_point(self, x: float, y: float) -> tuple[float, float]:
        if self.turn == 0:
            return x - self.left, self.top - y
        across, down = self.place(np.array(x), np.array(y))
        return float(across), float(down)

    def place_box(self, left: float, bottom: float, right: float, top: float) -> Box:
        across, down = self.place(np.array([left, right]), np.array([bottom, top]))
        return Box(float(across.min()), float(down.min()), float(across.max()), float(down.max()))
