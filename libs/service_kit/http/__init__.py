"""The HTTP application that every service serves, and who may use its protected routes."""
