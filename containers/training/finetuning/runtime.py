"""Settings of the numeric runtimes, to be made before any of them is imported."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import warnings
from functools import cache
from pathlib import Path

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_CPU_DESCRIPTION = Path("/proc/cpuinfo")


def prepare_threads() -> None:
    """Give every runtime all cores, and let idle threads sleep instead of spin.

    Two OpenMP runtimes (Paddle's and ONNX Runtime's or OpenCV's) that spin while waiting take the
    cores from one another: measured 4.3 instead of 10 images per second.
    """
    cores = str(os.cpu_count() or 1)
    os.environ.setdefault("OMP_NUM_THREADS", cores)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("MKL_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
    # Otherwise the library decides, and mostly for one thread.
    os.environ.setdefault("MKL_DYNAMIC", "FALSE")
    if _is_amd_with_avx2():
        # The library that Paddle carries falls back to SSE on other makers' processors; this makes
        # it use AVX2: measured 19 instead of 34 ms for the head's matrix product.
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")


def _is_amd_with_avx2() -> bool:
    try:
        description = _CPU_DESCRIPTION.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "AuthenticAMD" in description and " avx2" in description


@cache
def paddleocr_directory() -> Path:
    """Return the directory that holds PaddleOCR's `ppocr` and `tools` packages.

    Raises ModuleNotFoundError when it is not installed. Cached, because PaddleOCR's modules change
    the import path when they are imported, and then another file answers to the name.
    """
    spec = importlib.util.find_spec("unstructured_paddleocr")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "PaddleOCR's training code is missing; install requirements-nodeps.txt."
        )
    return Path(spec.submodule_search_locations[0])


def expose_paddleocr() -> None:
    """Make PaddleOCR's `ppocr` package importable.

    The package that carries it keeps `ppocr` inside itself and imports far more than networks when
    it is imported as a whole, so its directory goes on the path instead.
    """
    location = str(paddleocr_directory())
    if location not in sys.path:
        sys.path.append(location)


def keep_freed_memory() -> None:
    """Let the C library keep large blocks that are freed instead of giving them back at once.

    A training step frees and asks for the same tens of megabytes many times over; fetching them
    anew from the operating system each time cost a sixth of the step.
    """
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_M_MMAP_MAX, 0)
        allocator.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def prepare() -> None:
    """Do all of it, and silence the runtimes' remarks about compilers nobody needs here."""
    prepare_threads()
    keep_freed_memory()
    warnings.filterwarnings("ignore", message="No ccache found")
    expose_paddleocr()
