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

import mmkit
from mmkit import shipped
from mmkit.errors import MmkitError

app = typer.Typer(
    name="mmkit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(mmkit.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Multimodal preprocessing and inference with vLLM."""


Model = Annotated[str, typer.Option(help="A shipped name (see `mmkit models`), a folder, or a hub name.")]
Source = Annotated[
    Path, typer.Argument(metavar="ROWS", help="A .jsonl, .parquet or .tar file, or a folder of these or of media.")
]
Text = Annotated[str, typer.Option(help="The question of a row that has no text.")]


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
    """One answer to one question, alone on stdout.

    Example: mmkit ask "What color is the circle?" --image data/circle_and_square.png
    """
    from mmkit.engine import Engine

    engine = Engine(model, quiet=True)  # never closed: the process ends with it, see run
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
    source: Source,
    target: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="One row out for each row in, in order.")],
    model: Model = shipped.DEFAULT_MODEL,
    root: Annotated[
        Path | None, typer.Option(help="Read files below this folder, not only below the rows' own.")
    ] = None,
    text: Text = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 64,
    fresh: Annotated[bool, typer.Option("--fresh", help="Answer every row anew; keep nothing.")] = False,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this server (http://.../v1) in place of an engine here.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ask engines on a Ray cluster: `local`, `auto`, or HOST:PORT."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Engines on the Ray cluster.")] = 1,
) -> None:
    """Many answers: one row out for each row in, in order; a bad row costs itself alone.

    A run that was stopped resumes: answered rows are kept in OUT.jsonl.journal.

    Example: mmkit answer data/demo.jsonl answers.jsonl
    """
    from mmkit.answers import Sampling
    from mmkit.client import Client
    from mmkit.engine import Engine
    from mmkit.isolation import Isolation
    from mmkit.rows import answer_rows
    from mmkit.scoring import write_settings
    from mmkit.sources import folder_of

    folder = root or folder_of(source)
    options = {"text": text, "fresh": fresh, "progress": True}
    if ray:
        from mmkit import scale

        job = scale.Answering(model, str(folder), max_tokens=max_tokens)
        with scale.cluster(None if ray == "local" else ray):
            done = scale.answer_rows(source, target, job, workers=workers, **options)
        asked = shipped.resolve(model)
    else:
        with (
            Isolation(),
            Client(server, root=folder) if server else Engine(model, root=folder, quiet=True) as engine,
        ):
            done = answer_rows(source, target, engine, max_tokens=max_tokens, **options)
        asked = engine.model
    write_settings(target, asked, Sampling(max_tokens=max_tokens).arguments())
    earlier = f" ({done.kept} kept from an earlier run)" if done.kept else ""
    typer.echo(f"{done.rows} rows: {done.rows - done.errors} answers{earlier}, {done.errors} errors", err=True)
    raise typer.Exit(1 if done.errors else 0)


@app.command()
def score(
    source: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Answers of `mmkit answer`.")],
    expected: Annotated[
        Path | None,
        typer.Option(
            metavar="IN.jsonl", help="The rows that were asked, with `expected`; else in OUT.jsonl itself."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, with all labels and the settings.")
    ] = False,
) -> None:
    """How right are the answers: exact match, word error rate, precision and recall, with 95 % intervals.

    A row that failed counts as wrong.

    Example: mmkit score answers.jsonl --expected data/demo.jsonl
    """
    from mmkit import scoring

    found = scoring.score(scoring.read_outcomes(source, expected), seed)
    made = scoring.read_settings(source)
    if as_json:
        settings = {"file": source.name, "sha256": scoring.sha256(source), "seed": seed, "made_by": made}
        typer.echo(json.dumps(scoring.as_json(found, **settings), ensure_ascii=False, indent=1))
    else:
        known = (
            f"{made['model']}, {json.dumps(made['sampling'])}" if made else "unknown: no settings, or changed since"
        )
        typer.echo(f"{'answers of':18} {known}\n{scoring.table(found)}")
    raise typer.Exit(1 if found.errors else 0)


@app.command()
def serve(
    model: Model = shipped.DEFAULT_MODEL,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8000,
    host: Annotated[str, typer.Option(help="The address it listens at; the default is this machine alone.")] = (
        "127.0.0.1"
    ),
) -> None:
    """An OpenAI-compatible server with safe defaults; its address on stdout once it answers.

    Example: mmkit serve --model tiny-omni --port 8000
    """
    from mmkit import serve as serving

    raise typer.Exit(serving.serve(model, host, port))


@app.command()
def check(
    source: Source,
    model: Annotated[str | None, typer.Option(help="Also count tokens for this model.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="Read files below this folder, not only below the rows' own.")
    ] = None,
    text: Text = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Judge the rows that `answer` would take, without an engine: notes, errors, token cost.

    Example: mmkit check data/demo.jsonl --model tiny-omni
    """
    from mmkit.isolation import Isolation
    from mmkit.rows import ItemJudge, dump, validate_rows
    from mmkit.sources import folder_of, read_rows

    root = root or folder_of(source)
    if model is None:
        judge = ItemJudge(root)
    else:
        from mmkit.engine import Settings
        from mmkit.preprocessor import MultiModalPreprocessor

        limits = Settings()  # those of `answer`
        judge = MultiModalPreprocessor(
            model, root=root, max_items=dict(limits.max_items), max_model_len=limits.max_model_len
        )
    rows = errors = 0
    with Isolation():
        for found in validate_rows(read_rows(source, text=text), judge):
            rows, errors = rows + 1, errors + ("error" in found)
            typer.echo(dump(found) if as_json else judgement(found))
    typer.echo(f"{rows} rows: {rows - errors} fit, {errors} errors", err=True)
    raise typer.Exit(1 if errors else 0)


def judgement(found: dict) -> str:
    """One row's judgement in words.

    >>> judgement({"id": 7, "tokens": 81, "notes": ["image 0: turned"]})
    'ok    7: 81 tokens; image 0: turned'
    """
    name = json.dumps(found["id"])
    if "error" in found:
        return f"BAD   {name}: {found['error']['type']}: {found['error']['message']}"
    tokens = [] if found["tokens"] is None else [f"{found['tokens']} tokens"]
    return f"ok    {name}: {'; '.join([*tokens, *found['notes']]) or 'nothing to remark'}"


@app.command()
def tokens(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pictures, clips, videos.")],
    recipe: Annotated[
        str | None, typer.Option(help="A recipe (qwen2-vl, whisper ...), a model or a folder.")
    ] = None,
    fit: Annotated[int | None, typer.Option(min=1, help="Also give the largest size within N tokens.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list in the order of the files.")] = False,
) -> None:
    """What each file costs in tokens, from its header alone.

    Example: mmkit tokens photo.jpg talk.wav --recipe qwen2-vl --fit 500
    """
    from mmkit.tokens import cost_row

    recipe = shipped.resolve(recipe) if recipe in shipped.SHIPPED else recipe
    rows = [cost_row(file, recipe, fit=fit) for file in files]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    for row in [] if as_json else rows:
        if "error" in row:
            typer.echo(f"{'-':>8}  {row['source']}: {row['error']['type']}: {row['error']['message']}")
            continue
        seen = " x ".join(map(str, row["size"]))
        fits = f", fits at {' x '.join(map(str, row['fits']))}" if "fits" in row else ""
        typer.echo(f"{row['tokens']:>8}  {row['source']}: {row['modality']} seen as {seen}{fits}")
    raise typer.Exit(1 if any("error" in row for row in rows) else 0)


@app.command()
def profile(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures, clips, videos.")],
    model: Annotated[
        str | None, typer.Option(help="Also ask this model in vLLM: processor, encoder, prefill, decode.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Also draw it.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="The median of so many runs.")] = 5,
) -> None:
    """Where the time goes between each file and an answer, and what would help most.

    Example: mmkit profile data/harbour.jpg --model tiny-qwen2-vl --plot where.png
    """
    from contextlib import nullcontext

    from mmkit.engine import Engine
    from mmkit.stages import answered, lever, prepared, table

    found = {}
    with Engine(model, quiet=True) if model else nullcontext() as engine:
        recipes = engine.preprocessor.family.recipes if engine else {}
        for file in files:
            stages = prepared(file, recipes, repeats)
            stages += answered(engine, file, repeats=repeats) if engine else []
            found[str(file)] = [(stage.name, stage.milliseconds) for stage in stages]
            typer.echo(f"{file}\n{table(stages)}\n{lever(stages)}\n")
    if plot:
        from mmkit.plots import describe, stage_bars

        figure = stage_bars(found)
        figure.savefig(plot, metadata={"Description": describe(figure)})
        typer.echo(describe(figure), err=True)


@app.command()
def models() -> None:
    """The shipped models and their measured scores.

    Example: mmkit models
    """
    cards = shipped.cards()
    if not cards:
        shipped.resolve(shipped.DEFAULT_MODEL)  # raises, saying what is missing
    for card in cards:
        typer.echo(f"{card.name}  ({card.architecture}, {card.megabytes:.1f} MB)\n  knows {card.knows}")
        for name, value in card.scores.get("summary", {}).items():
            typer.echo(f"  {name:<42} {value:6.1%}")


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A shipped name, or a FILE.py that defines TASK.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model's folder; OUT.checkpoint lies beside it.")],
    minutes: Annotated[float | None, typer.Option(min=0.1, help="About so long, on one core.")] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with a saved model's weights.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="One seed, one result.")] = 0,
    rate: Annotated[float, typer.Option(min=0.001, help="Factor on the learning rates.")] = 1.0,
) -> None:
    """Train one of the tiny models on one core, or your own world; resumes where it was stopped.

    For example: mmkit train tiny-qwen2-vl my-model --minutes 10

    On N cores, N batches a step: torchrun --nproc-per-node N --no-python -- mmkit train ...
    """
    from mmkit.zoo.recipes import build_task
    from mmkit.zoo.training import show
    from mmkit.zoo.training import train as run

    task = build_task(recipe, minutes=minutes, seed=seed, rate=rate)
    if start is not None:
        task.start(start)
    if scores := run(task, out, progress=True):
        typer.echo(show(scores))


@app.command()
def diff(
    sources: Annotated[
        list[Path], typer.Argument(metavar="A [B]", help="Files to ask about, or two saved traces.")
    ],
    model: Model = shipped.DEFAULT_MODEL,
    against: Annotated[str, typer.Option(help="transformers, another model, or a saved trace.")] = "transformers",
    question: Annotated[str, typer.Option("--ask", help="The question that goes with the files.")] = "What is it?",
    answers: Annotated[bool, typer.Option("--answers", help="Also answer, and compare log-probabilities.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.npz", help="Keep the trace of A; compare nothing.")
    ] = None,
) -> None:
    """The first rung at which two ways of making a sample ready differ: decode, resize, features, tokens, sampling,
    log-probabilities.

    Example: mmkit diff data/scan16.png --against transformers
    """
    from mmkit.ladder import climb, save_trace, traces_of

    found = traces_of(sources, model, None if save else against, question, answers=answers)
    if save is not None:
        save_trace(found[0], save)
        raise typer.Exit
    ladder = climb(*found)
    typer.echo(ladder)
    raise typer.Exit(1 if ladder.first else 0)


@app.command()
def compat(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Python files, notebooks, folders of them.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a use, then one a file not read.")
    ] = False,
) -> None:
    """Old multimodal APIs of vLLM and its friends in your code, with the modern form; nothing is run.

    Exit code 1 where something was found, 2 where a file could not be read (the others were).

    Example: mmkit compat src notebooks
    """
    from mmkit.compat import scan_paths

    report = scan_paths(paths)
    for use in report.uses:
        rule = use.rule
        line = f"{use.where}: {rule.old} ({rule.release}: {rule.fate}); now: {rule.now}"
        typer.echo(json.dumps(use.as_row()) if as_json else line)
    for error in report.errors:
        typer.echo(json.dumps({"error": error.as_row()}) if as_json else f"BAD   {error}")
    typer.echo(f"{report.files} files: {len(report.uses)} old uses, {len(report.errors)} unreadable", err=True)
    raise typer.Exit(2 if report.errors else 1 if report.uses else 0)


@app.command("new-model")
def new_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the package and the model, such as bird_ear.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it: a new or an empty folder.")],
) -> None:
    """Write a package: a model of your own for transformers and vLLM, which passes its test as it stands.

    Example: mmkit new-model bird_ear ./bird-ear
    """
    from mmkit.starter import next_steps, write_starter

    write_starter(name, folder)
    typer.echo("Written. In an environment that has vLLM, go on with:\n", err=True)
    typer.echo(next_steps(name, folder), nl=False)


@app.command()
def doctor() -> None:
    """The machine, the versions, the decoders, and one real answer.

    Example: mmkit doctor
    """
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
    """Run the command line; every error that we know is one line.  Ends by SystemExit."""
    try:
        app()
    except MmkitError as error:
        fail(f"{error.code}: {error}")
    except OSError as error:
        fail(f"{error.strerror or error}: {Path(error.filename).name if error.filename else ''}".rstrip(": "))
    except KeyboardInterrupt:
        fail("stopped")


def run() -> None:
    """The command as it is installed: main, and an end at once where an engine was started."""
    try:
        main()
    except SystemExit as end:
        if "mmkit.engine" not in sys.modules:
            raise
        from mmkit.engine import leave

        leave(int(end.code or 0))


if __name__ == "__main__":
    run()
