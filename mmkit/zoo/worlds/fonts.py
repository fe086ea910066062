"""Typefaces to print with: families of Debian's font packages, some of them held out of training.

    PACKAGES -> fontconfig's list of files -> faces(held_out) -> Face (family, file, weight) -> load_face -> Pillow

A family is held out with its whole package, so that no sibling of it is learned. Lato, Cantarell and Inconsolata
are used by nothing here, nor is Carlito, which is Lato in other widths: they are for whoever checks from outside.
Every face has the letters, digits and common marks of ASCII and the signs of pound and euro.
Leaves out handwriting, small capitals, blackletter and hairlines.
"""

from __future__ import annotations

import functools
import subprocess
from collections import defaultdict
from dataclasses import dataclass

from PIL import ImageFont

from mmkit.errors import BackendMissing

PACKAGES: dict[str, tuple[str, ...]] = {
    "fonts-3270": ("IBM 3270", "IBM 3270 Semi-Condensed"),
    "fonts-adf-accanthis": ("Accanthis ADF Std", "Accanthis ADF Std No3"),
    "fonts-adf-baskervald": ("Baskervald ADF Std",),
    "fonts-adf-berenis": ("Berenis ADF Pro",),
    "fonts-adf-gillius": ("Gillius ADF", "Gillius ADF No2"),
    "fonts-adf-ikarius": ("Ikarius ADF No2 Std", "Ikarius ADF Std"),
    "fonts-adf-libris": ("Libris ADF Std",),
    "fonts-adf-mekanus": ("Mekanus ADF Std",),
    "fonts-adf-romande": ("Romande ADF Std",),
    "fonts-adf-switzera": ("Switzera ADF",),
    "fonts-adf-tribun": ("Tribun ADF Std",),
    "fonts-adf-universalis": ("Universalis ADF Std",),
    "fonts-adf-verana": ("Verana", "Verana Sans"),
    "fonts-anonymous-pro": ("Anonymous Pro",),
    "fonts-arapey": ("Arapey",),
    "fonts-averia-gwf": ("Averia GWF",),
    "fonts-averia-sans-gwf": ("Averia Sans GWF",),
    "fonts-averia-serif-gwf": ("Averia Serif GWF",),
    "fonts-b612": ("B612", "B612 Mono"),
    "fonts-cabin": ("Cabin",),
    "fonts-cardo": ("Cardo",),
    "fonts-clear-sans": ("Clear Sans",),
    "fonts-cmu": ("CMU Bright", "CMU Concrete", "CMU Sans Serif", "CMU Serif", "CMU Typewriter Text"),
    "fonts-comfortaa": ("Comfortaa",),
    "fonts-comic-neue": ("Comic Neue",),
    "fonts-courier-prime": ("Courier Prime", "Courier Prime Sans"),
    "fonts-croscore": ("Arimo", "Cousine", "Tinos"),
    "fonts-crosextra-caladea": ("Caladea",),
    "fonts-dejavu-core": ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif"),
    "fonts-dosis": ("Dosis",),
    "fonts-dustin": ("Dustismo Roman",),
    "fonts-elstob": ("ElstobD",),
    "fonts-fantasque-sans": ("Fantasque Sans Mono",),
    "fonts-fanwood": ("Fanwood",),
    "fonts-firacode": ("Fira Code",),
    "fonts-freefont-ttf": ("FreeMono", "FreeSans", "FreeSerif"),
    "fonts-gfs-artemisia": ("GFS Artemisia",),
    "fonts-gfs-didot": ("GFS Didot",),
    "fonts-gfs-neohellenic": ("GFS Neohellenic",),
    "fonts-go": ("Go", "Go Medium", "Go Mono"),
    "fonts-hack": ("Hack",),
    "fonts-hermit": ("Hermit",),
    "fonts-inter": ("Inter", "Inter Display"),
    "fonts-jetbrains-mono": ("JetBrains Mono",),
    "fonts-junicode": ("Junicode Two Beta",),
    "fonts-jura": ("Jura",),
    "fonts-league-mono": ("League Mono",),
    "fonts-league-spartan": ("League Spartan",),
    "fonts-liberation": ("Liberation Mono", "Liberation Sans", "Liberation Sans Narrow", "Liberation Serif"),
    "fonts-lindenhill": ("Linden Hill",),
    "fonts-linuxlibertine": ("Linux Biolinum O", "Linux Libertine O"),
    "fonts-lmodern": ("Latin Modern Mono", "Latin Modern Mono Prop", "Latin Modern Roman Demi",
                      "Latin Modern Sans"),
    "fonts-manrope": ("Manrope",),
    "fonts-monoid": ("Monoid",),
    "fonts-mononoki": ("mononoki",),
    "fonts-noto-core": ("Noto Sans", "Noto Sans Display", "Noto Serif", "Noto Serif Display"),
    "fonts-noto-mono": ("Noto Mono", "Noto Sans Mono"),
    "fonts-okolaks": ("okolaks",),
    "fonts-oldstandard": ("Old Standard TT",),
    "fonts-open-sans": ("Open Sans", "Open Sans Condensed"),
    "fonts-opendyslexic": ("OpenDyslexic", "OpenDyslexicAlta"),
    "fonts-osifont": ("osifont",),
    "fonts-oxygen": ("Oxygen Mono", "Oxygen-Sans"),
    "fonts-paratype": ("PT Mono", "PT Sans", "PT Sans Caption", "PT Sans Narrow", "PT Serif", "PT Serif Caption"),
    "fonts-play": ("Play",),
    "fonts-prociono": ("Prociono",),
    "fonts-quattrocento": ("Quattrocento",),
    "fonts-quicksand": ("Quicksand", "Quicksand Medium"),
    "fonts-roboto-slab": ("Roboto Slab",),
    "fonts-roboto-unhinted": ("Roboto", "Roboto Condensed"),
    "fonts-sil-andika": ("Andika",),
    "fonts-sil-charis": ("Charis SIL",),
    "fonts-sil-gentiumplus": ("Gentium Book Plus", "Gentium Plus"),
    "fonts-spleen": ("Spleen 12x24", "Spleen 16x32", "Spleen 8x16"),
    "fonts-stix": ("STIX", "STIXGeneral"),
    "fonts-terminus": ("Terminus (TTF)",),
    "fonts-texgyre": ("TeX Gyre Adventor", "TeX Gyre Bonum", "TeX Gyre Cursor", "TeX Gyre Heros",
                      "TeX Gyre Heros Cn", "TeX Gyre Pagella", "TeX Gyre Schola", "TeX Gyre Termes"),
    "fonts-tiresias": ("Tiresias Infofont", "Tiresias LPfont", "Tiresias Signfont"),
    "fonts-tuffy": ("Tuffy",),
    "fonts-urw-base35": ("C059", "Nimbus Mono PS", "Nimbus Roman", "Nimbus Sans", "Nimbus Sans Narrow", "P052",
                         "URW Bookman", "URW Gothic"),
    "fonts-vollkorn": ("Vollkorn",),
    "fonts-yanone-kaffeesatz": ("Yanone Kaffeesatz",),
    "fonts-yrsa-rasa": ("Rasa", "Yrsa"),
}  # fmt: skip
HELD_OUT = ("fonts-adf-gillius", "fonts-arapey", "fonts-cabin", "fonts-clear-sans", "fonts-courier-prime",
            "fonts-jetbrains-mono", "fonts-manrope", "fonts-paratype", "fonts-play", "fonts-sil-andika",
            "fonts-tuffy", "fonts-vollkorn")  # fmt: skip
REGULAR, BOLD = 80, 200  # fontconfig's weights
CHARACTERS = "20-5a 61-7a a3 20ac"  # in hexadecimal: what a face must have


@dataclass(frozen=True)
class Face:
    """One font file of a family.  style: "regular", "bold" or "italic"."""

    family: str
    style: str
    file: str
    index: int  # in a collection of fonts


def install_hint(packages: list[str]) -> str:
    """The command that brings packages.

    >>> install_hint(["fonts-go", "fonts-hack"])
    'apt-get install --no-install-recommends fonts-go fonts-hack'
    """
    return "apt-get install --no-install-recommends " + " ".join(packages)


@functools.cache
def faces(held_out: bool) -> dict[str, tuple[Face, ...]]:
    """The faces of each family, regular first: those to train with, or those held out.

    Raises BackendMissing with the packages to install where fontconfig does not know a family.
    """
    found = _installed()
    chosen, missing = {}, []
    for package, families in PACKAGES.items():
        if (package in HELD_OUT) == held_out:
            for family in families:
                if family not in found:
                    missing.append(package)
                else:
                    chosen[family] = found[family]
    if missing:
        raise BackendMissing(f"typefaces are missing; {install_hint(sorted(set(missing)))}")
    return chosen


@functools.cache
def _installed() -> dict[str, tuple[Face, ...]]:
    """Family -> up to three faces: the regular, the bold and the italic nearest to fontconfig's own weights."""
    fields = "%{family[0]}\t%{weight}\t%{slant}\t%{width}\t%{index}\t%{file}\n"
    try:
        done = subprocess.run(
            ["fc-list", f":charset={CHARACTERS}:variable=False:scalable=True", "--format", fields],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendMissing("fontconfig's fc-list is missing; apt-get install fontconfig") from error
    known = {family for families in PACKAGES.values() for family in families}
    candidates: dict[str, list[tuple[float, float, float, str, int]]] = defaultdict(list)
    for line in done.stdout.splitlines():
        family, *numbers, file = line.split("\t")
        if family in known and file.endswith((".ttf", ".otf")) and len(numbers) == 4:
            try:
                weight, slant, width, index = map(float, numbers)
            except ValueError:  # a range of a variable font
                continue
            candidates[family].append((abs(width - 100), weight, slant, file, int(index)))
    found = {}
    for family, files in candidates.items():
        files.sort()
        picked = []
        for style, weight, slanted in (
            ("regular", REGULAR, False),
            ("bold", BOLD, False),
            ("italic", REGULAR, True),
        ):
            fitting = [f for f in files if (f[2] > 0) == slanted and 45 < f[1] < 206]
            if fitting:
                _, best, _, file, index = min(fitting, key=lambda f: (abs(f[1] - weight), len(f[3]), f))
                if (style != "bold" or best >= 180) and all(file != face.file for face in picked):
                    picked.append(Face(family, style, file, index))
        if picked:
            found[family] = tuple(picked)
    return found


@functools.lru_cache(maxsize=600)
def load_face(face: Face, size: float) -> ImageFont.FreeTypeFont:
    """A face at a size in pixels, without the joining of letters (so that each letter has its own place)."""
    return ImageFont.truetype(face.file, size, index=face.index, layout_engine=ImageFont.Layout.BASIC)
