"""The command line: `mmkit VERB ...`.

Exit codes: 0 all well; 1 done, but with error rows or findings; 2 could not run. Answers go to stdout, everything
else to stderr. Each verb is a thin layer over a function that can be imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mmkit import shipped
from mmkit.errors import MmkitError

app = typer.Typer(
    name="mmkit",
    help="Multimodal preprocessing and inference with vLLM.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Model = Annotated[str, typer.Option(help="A shipped name (see `mmkit models`), a folder, or a hub name.")]


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    image: Annotated[list[Path] | None, typer.Option(help="A picture; may be given several times.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="A clip; may be given several times.")] = None,
    video: Annotated[list[Path] | None, typer.Option(help="A video; may be given several times.")] = None,
    model: Model = shipped.DEFAULT_MODEL,
    system: Annotated[str | None, typer.Option(help="A system prompt.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 64,
) -> None:
    """One answer to one question, alone on stdout."""
    from mmkit.engine import Engine

    with Engine(model) as engine:
        answer = engine.ask(
            question,
            images=image or (),
            audios=audio or (),
            videos=video or (),
            system=system,
            max_tokens=max_tokens,
        )
    for note in answer.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(answer.text)


@app.command()
def answer(
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Rows: id, text, images, audios, videos.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="One row out for each row in, in order.")],
    model: Model = shipped.DEFAULT_MODEL,
    root: Annotated[
        Path | None, typer.Option(help="Read files below this folder, not only below IN.jsonl's.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 64,
) -> None:
    """Many answers: one row out for each row in, in order; a bad row costs itself alone."""
    from tqdm import tqdm

    from mmkit.engine import Engine
    from mmkit.rows import read_rows, result_row

    rows = list(read_rows(source))
    failed = 0
    with Engine(model, root=root or source.resolve().parent) as engine, target.open("w", encoding="utf-8") as out:
        results = engine.answers([row.sample for row in rows], max_tokens=max_tokens)
        for row, result in tqdm(zip(rows, results, strict=True), total=len(rows), unit="row", disable=None):
            failed += isinstance(result, MmkitError)
            out.write(json.dumps(result_row(row.id, result), ensure_ascii=False) + "\n")
    typer.echo(f"{len(rows)} rows: {len(rows) - failed} answers, {failed} errors", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command()
def models() -> None:
    """The shipped models and their measured scores."""
    cards = shipped.cards()
    if not cards:
        shipped.resolve(shipped.DEFAULT_MODEL)  # raises, saying what is missing
    for card in cards:
        typer.echo(f"{card.name}  ({card.architecture}, {card.megabytes:.1f} MB)\n  knows {card.knows}")
        for name, value in card.scores.get("summary", {}).items():
            typer.echo(f"  {name:<28} {value:.1%}")


@app.command()
def doctor() -> None:
    """The machine, the versions, the decoders, and one real answer."""
    from mmkit.doctor import examine

    findings = 0
    for check in examine():
        typer.echo(f"{'ok ' if check.ok else 'BAD'}  {check.name:<12} {check.found}")
        findings += not check.ok
    raise typer.Exit(1 if findings else 0)


def fail(message: str) -> NoReturn:
    """One line on stderr and exit code 2."""
    typer.echo(f"mmkit: {message}", err=True)
    sys.exit(2)


def main() -> None:
    """Run the command line; every error that we know is one line."""
    try:
        app()
    except MmkitError as error:
        fail(f"{error.code}: {error}")
    except OSError as error:
        fail(f"{error.strerror or error}: {Path(error.filename).name if error.filename else ''}".rstrip(": "))
    except KeyboardInterrupt:
        fail("stopped")


if __name__ == "__main__":
    main()
