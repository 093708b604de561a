"""The fast way that is talked about most: RapidOCR 3 behind FastAPI and uvicorn.

fastapi_rapidocr.py PORT RECOGNITION.onnx DICTIONARY DETECTION.onnx SIDE

Runs in the rivals' environment. FastAPI runs plain functions in threads; RapidOCR's networks may be
used by several at once.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
import uvicorn  # type: ignore[import-not-found]
from fastapi import Body, FastAPI
from rapidocr import RapidOCR


def application(recognition: str, dictionary: str, detection: str, side: int) -> FastAPI:
    """Return the application with both models loaded."""
    engine = RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "error",
            "Det.model_path": detection,
            "Det.limit_side_len": side,
            "Det.limit_type": "max",
            "Rec.model_path": recognition,
            "Rec.rec_keys_path": dictionary,
        }
    )
    app = FastAPI()

    def ping() -> str:
        return ""

    def line(body: bytes = Body(media_type="application/octet-stream")) -> dict[str, list[str]]:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        found = engine(image, use_det=False, use_cls=False, use_rec=True)
        return {"texts": list(found.txts or ())}

    def page(body: bytes = Body(media_type="application/octet-stream")) -> dict[str, list[str]]:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        found = engine(image, use_det=True, use_cls=False, use_rec=True)
        return {"texts": list(found.txts or ())}

    app.add_api_route("/ping", ping)
    app.add_api_route("/line", line, methods=["POST"])
    app.add_api_route("/page", page, methods=["POST"])
    return app


def main(port: str, recognition: str, dictionary: str, detection: str, side: str) -> None:
    """Serve until the process is ended."""
    app = application(recognition, dictionary, detection, int(side))
    uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
