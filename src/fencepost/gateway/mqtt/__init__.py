"""MQTT 3.1.1 as an IoT Hub speaks it."""
