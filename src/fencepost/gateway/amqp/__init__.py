"""AMQP 1.0 as IoT Hub speaks it; this alone needs the extra `amqp`. Sections named are those of the OASIS Standard."""
