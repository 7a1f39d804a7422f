"""Edge inference daemon: cameras and microcontrollers in, tracked objects and durable events out over MQTT."""

__version__ = "0.1.0"
