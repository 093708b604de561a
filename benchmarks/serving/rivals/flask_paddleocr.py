"""The server that PaddleOCR's users write first: Flask's own server around PaddleOCR 3.

flask_paddleocr.py PORT RECOGNITION_NAME DIRECTORY DETECTION_NAME DIRECTORY LONGEST_SIDE

Runs in the rivals' environment. Flask answers each request in a thread; the predictors may be used
by one at a time.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

import cv2
import numpy as np
from flask import Flask, jsonify, request
from paddleocr import PaddleOCR, TextRecognition


def application(
    recognition_name: str,
    recognition_directory: str,
    detection_name: str,
    detection_directory: str,
    side: int,
) -> Flask:
    """Return the application with both models loaded."""
    # Its default of ten threads costs a small machine more than half of its speed.
    machine = {"device": "cpu", "cpu_threads": len(os.sched_getaffinity(0))}
    lines = TextRecognition(model_name=recognition_name, model_dir=recognition_directory, **machine)
    pages = PaddleOCR(
        text_detection_model_name=detection_name,
        text_detection_model_dir=detection_directory,
        text_recognition_model_name=recognition_name,
        text_recognition_model_dir=recognition_directory,
        use_doc_orientation_classify=False,
        use_doc_unwarping=False,
        use_textline_orientation=False,
        text_det_limit_side_len=side,
        text_det_limit_type="max",
        text_det_box_thresh=0.5,
        text_det_unclip_ratio=1.6,
        **machine,
    )
    lock = threading.Lock()
    app = Flask(__name__)

    def ping() -> str:
        return ""

    def line() -> object:
        image = cv2.imdecode(np.frombuffer(request.get_data(), np.uint8), cv2.IMREAD_COLOR)
        with lock:
            (found,) = lines.predict(image)
        return jsonify(texts=[found["rec_text"]])

    def page() -> object:
        image = cv2.imdecode(np.frombuffer(request.get_data(), np.uint8), cv2.IMREAD_COLOR)
        with lock:
            (found,) = pages.predict(image)
        return jsonify(texts=list(found["rec_texts"]))

    app.add_url_rule("/ping", view_func=ping)
    app.add_url_rule("/line", view_func=line, methods=["POST"])
    app.add_url_rule("/page", view_func=page, methods=["POST"])
    return app


def main(arguments: Sequence[str]) -> None:
    """Serve until the process is ended."""
    port, recognition_name, recognition, detection_name, detection, side = arguments
    app = application(recognition_name, recognition, detection_name, detection, int(side))
    app.run(host="127.0.0.1", port=int(port), threaded=True)


if __name__ == "__main__":
    main(sys.argv[1:])
