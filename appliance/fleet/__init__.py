"""Events to MQTT and back."""
