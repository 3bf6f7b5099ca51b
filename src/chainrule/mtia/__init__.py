"""``torch.mtia`` where there is no such device."""

__all__ = ["device_count", "is_available", "is_initialized"]


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def device_count() -> int:
    return 0
