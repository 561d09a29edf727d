"""What every benchmark prints beside its table."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Return processor, cores, memory and the versions that matter, on one line."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    processor = names[0] if names else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {packages}"
