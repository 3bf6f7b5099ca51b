"""``torch.backends.quantized``: there is no engine for quantized operations here."""

engine = "none"
supported_engines = ["none"]
