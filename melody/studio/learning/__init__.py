"""Training from the page: files that are dropped, a training in a process of its own, and what it says as it goes."""
