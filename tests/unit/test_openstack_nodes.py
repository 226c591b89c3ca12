"""Servers as salt-cloud lists them, without a cloud."""

from types import SimpleNamespace

import pytest

from holodeck_openstack import nodes, options, server

_ID = "df80ae5b-9cb1-4cb8-a52b-6d739ad1d952"


def _server(image):
    flavor = {"original_name": "m1.nano"}
    return SimpleNamespace(
        id="1", name="web1", status="ACTIVE", addresses={}, flavor=flavor,
        image={"id": image}, to_dict=lambda **_options: {},
    )  # fmt: skip


def test_image_that_is_known_is_not_asked_for():
    """A server that was just made of an image costs no list of all images."""
    words = nodes.Words(SimpleNamespace(), {"i1": "debian-12"})
    assert words.describe(_server("i1"))["image"] == "debian-12"


def test_other_image_is_listed():
    """What is not known already is looked up, once."""
    asked = []

    def images():
        asked.append(1)
        return [SimpleNamespace(id="i2", name="other")]

    connection = SimpleNamespace(image=SimpleNamespace(images=images))
    words = nodes.Words(connection, {"i1": "debian-12"})
    assert [words.describe(_server("i2"))["image"] for _ in range(2)] == ["other"] * 2
    assert asked == [1]


@pytest.mark.parametrize(
    ("image", "request_", "known"),
    [
        ("debian-12", {"image_id": "i1"}, {"i1": "debian-12"}),
        (_ID, {"image_id": _ID}, {}),
        ("debian-12", {"block_device_mapping": []}, {}),
    ],
)
def test_image_that_a_create_knows(image, request_, known):
    """A profile has the image's name, or its id, or boots from a volume."""
    wanted = options.parse({"image": image, "size": "b"})
    assert server._known(request_, wanted) == known
