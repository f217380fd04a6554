"""OpenVINO and its quantiser without what they tell their makers.

Both report their use to an analytics service over the network as soon as they are imported, unless
a user has declined. They go without if the package that sends is not there, and for this process it
is not.
"""

import sys
from types import ModuleType

SENDERS = ("openvino_telemetry", "openvino_telemetry.backend")


def import_openvino() -> ModuleType:
    """The module `openvino`. The only way to import it."""
    _leave_out_senders()
    import openvino

    module: ModuleType = openvino
    return module


def import_quantiser() -> ModuleType:
    """The module `nncf`. The only way to import it."""
    _leave_out_senders()
    import nncf

    module: ModuleType = nncf
    return module


def _leave_out_senders() -> None:
    for name in SENDERS:
        # None: whoever imports it is told that there is no such module
        sys.modules[name] = None  # type: ignore[assignment]
