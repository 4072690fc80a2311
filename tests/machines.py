"""Detected machines for tests: no test depends on what it runs on."""

from __future__ import annotations

from gaslamp.environment.system import System

CPU: System = {
    "schema_version": 1,
    "os": "Linux",
    "os_version": "Linux-6.1",
    "arch": "x86_64",
    "is_wsl": False,
    "is_container": False,
    "is_colab": False,
    "is_apple_silicon": False,
    "apple_chip": None,
    "unified_memory_gb": None,
    "cpu": "Some CPU",
    "cores": 8,
    "memory_gb": 16.0,
    "memory_available_gb": 12.0,
    "disk_free_gb": 100.0,
    "gpus": [],
    "current_python": {"path": "/usr/bin/python3", "version": "3.12.1"},
    "available_pythons": [],
    "recommended_python": "3.12",
    "pkg_managers": ["pip"],
    "existing_envs": [],
    "hf_cache_exists": False,
    "llama_cpp": {"installed": False, "version": None, "binaries": {}},
    "compilers": {},
    "colab_cli": None,
    "install_path": {"name": "cpu", "extra": "cpu", "python": "3.12", "command": "", "reason": "no GPU"},
}
"""A laptop without a GPU."""

GPU: System = {
    **CPU,
    "gpus": [
        {"index": 0, "name": "NVIDIA L4", "vram_gb": 24.0, "vram_free_gb": 23.5, "driver": "570.1", "cuda": "12.8"}
    ],
    "install_path": {"name": "cuda", "extra": "cuda", "python": "3.12", "command": "", "reason": "an NVIDIA GPU"},
}
"""A workstation with one GPU of 24 GB."""

MAC: System = {
    **CPU,
    "os": "Darwin",
    "arch": "arm64",
    "is_apple_silicon": True,
    "apple_chip": "Apple M3",
    "unified_memory_gb": 16.0,
    "install_path": {"name": "mlx", "extra": "mlx", "python": "3.12", "command": "", "reason": "Apple silicon"},
}
"""A Mac with 16 GB."""
