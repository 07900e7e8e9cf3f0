"""Servers that run without a container: PostgreSQL from a wheel, Apache Kafka from its published jars."""
