import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.message import (
    NAME,
    TEXT_MAX_BYTES,
    BadInput,
    Batch,
    Cursor,
    Message,
    Missed,
    is_unseen,
    position_json,
    read_batch,
    read_publication,
    read_update,
)

# Any text that has a UTF-8 form: control characters, other lines' ends and emoji, but no lone surrogates.
texts = st.text(st.characters(codec="utf-8"), min_size=1)
cursors = st.builds(
    Cursor, st.from_regex(r"[0-9a-z]{1,16}", fullmatch=True), st.integers(min_value=0, max_value=10**15 - 1)
)
times = st.floats(min_value=0, max_value=1e15)
# As the server accepts them: no control characters, something to be seen.
names = st.from_regex(NAME, fullmatch=True).filter(lambda name: not any(map(is_unseen, name)))
people = st.lists(st.tuples(names, st.sampled_from(["sse", "websocket"]))).map(tuple)
messages = st.builds(Message, cursors, texts, times, st.none() | names, st.none() | people)
missed = st.builds(Missed, st.sampled_from(["expired", "restarted", "ahead"]), cursors)
batches = st.builds(Batch, st.lists(messages).map(tuple), cursors, st.none() | missed)


@given(cursors)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-", "7", "abc", "abc-", "-7", "abc-x", "abc--7", "ABC-7", "abc-7\n", " abc-7", "abc-7-7", "a-1e3"),
        *("abc-٧", "ａ-7", "a" * 17 + "-7", "abc-" + "1" * 16, "abc-7" * 10_000),
    ],
)
def test_anything_else_is_not_a_cursor(text: str) -> None:
    with pytest.raises(BadInput, match="is not a cursor: send one that you were given") as refusal:
        Cursor.parse(text)
    assert len(str(refusal.value)) < 200


@given(batches)
def test_a_batch_is_read_as_it_was_written(batch: Batch) -> None:
    assert read_batch(batch.json) == batch
    assert read_batch(batch.json.encode()) == batch


@given(messages | missed)
def test_an_update_is_read_as_it_was_written(update: Message | Missed) -> None:
    assert read_update(update.json) == update


@given(cursors)
def test_a_position_is_read_as_it_was_written(cursor: Cursor) -> None:
    assert read_update(position_json(cursor)) == cursor


@given(batches)
def test_what_is_written_is_one_line_of_json_of_the_stated_shape(batch: Batch) -> None:
    def shape(message: Message) -> dict[str, Any]:
        name = {} if message.name is None else {"name": message.name}
        notice = {} if message.people is None else {"people": [list(person) for person in message.people]}
        said = {"cursor": str(message.cursor), "text": message.text, "published_ms": message.published_ms}
        return {**said, **name, **notice}

    told = {"missed": {"reason": batch.missed.reason, "cursor": str(batch.missed.cursor)}} if batch.missed else {}
    expected = {**told, "messages": [shape(message) for message in batch.messages], "cursor": str(batch.cursor)}
    assert json.loads(batch.json) == expected
    # Lines that end here would end an SSE field too.
    assert "\n" not in batch.json and "\r" not in batch.json


@given(batches)
def test_what_was_missed_is_told_before_the_messages(batch: Batch) -> None:
    assert list(batch.updates) == [*([batch.missed] if batch.missed else []), *batch.messages]


def test_a_message_without_a_name_has_the_bytes_that_are_measured() -> None:
    message = Message(Cursor("7f3a90c2", 17), "hello", 1234.567)
    assert message.json == '{"cursor":"7f3a90c2-17","text":"hello","published_ms":1234.567}'


@given(texts, st.none() | names)
def test_a_publication_is_read(text: str, name: str | None) -> None:
    fields = {"text": text} if name is None else {"text": text, "name": name}
    for body in (json.dumps(fields), json.dumps(fields, ensure_ascii=False).encode()):
        assert read_publication(body) == (text, name)


@pytest.mark.parametrize("text", ["a" * TEXT_MAX_BYTES, "長" * (TEXT_MAX_BYTES // 3)])
def test_the_longest_text_is_counted_in_bytes(text: str) -> None:
    assert read_publication(json.dumps({"text": text})).text == text
    with pytest.raises(BadInput, match=f"1 to {TEXT_MAX_BYTES} are accepted"):
        read_publication(json.dumps({"text": text + "長"}))


@pytest.mark.parametrize(
    "body",
    [
        *("", "hello", "null", "7", '"hello"', "[]", '["text"]', "{}", '{"text": 7}', '{"text": null}', '{"text": "a"'),
        *(
            '{"Text": "a"}',
            '{"text": "a", "more": 1}',
            '{"text": "a", "people": []}',
            '{"name": "Ada"}',
            '{"text": ["a"]}',
            '{"text": NaN}',
            '{"text": %s}' % ("9" * 5_000),
        ),
        *(b"\xff\xfe", b'{"text": "\xe9"}', "[" * 50_000, '{"text": ' * 10_000),
    ],
)
def test_a_publication_that_is_not_understood_is_refused(body: str | bytes) -> None:
    with pytest.raises(BadInput, match=r'^send {"text": "..."}: '):
        read_publication(body)


@pytest.mark.parametrize(
    ("body", "why"), [('{"text": ""}', "has 0 bytes"), (r'{"text": "\ud83d"}', "unpaired surrogate")]
)
def test_a_text_that_cannot_be_a_message_is_refused(body: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_publication(body)


@pytest.mark.parametrize("name", ["a" * 40, "長" * 40, "👩‍👩‍👧‍👦", "<b>Ada</b>", " Ada "])
def test_a_name_may_be_any_that_can_be_seen(name: str) -> None:
    assert read_publication(json.dumps({"text": "a", "name": name})).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\u3000",
        "\u200b",
        "\u3164",
        "\u202eeman a",
        "a" * 41,
        "A\nda",
        "A\tda",
        "\x00",
        "A\x85da",
        "\u2028",
        "\ud83d",
        None,
        7,
        ["Ada"],
    ],
)
def test_any_other_name_is_refused(name: object) -> None:
    with pytest.raises(BadInput, match=r"^this name is not accepted: give 1 to 40 characters"):
        read_publication(json.dumps({"text": "a", "name": name}))
