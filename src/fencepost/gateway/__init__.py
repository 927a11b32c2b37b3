"""How devices reach us: the front door of an IoT Hub."""
