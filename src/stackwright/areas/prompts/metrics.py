"""What Prometheus may ask of prompts."""

from prometheus_client import Counter, Gauge

LOOKUPS = Counter("stackwright_prompt_lookups", "Prompts looked up for use, by whether memory had them.", ["result"])
LAG_ROWS = Gauge(
    "stackwright_prompt_lag_rows",
    "Changes of prompts found at the last look for other replicas' changes.",
    multiprocess_mode="livemax",
)
LAG_SECONDS = Gauge(
    "stackwright_prompt_lag_seconds",
    "Age of what this process knows of prompts: seconds since it last saw that nothing is missing.",
    multiprocess_mode="livemax",
)
HELD_BYTES = Gauge(
    "stackwright_prompt_cache_bytes", "Compiled versions held, in bytes, about.", multiprocess_mode="livesum"
)
