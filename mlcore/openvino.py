"""OpenVINO without its telemetry: imported from here, or after it.

Its package brings a module that reports to its makers. Nothing here may phone home, so that module
is closed before OpenVINO looks for it; OpenVINO then uses its own stand-in.
"""

from __future__ import annotations

import sys
from typing import Any

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402
from openvino import opset1  # noqa: E402
from openvino import opset15 as opset  # noqa: E402

Node = Any  # openvino.Node or one of its outputs; opset's functions take both

__all__ = ["Node", "openvino", "opset", "opset1"]
