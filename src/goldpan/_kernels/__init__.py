"""The few hot loops in C++; every kernel has a twin in Python that answers the same."""

from __future__ import annotations

from typing import Any

from goldpan.core.errors import GoldpanError

INTERFACE = 2  # of the compiled module: raised here and in native.cpp when a function takes or returns something else


def compiled_module() -> Any:
    """Return the compiled module.

    Raises:
        ImportError: there is none.
        GoldpanError: it was built from other sources.
    """
    from goldpan._kernels import _native

    built = getattr(_native, "INTERFACE", 0)
    if built != INTERFACE:
        raise GoldpanError(
            f"The compiled kernels {_native.__file__} have interface {built}, this goldpan calls interface "
            f"{INTERFACE}; build them again with: pip install --force-reinstall --no-deps goldpan, or "
            "pip install -e . in the sources."
        )
    return _native
