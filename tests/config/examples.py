"""The examples, the drivers' models, and copies of examples that are spoilt on purpose."""

import shutil
from pathlib import Path

from drivers.mqtt.settings import MqttDoor
from drivers.radio.settings import RadioChannel
from drivers.telegram.settings import TelegramChat
from gateway.settings import DriverModels

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "examples"
ONE_POST = EXAMPLES / "one_post.yaml"
COUNTY = EXAMPLES / "county.yaml"
MODELS = DriverModels(
    channels={"radio": RadioChannel}, chats={"telegram": TelegramChat}, mqtt=MqttDoor
)


def copy_of(folder, text, name="site.yaml"):
    """Write a settings file beside the GeoJSON of the examples; return its path."""
    shutil.copy(EXAMPLES / "county_g7.geojson", folder)
    path = Path(folder) / name
    path.write_text(text, encoding="utf-8")
    return path
