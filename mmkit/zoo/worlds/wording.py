"""What is printed: words, prices, dates, names and codes, drawn at random, one text in eight held out of training.

    sample_text(rng, kind, held_out) -> text          sample_item, sample_price, ... -> the parts of a receipt

Half of the words are real, of shops, kitchens, forms and streets; half are made letter by letter, each drawn by the
two before it (a Markov chain over the real ones), so that a reader has to look and cannot guess. Whether a text is
held out is decided by a checksum of its letters: no list has to be kept, and no training run can draw it.
Leaves out letters with accents and other alphabets.
"""

from __future__ import annotations

import functools
import random
import zlib
from collections import defaultdict

_WORDS = """
apple apricot almond bakery banana basil bean beef beer beet berry biscuit bread broccoli butter cabbage cake
candy carrot cashew celery cheese cherry chicken chili chips chocolate cider cinnamon coconut coffee cookie corn
cream cucumber curry date dill egg espresso fig fish flour fresh garlic ginger grape green ham hazelnut herb honey
ice jam juice kale ketchup kiwi lamb latte lemon lentil lettuce lime mango maple melon milk mint muffin mushroom
mustard noodle nut oat oil olive onion orange oregano pancake paprika parsley pasta pastry peach peanut pear pea
pepper pickle pie pineapple pizza plum pork potato pretzel pudding pumpkin quinoa radish raisin raspberry red rice
roll rosemary rye saffron salad salami salmon salt sandwich sauce sausage seed sesame shrimp soda soup soy spice
spinach squash steak stew strawberry sugar syrup tea thyme toast tofu tomato tuna turkey vanilla vinegar waffle
walnut water wheat wine yeast yogurt zucchini organic natural classic original premium extra large small medium
hot cold sweet sour bag bottle box can case cup dozen gram jar kilo liter pack piece pound slice tin tube unit
sale offer special new price total cash card change tax tip discount member save only today open closed exit enter
push pull stop danger warning caution fragile keep dry this side up handle with care do not touch no smoking
parking room floor gate platform track train bus taxi airport station street road avenue square park bridge river
harbor museum library school hotel hostel market pharmacy hospital clinic office desk counter ticket seat row door
window name address phone email time place number order invoice receipt item amount balance due paid account
customer patient doctor nurse ward chart dose tablet capsule daily twice before after meal sample blood pressure
pulse weight height age sex left right front back view scan knee chest hand foot spine skull shirt jacket dress
skirt coat shoe boot sock hat scarf glove belt watch ring lamp chair table sofa shelf mirror pillow blanket towel
soap brush comb razor paper pen pencil ink glue tape ruler folder notebook marker eraser hammer nail screw drill
saw wrench paint cable plug battery charger camera laptop keyboard mouse screen speaker printer router garden soil
plant flower rose tulip grass tree hose bucket fence bike helmet tent rope cotton wool linen silk leather wood
steel glass plastic black white blue yellow brown gray pink purple silver gold north south east west spring summer
autumn winter morning evening night week month year first second third last quick fox jumps over lazy dog bright
quiet happy simple strong light heavy early late fast slow clear smooth energy power speed distance volume
temperature voltage current figure axis value mean error count rate ratio score test model input output image
audio video text label class token layer loss step batch data result
"""
_GIVEN = """
Anna Ben Carla David Elena Felix Grace Hugo Ines Jonas Karin Leo Maria Nina Oscar Paula Quentin Rosa Samuel Tara
Ulla Victor Wanda Xavier Yara Zoe Adam Bella Chloe Daniel Emma Frank Greta Henry Ivan Julia Kevin Laura Martin
Nora Olga Peter Ruth Simon Thomas Ursula Vera William Yusuf Zara Alice Brian Clara Diego Eva Fiona George Hannah
Isaac Jane Kurt Linda Mark Naomi Oliver Priya Rafael Sofia Tim Uma Vincent Walter Ximena Yuki Amir Bao Chen Dmitri
Fatima Gita Hiro Kofi Lena Mei Omar Pablo Raj Sara Tomas Wei
"""
_FAMILY = """
Smith Jones Brown Taylor Wilson Miller Davis Garcia Lopez Martin Clark Lewis Walker Hall Young King Wright Hill
Green Baker Adams Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker Evans Edwards Collins Stewart
Morris Rogers Reed Cook Morgan Bell Murphy Bailey Cooper Kelly Howard Ward Cox Richardson Wood Watson Brooks
Bennett Gray James Hughes Price Myers Long Foster Sanders Ross Berg Fischer Weber Meyer Wagner Becker Schulz
Hoffmann Koch Richter Klein Wolf Neumann Schwarz Zimmermann Krause Lang Rossi Russo Ferrari Bianchi Romano Silva
Santos Costa Pereira Novak Kovac Nowak Larsen Hansen Olsen Nilsson Johansson Virtanen Tanaka Suzuki Sato Kim Park
Lee Wang Zhang Liu Chen Singh Kumar Patel Khan Ali Hassan Okafor Mensah Diallo
"""
WORDS, GIVEN, FAMILY = (_words.split() for _words in (_WORDS, _GIVEN, _FAMILY))
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TITLES = ("Dr.", "Mr.", "Mrs.", "Ms.", "Prof.")
UNITS = ("g", "kg", "ml", "l", "oz", "lb", "cm", "mm", "m", "W", "V", "mg", "pcs")
KINDS = ("words", "price", "date", "name", "four words")
LETTERS, DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"


def is_held_out(text: str) -> bool:
    """Is this text for testing only?  One in eight is, whatever its case.

    >>> [text for text in ("tea", "coffee", "milk", "2.50", "bread", "Apple", "apple") if is_held_out(text)]
    ['Apple', 'apple']
    """
    return zlib.crc32(text.lower().encode()) % 8 == 0


@functools.cache
def _chain() -> dict[str, list[str]]:
    """Two letters -> those that follow them in real words; "^" opens a word and "$" closes it."""
    follows: dict[str, list[str]] = defaultdict(list)
    for word in [*WORDS, *(name.lower() for name in (*GIVEN, *FAMILY))]:
        letters = "^^" + word + "$"
        for i in range(2, len(letters)):
            follows[letters[i - 2 : i]].append(letters[i])
    return follows


def sample_made_up(rng: random.Random, longest: int = 11) -> str:
    """A word that looks like one, two letters or more."""
    while True:
        letters = "^^"
        while letters[-1] != "$" and len(letters) < longest + 3:
            letters += rng.choice(_chain()[letters[-2:]])
        if letters[-1] == "$" and len(letters) > 4:
            return letters[2:-1]


def sample_code(rng: random.Random) -> str:
    """Letters and digits without sense: a part number, a batch, a size."""
    kind = rng.random()
    if kind < 0.3:
        return "".join(rng.choices(DIGITS, k=rng.randint(1, 8)))
    if kind < 0.45:
        return "".join(rng.choices(LETTERS + LETTERS.upper(), k=rng.randint(1, 8)))
    if kind < 0.6:
        return f"{rng.randint(1, 999)}{rng.choice(('', ' '))}{rng.choice(UNITS)}"
    letters = "".join(rng.choices(LETTERS.upper(), k=rng.randint(1, 3)))
    digits = "".join(rng.choices(DIGITS, k=rng.randint(1, 5)))
    joint = rng.choice(("", "", "-", "-", "/", " ", "."))
    return rng.choice((letters + joint + digits, digits + joint + letters,
                       f"{letters}{joint}{digits}{joint}{letters}", f"#{digits}", f"No. {digits}", f"{digits}%",
                       f"{digits}-{digits[::-1]}"))  # fmt: skip


def sample_word(rng: random.Random) -> str:
    """One lower-case word, real or made up."""
    return rng.choice(WORDS) if rng.random() < 0.5 else sample_made_up(rng)


def sample_words(rng: random.Random, count: int) -> str:
    """Some words in one of the usual cases, now and then with a mark or a code among them."""
    words = [sample_word(rng) for _ in range(count)]
    case = rng.random()
    if case < 0.4:
        words = [word.capitalize() for word in words]
    elif case < 0.6:
        words = [word.upper() for word in words]
    elif case < 0.75:
        words[0] = words[0].capitalize()
    if rng.random() < 0.22:
        words[rng.randrange(count)] = sample_code(rng).replace(" ", "")
    dress = rng.random()
    last = words[-1]
    if dress < 0.03:
        words[-1] = last + "!"
    elif dress < 0.05:
        words[-1] = last + "?"
    elif dress < 0.07:
        words[-1] = last + "."
    elif dress < 0.09:
        words[-1] = last + ":"
    elif dress < 0.11:
        words[-1] = f"({last})"
    elif dress < 0.125:
        words[0] += "'s"
    elif dress < 0.14:
        words[-1] = f'"{last}"'
    elif count > 1 and dress < 0.22:
        at = rng.randrange(1, count)
        words[at - 1 : at + 1] = [words[at - 1] + rng.choice(("-", "/", " & ", ", ", " + ", "-")) + words[at]]
    return " ".join(words)


def sample_amount(rng: random.Random, most: float = 3.0) -> str:
    """An amount of money without its sign, 0.05 to 10 ** most, small ones as often as large ones."""
    value = 10 ** rng.uniform(-0.5, most)
    cents = rng.choice((99, 95, 50, 0)) if rng.random() < 0.35 else rng.randrange(100)
    whole = f"{int(value):,}" if rng.random() < 0.5 else str(int(value))
    return f"{whole}.{cents:02d}"


def sample_price(rng: random.Random) -> str:
    """A price as shops print it: sign before or behind, point or comma, or a reduction."""
    amount = sample_amount(rng, rng.choice((2.0, 3.0, 4.0)))
    kind = rng.random()
    if kind < 0.45:
        return rng.choice("$$$$€£") + amount
    if kind < 0.55:
        return rng.choice("$€£") + str(rng.randint(1, 999))
    if kind < 0.67:
        return amount.replace(",", "").replace(".", ",") + rng.choice((" €", "€"))
    if kind < 0.75:
        return rng.choice(("USD ", "EUR ", "GBP ", "CHF ", "$ ")) + amount
    if kind < 0.85:
        return amount
    if kind < 0.92:
        return rng.choice((f"{rng.randint(1, 95)}%", f"{rng.randint(1, 19) * 5}% off", f"-{rng.randint(1, 95)}%"))
    return f"{rng.randint(2, 9)} {rng.choice(('for', 'x', '/'))} {rng.choice('$€£')}{rng.randint(1, 30)}"


def sample_date(rng: random.Random) -> str:
    """A date, month or time of day, as forms and tickets print them."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2039)
    name = MONTHS[month - 1]
    short, two = name[:3], f"{year % 100:02d}"
    return rng.choice((
        f"{year}-{month:02d}-{day:02d}", f"{day:02d}.{month:02d}.{year}", f"{day}.{month}.{two}",
        f"{month:02d}/{day:02d}/{year}", f"{month}/{day}/{two}", f"{day} {name} {year}", f"{day} {short} {year}",
        f"{short} {day}, {year}", f"{name} {day}", f"{day} {name}", f"{name} {year}", f"{month:02d}/{year}",
        f"{rng.choice(DAYS)[:3]} {day} {short}", f"{rng.randrange(24):02d}:{rng.randrange(60):02d}",
        f"{rng.randint(1, 12)}:{rng.randrange(60):02d} {rng.choice(('am', 'pm', 'AM', 'PM'))}",
    ))  # fmt: skip


def sample_name(rng: random.Random) -> str:
    """A person's name, half of them made up."""
    given = rng.choice(GIVEN) if rng.random() < 0.6 else sample_made_up(rng).capitalize()
    family = rng.choice(FAMILY) if rng.random() < 0.5 else sample_made_up(rng).capitalize()
    name = rng.choice((
        f"{given} {family}", f"{given} {family}", f"{given} {family}", f"{given[0]}. {family}",
        f"{family}, {given}", f"{rng.choice(TITLES)} {family}", f"{given} {rng.choice(LETTERS).upper()}. {family}",
    ))  # fmt: skip
    return name.upper() if rng.random() < 0.2 else name


SAMPLERS = {
    "words": lambda rng: sample_words(rng, rng.choice((1, 1, 2, 2, 3))),
    "price": sample_price,
    "date": sample_date,
    "name": sample_name,
    "four words": lambda rng: sample_words(rng, 4),
}


def sample_text(rng: random.Random, kind: str, held_out: bool = False) -> str:
    """A text of one of KINDS: of those that training may draw, or of those held out."""
    while True:
        text = SAMPLERS[kind](rng)
        if is_held_out(text) == held_out and len(text) <= 32:
            return text
