"""What pyproject.toml cannot say: the shipped models, which stand in checkpoints/, lie in the package once it is built.

Beside each lies the index of its training pieces.

An installation for development (`pip install -e`) finds them where they stand.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# One model there, jsb, is for a benchmark of the source tree alone.
SHIPPED = [
    Path("checkpoints") / f"{name}{suffix}"
    for name in ("fiddle", "fiddle-small", "chorales", "band")
    for suffix in (".safetensors", ".index")
]


class BuildWithModels(build_py):
    """The package, and the models in melody/checkpoints."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            for source, target in zip(SHIPPED, self._targets()):
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All files that are built."""
        models = [] if self.editable_mode else map(str, self._targets())
        return [*super().get_outputs(include_bytecode), *models]

    def get_source_files(self) -> list[str]:
        """All files that it is built from, which a source distribution holds."""
        return [*super().get_source_files(), *map(str, SHIPPED)]

    def _targets(self) -> list[Path]:
        return [Path(self.build_lib) / "melody" / source for source in SHIPPED]


setup(cmdclass={"build_py": BuildWithModels})
