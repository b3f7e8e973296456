"""The kinds of numpy arrays that decoders work on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "Complex128Array", "Float32Array", "IntArray"]

Float32Array = npt.NDArray[np.float32]
Complex128Array = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
