"""Networks drawn: side by side, and by the settings that were tried for one."""
