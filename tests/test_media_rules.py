"""Which addresses and files vLLM's server opens: what lesson 05 says of its two options.  Oracle: vLLM's loader."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="module")
def connector():
    return pytest.importorskip("vllm.multimodal.media.connector").MediaConnector


def opened(connector, url: str) -> None:
    asyncio.run(connector.fetch_image_async(url))


def test_a_host_that_is_not_on_the_list_is_refused(connector):
    with pytest.raises(ValueError, match="allowed"):
        opened(connector(allowed_media_domains=["images.example.org"]), "https://example.org/a.png")


def test_without_a_folder_no_file_is_read(connector):
    with pytest.raises((ValueError, RuntimeError), match="local"):
        opened(connector(), "file:///etc/hostname")


def test_only_files_of_the_folder_are_read(connector, tmp_path):
    with pytest.raises(ValueError, match=r"subpath|allowed|local"):
        opened(connector(allowed_local_media_path=str(tmp_path)), "file:///etc/hostname")
