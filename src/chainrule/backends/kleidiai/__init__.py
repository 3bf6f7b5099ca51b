"""``torch.backends.kleidiai`` where there is none."""


def is_available() -> bool:
    return False
