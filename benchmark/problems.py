"""What can be wrong with a submission: the one table of codes. How a problem is told stands in refusals.py.

A code never changes its meaning. E1 is the container, E2 the arrays, E3 the card, E4 files and paths, E5 the store and
the machine, E6 the rules of the boards; the first digit decides the exit code. docs/errors.md is this table as a page:
`python -m benchmark.problems` prints it, and a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.errors import unknown_name

__all__ = ["TABLE", "Explanation", "exit_code", "explained", "page"]

_SERIES = {
    "1": ("The container", 3),
    "2": ("The arrays", 3),
    "3": ("The card", 3),
    "4": ("Files and paths", 3),
    "5": ("The store and the machine", 5),
    "6": ("The rules of the boards", 4),
}


@dataclass(frozen=True)
class Explanation:
    """One row of the table."""

    title: str
    cause: str
    fix: str
    """One action; what a problem says when it knows nothing more precise."""


def exit_code(code: str) -> int:
    return _SERIES[code[1]][1]


def explained(code: str) -> str:
    """Title, cause and fix of a code as plain lines; raises UsageError naming the nearest code."""
    if code.upper() not in TABLE:
        raise unknown_name("code", code, TABLE)
    row = TABLE[code.upper()]
    return f"{code.upper()}: {row.title}\n\n{row.cause}\n\nFix: {row.fix}.\n"


def page() -> str:
    """docs/errors.md."""
    parts = [_HEAD]
    for digit, (title, exits) in _SERIES.items():
        parts.append(f"## {title} (exit code {exits})\n")
        for code, row in TABLE.items():
            if code[1] == digit:
                parts.append(
                    f'<a id="{code.lower()}"></a>\n\n### {code}: {row.title}\n\n{row.cause}\n\n**Fix:** {row.fix}.\n'
                )
    return "\n".join(parts)


_HEAD = """# Error codes

What `distillbench check` and `distillbench submit` refuse, one paragraph for each code. A line reads

```
E202 tensors.safetensors:labels: a class id that is none (got 10, limit 0 to 9). Fix: count class ids from 0.
```

: the code, the file and the tensor or field, what came, what is allowed, what to do. Every independent problem is told
in one run, 20 at most; `--json` gives the same as objects, and `distillbench check --explain E202` prints a paragraph.
Whatever is refused, nothing was stored. This page is made from `benchmark/problems.py`.
"""


def _row(title: str, cause: str, fix: str) -> Explanation:
    return Explanation(title, " ".join(cause.split()), " ".join(fix.split()))


TABLE: Mapping[str, Explanation] = {
    "E101": _row(
        "a pickle, an archive or an image",
        """The file is a pickle, a torch file, an archive, a numpy file or a picture. Pickles can run code when
        they are opened and archives can unpack to any size, so none of them is ever opened here.""",
        "run distillbench convert on it, on a machine where you trust it, and hand in the folder that it writes",
    ),
    "E102": _row(
        "content that is not what the name says",
        "What a file is, is decided by its content. Its name says something else, so one of the two is a mistake.",
        "save the arrays with safetensors, under a name that ends in .safetensors",
    ),
    "E103": _row(
        "an empty file", "The file has no bytes: a copy or a save that never began.", "write or copy it again"
    ),
    "E104": _row(
        "no safetensors file",
        """The content is not the format that it should be: often a git-lfs pointer or a web page that was saved in
        place of the file itself.""",
        "download the file itself, or write it as docs/submit.md shows",
    ),
    "E105": _row(
        "a header that is too long",
        "A safetensors header names two tensors here; one of more than 1 MiB is an attack or damage, and is not read.",
        "write the file with the tensors of the set alone",
    ),
    "E106": _row("a truncated file", "The file ends before the data that its header announces.", "copy it again"),
    "E107": _row(
        "bytes after the data",
        "Something follows the data that the header announces. A file that is two formats at once is not taken.",
        "write the file again with safetensors",
    ),
    "E108": _row(
        "tensors that overlap or leave holes",
        "The offsets of the header do not cover the data exactly once.",
        "write the file again with safetensors",
    ),
    "E109": _row(
        "a key that stands twice in the header",
        "Readers differ in which of the two they take, so the file means two things.",
        "write the file again with safetensors",
    ),
    "E110": _row(
        "other tensors than the decoder reads",
        "A set holds exactly the tensors that its decoder reads: `images` and `labels`, or `indices` and `labels`.",
        "store these tensors, no more and no less",
    ),
    "E111": _row("no tensors at all", "The header is well-formed and names nothing.", "save the arrays into it"),
    "E112": _row(
        "a dtype that is not taken",
        """Images are uint8, float16 or float32; class ids and indices are whole numbers; soft labels are float16
        or float32. A wider dtype would be counted, but not trained on.""",
        "convert the array before saving it",
    ),
    "E113": _row(
        "a broken entry of the header",
        "A tensor needs exactly dtype, shape and data_offsets, and as many bytes as its shape and dtype make.",
        "write the file again with safetensors",
    ),
    "E201": _row(
        "numbers that are NaN or infinite",
        "A network that is trained on them learns nothing: its loss is no number.",
        "find out where they come from in your distillation, and replace them",
    ),
    "E202": _row("a class id that the dataset does not have", "Classes are counted from 0.", "count class ids from 0"),
    "E203": _row(
        "labels of another kind than declared",
        "Hard labels are class ids, one whole number for each image. Soft labels are a row of numbers for each image.",
        'store class ids, or declare "labels": {"kind": "probabilities"} (or "logits")',
    ),
    "E204": _row(
        "other images per class than declared",
        "The card says how many images each class has (`ipc`), and the labels say otherwise.",
        'correct the labels, or "ipc"; write "ipc": null where classes differ',
    ),
    "E205": _row(
        "another number of images than of labels, or than declared",
        "There is one label, or one row of soft labels, for each image, and images per class times classes in all.",
        "store as many labels as images",
    ),
    "E206": _row(
        "images of another shape",
        "Images are (N, channels, height, width) with the dataset's channels, height and width.",
        "store the images in the shape that is needed",
    ),
    "E207": _row(
        "numbers that do not fit the declared value space",
        """The commonest failure of this field. The card declares pixels of 0 to 1 or standardized images; what the
        numbers look like is something else: pixels of 0 to 255, images standardized once more, pixels declared
        standardized.""",
        "declare in `space` what the numbers are",
    ),
    "E208": _row(
        "an impossible shape",
        "A shape has negative numbers, too many, or a product beyond all memory.",
        "mend the shape",
    ),
    "E209": _row(
        "more bytes than the dataset itself",
        """A synthetic set stands in for a dataset, so it may not have more bytes than the dataset's own training
        images with a soft label each, all as float32.""",
        "hand in a smaller set",
    ),
    "E211": _row(
        "soft labels that are no distribution",
        "Probabilities are 0 or more and sum to 1 in each row, within 0.001. Logits lie within 10,000 either way.",
        'normalise the rows, or declare "labels": {"kind": "logits"}',
    ),
    "E212": _row(
        "a set that says nothing",
        "All images are the same, or all labels are: no network can learn classes from it.",
        "hand in the images and labels that were distilled",
    ),
    "E213": _row(
        "something that is no plain array",
        "From Python, tensors are numpy arrays; sparse arrays, objects and others' tensors are not guessed at.",
        "convert it with numpy.asarray",
    ),
    "E214": _row(
        "tensors that the decoder cannot read",
        "The decoder that the card names cannot make the set's images: a picture of another size or codec, bases and "
        "styles that do not fit each other, more images than the dataset has, labels that do not match.",
        "store them as docs/synthetic_set.md says for this decoder",
    ),
    "E301": _row(
        "markup in a name",
        "Names stand in addresses, file names and tables. Text fields may hold any visible characters; names may not.",
        "use lower-case letters, digits, '.', '_' and '-'",
    ),
    "E302": _row(
        "no plain link",
        "Links begin with https:// or http://, in ASCII, without user names, passwords, quotes or blanks.",
        "write a link that begins with https://, or leave it empty",
    ),
    "E303": _row(
        "a name that a spreadsheet would run",
        "A cell that begins with =, +, -, @, a tab or a carriage return is a formula to spreadsheets.",
        "begin the name with a letter or digit",
    ),
    "E304": _row(
        "characters without a shape",
        """Control characters, bidirectional overrides, zero-width characters, lone surrogates and private
        characters can make a text look like another one, or steer a terminal.""",
        "remove them",
    ),
    "E305": _row(
        "a name that is none, or too like another",
        """A name is 1 to 64 lower-case letters, digits, '.', '_' and '-', the first a letter or digit, the last no
        '.'. Two methods may not differ by separators or look-alikes alone (0 and o, 1 and l, m and rn, w and
        vv), and names that are devices on some systems (con, nul, com1) are not taken.""",
        "choose another name, or write the existing one exactly if it is the same method",
    ),
    "E306": _row(
        "no strict JSON",
        """card.json is UTF-8 without a byte order mark: every key once, no comments, no NaN or Infinity, no number
        beyond float64. Readers differ in what they make of the rest.""",
        "write it with json.dump(card, file, allow_nan=False)",
    ),
    "E307": _row(
        "a field that is unknown, missing or of the wrong type",
        "Every field of a card is known and bounded (docs/synthetic_set.md); none is passed over in silence.",
        "mend the field as docs/synthetic_set.md states it",
    ),
    "E308": _row(
        "a card in YAML or TOML",
        "Cards are JSON: YAML has tags and aliases that grow without bound.",
        "write card.json",
    ),
    "E309": _row(
        "a value that names nothing here",
        "The dataset, its digest, the decoder, the part of the data or the date is not one that there is.",
        "take one of the values that the line names, or see `distillbench list`",
    ),
    "E310": _row(
        "scores or measures of your own in the wrong place",
        """What you measured yourself is shown as claimed, in the field `claims`, and never ranked. What is counted
        here (bytes, images per class) is not yours to state.""",
        'move it to "claims": [{"metric": …, "value": …}], or leave it out',
    ),
    "E311": _row(
        "a secret, an address or a home folder",
        "Cards are published. Tokens, private keys, e-mail addresses and paths of home folders do not belong there.",
        "remove it; a token that was written down should be revoked too",
    ),
    "E312": _row(
        "a card that is too large", "A card has at most 16 KiB; what is longer belongs behind a link.", "shorten it"
    ),
    "E401": _row(
        "no regular file, or none at all",
        "A set is a folder with two regular files. Pipes, sockets, devices and folders in their place are not read.",
        "name a folder that holds tensors.safetensors and card.json",
    ),
    "E402": _row(
        "a link in place of a file",
        "Symbolic links and files with several names can show another file than the one that was checked.",
        "put a copy of the file there (`cp -L`)",
    ),
    "E403": _row(
        "a file that changed while it was read",
        "Something else was writing it.",
        "wait until it is written, and try again",
    ),
    "E404": _row(
        "another set of the same method, seed and size",
        """The store holds a set of this method, dataset, images per class, preset and distillation seed with other
        content. Both may stay, but which is meant must be said.""",
        'give each draw its own "distil_seed", or say `--new-version`',
    ),
    "E501": _row(
        "no access",
        "A file cannot be read or the store not written: rights, owner or a read-only disk.",
        "mend the permissions, and try again",
    ),
    "E502": _row("no space", "The disk or the quota is full. Nothing was stored.", "free some space, and try again"),
    "E503": _row(
        "work in another hand", "Another process holds what this one waited for.", "wait for it, and try again"
    ),
    "E504": _row(
        "damage in the store",
        "A file of the store is not what its name says. It is left out; the others are served.",
        "run distillbench store fsck",
    ),
    "E505": _row(
        "a store of a newer version",
        "A newer version of DistillBench wrote this store; this one would not do it justice.",
        "update DistillBench",
    ),
    "E506": _row(
        "an impossible place for the store",
        "The path of the store cannot be a folder.",
        "name another folder with --store",
    ),
    "E601": _row(
        "test images in the set",
        "Images of the test split stand in the set, as they are, mirrored, or off by one level.",
        "distil from the training split alone",
    ),
    "E602": _row(
        "images very near to test images",
        "Images lie nearer to test images than real training images do. The set is looked at, not refused outright.",
        "say in `notes` how the images came about",
    ),
    "E603": _row(
        "labels that may know the test split",
        "Labels can be made with test data, and no look at them tells. So labels that are no class ids come with a "
        "statement: made by the method itself, or by a teacher, with the sha256 of its weights and the part of train "
        "that it learned.",
        'state "label_origin"; a teacher that saw anything but the training split cannot be used',
    ),
    "E604": _row(
        "a set that is stored already under another name",
        "The same images and labels were handed in before by somebody else, or made by a baseline here; in another "
        "order, value space or dtype they are still the same.",
        "hand in your own set, or ask for the credit of the stored one to be corrected",
    ),
    "E605": _row(
        "a score that hangs on hidden bits",
        "The score falls by more than three standard errors when images lose their lowest bit and are shuffled.",
        "hand in a set that works after rounding and shuffling",
    ),
    "E606": _row(
        "how to evaluate, stated by the contributor",
        "Seeds, recipe and schedule of the evaluation are the same for everybody; no set brings its own.",
        "leave the field out; a learned rate goes into `schedule` and is used by the paper recipe alone",
    ),
    "E608": _row(
        "no licence", "Nothing is published without the consent of whoever made it.", 'add "licence", e.g. "CC BY 4.0"'
    ),
    "E609": _row(
        "the name of a baseline",
        "Our own baselines are what every method is compared with; they make their sets themselves.",
        "give your method another name",
    ),
    "E610": _row(
        "a set of some of the classes",
        "Families made step by step are not taken in from outside; only sets of all classes are.",
        'hand in the set of all classes, with "classes" null',
    ),
}

if __name__ == "__main__":
    print(page(), end="")
