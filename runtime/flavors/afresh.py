"""A version loaded where nothing of its training is left: answers the rows it was handed, and says its schema.

python -m runtime.flavors.afresh FOLDER        FOLDER as ``handed`` has it; writes answers.json beside
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from runtime.domain.errors import FleetwardError
from runtime.flavors.handed import Handed
from runtime.flavors.outputs import scores

ANSWERS = "answers.json"


def main(folder: Path) -> None:
    """Writes ``{schema, answers}``, or ``{refused}``."""
    try:
        handed = Handed.read(folder)
        model = handed.model()
        answers = scores(model, handed.columns)
        told = {"schema": model.schema.as_document(), "answers": answers.tolist()}
    except Exception as error:  # noqa: BLE001 - whatever it is, this process is there to say so
        text = str(error) if isinstance(error, FleetwardError) else f"{type(error).__name__}: {error}"
        told = {"refused": text}
    (folder / ANSWERS).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
