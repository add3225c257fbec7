"""The studio: a page in the browser where a tune is made, played, changed, compared and kept. `melody studio` opens it.

Conventions
-----------
The web process (`application`, `guard`, `replies`) only passes things on: all that takes time is a job of a process of its
own (`pool`, `bench`, `jobs/`), so that no job starves the page. Between the page and the server a tune is a *sheet*
(`sheets`), a `Piece` as JSON. The page holds the tune that is worked on, with its undo and redo; the server keeps the shelf.
Nothing listens but on the loopback, nothing is fetched from outside, and what the page sends is taken for hostile (`guard`).
"""
