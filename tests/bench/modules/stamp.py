"""Says when its first line ran."""

import time

STARTED = time.time()


def run(payload, params, context):  # type: ignore[no-untyped-def]
    return {"started": STARTED}
