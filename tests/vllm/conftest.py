"""Registers the fixtures that run vLLM."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.vllm.fixtures")
