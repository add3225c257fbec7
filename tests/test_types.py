"""What a type checker says of a user's script. By its name it comes late: by then `scripts/test` has filled mypy's cache."""

import subprocess
import sys
from pathlib import Path


def test_a_type_checker_knows_the_keywords(tmp_path: Path) -> None:
    script = tmp_path / "game.py"
    script.write_text(
        "import melody\n"
        "model = melody.load('fiddle')\n"
        "tune: melody.Piece = model.generate(seed=7, temperature=0.9, key='Dm', bars=16, range=('C4', 84))\n"
        "model.generate(tempratur=1)\n"
        "model.generate(temperature=[1])\n"
        "melody.train('songs', max_minuts=1)\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", ".mypy_cache", str(script)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1]).stdout
    assert [int(line.split(":")[1]) for line in told.splitlines() if ": error:" in line] == [4, 5, 6], told
