"""A config file to vary, what it needs from the environment, and the fixtures' types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reportsync.config import Loaded

Write = Callable[..., Path]
Problems = Callable[..., list[str]]
LoadText = Callable[..., Loaded]

APP = """\
apps:
  - name: shop-de
    app_id: DAO6UGZ73D9RTK8B5W96TPYN
    secret_key: ${env:SHOP_DE_KEY}
    data_center: 01
    since: 2026-01-01
"""
ENVIRON = {"SHOP_DE_KEY": "shop-de-key-of-config-tests"}
