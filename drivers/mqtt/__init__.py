"""The MQTT driver: the command centre's door over a broker."""
