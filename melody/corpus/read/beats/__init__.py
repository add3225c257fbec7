"""Where the beats of a performance are, that was played without a click: found from its notes, and made its quarters."""
