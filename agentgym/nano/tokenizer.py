r"""The tokenizer: one token a word, a number or a run of punctuation where it is listed, pieces and bytes elsewhere.

A label that is one token is matched in one step, and so is ``[12]``: every number up to 999 and every usual separator
(``" [``, ``]\n``) is a token. Nothing is lost: ``decode(encode(text)) == text`` for every string that has a UTF-8
form.

Special tokens cannot come from a page as long as its text is encoded by `agentgym.policy.chat.ChatEncoder`, or with
``split_special_tokens=True``. Text given to ``apply_chat_template(tokenize=True)`` has no such protection: the
tokenizer then cannot tell the template's ``<|im_end|>`` from a page's.
"""

from __future__ import annotations

import collections
import string
from typing import TYPE_CHECKING

from agentgym.nano.lexicon import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerFast

VOCABULARY = 8192  # tokens, special ones and bytes included
MAX_LENGTH = 4096  # tokens of prompt and completion together
PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
PRETOKENS = r"\p{L}+|\p{N}+|[^\p{L}\p{N}]+"

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

PUNCTUATION = (
    '" [', "]\n", ' "', '("', "(", ")", '")', ', "', '", "', " [", "] ", ': "', ":\n", ": ", " ; ", ", ", ". ", '".',
    '")\n', '" ', '", ', "' ", " '", "', '", "'.", ".\n", '.\n', '" "', "; ", "! ", "? ", '?" [', '!" [', '." [',
    ':" [', ' (', ") ", '"\n', "'\n", " - ", " #", "#", ", '", "'s", "://", "...", '...\n', '...." [', '..." [',
    '"" [', ' "" [', '"[', '")', '").', "),", "). ", "--", " -> ", " & ", " / ", " + ", " = ", ' "#', '" + "', "\n\n",
    "?\n", "!\n", '".\n', "'.\n", ')" [', " $", "$", "%", '%" [', '","', '":"', "=\"", "'\" [", '("")', '()',
    '")  ; ', ') ; ', '") ; ', '" [', '"', '".  ', '"?', '"? ', '": ', '" - ', ' – ', '“', '”', '’', '…', '×', '→',
    '✕', '•', '£', '€',
)  # fmt: skip
MAX_PIECE = 4  # letters of a piece of an unlisted word


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer; the same every time."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [(piece, _score(piece)) for piece in _vocabulary()]
    unknown = [piece for piece, _ in vocabulary].index("<0x00>")  # never emitted: bytes cover what is not listed
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PRETOKENS), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (PAD, START, END)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def encode_text(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Encode text that is not trusted: a special token written in it becomes plain characters."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def completion_ids(tokenizer: PreTrainedTokenizerFast, completion: str) -> list[int]:
    """Encode an answer and the token that ends it."""
    return [*encode_text(tokenizer, completion), tokenizer.eos_token_id]


def _score(piece: str) -> float:
    """Prefer few pieces, and among equally few the longer first ones."""
    return -10.0 + 0.01 * min(len(piece), 20)


def _vocabulary() -> list[str]:
    """List the pieces: special tokens, bytes, characters, numbers, punctuation, words, then pieces of words."""
    listed = words()
    everyday = [*listed.common, *listed.latin]
    pieces = dict.fromkeys([PAD, START, END])
    pieces.update(dict.fromkeys(f"<0x{byte:02X}>" for byte in range(256)))
    pieces.update(dict.fromkeys(string.printable))
    pieces.update(dict.fromkeys(str(number) for number in range(1000)))
    pieces.update(dict.fromkeys(f"{number:02d}" for number in range(100)))
    pieces.update(dict.fromkeys(PUNCTUATION))
    pieces.update(dict.fromkeys(everyday))
    pieces.update(dict.fromkeys(word.capitalize() for word in everyday))
    pieces.update(dict.fromkeys(listed.names))
    pieces.update(dict.fromkeys(word.upper() for word in listed.common[:120]))
    for piece in _subwords([*everyday, *(name.lower() for name in listed.names)]):
        if len(pieces) == VOCABULARY:
            break
        pieces.setdefault(piece)
    return list(pieces)


def _subwords(listed: Iterable[str]) -> list[str]:
    """Return runs of 2 to `MAX_PIECE` letters, the ones that save most tokens first."""
    count: collections.Counter[str] = collections.Counter()
    for word in listed:
        for size in range(2, MAX_PIECE + 1):
            count.update(word[i : i + size] for i in range(len(word) - size + 1))
    return sorted(count, key=lambda piece: (-count[piece] * (len(piece) - 1), piece))
