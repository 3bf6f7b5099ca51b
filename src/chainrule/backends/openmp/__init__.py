"""``torch.backends.openmp``: operations are not spread over OpenMP threads here."""


def is_available() -> bool:
    return False
