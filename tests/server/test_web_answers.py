# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Visitors' files and questions, with the small models of all families; what fails reaches the visitor, and the next one is answered."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tiny_trained import (
    MOBILEVLM,
    PICTURE_SEEDS,
    TINYLLAVA,
    clip_questions,
    picture,
    picture_questions,
    write_drawn_clip,
)
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.demo import CHECKPOINT, CLIP, CLIP_SEED, make_clip
from transformers_mvgpt.server.chat_service import ChatService
from transformers_mvgpt.server.request_errors import RequestError
from transformers_mvgpt.server.settings import ServerSettings
from transformers_mvgpt.server.web_answers import BUSY, PageAnswers
from transformers_mvgpt.server.web_app import create_web_app
from transformers_mvgpt.server.web_examples import write_examples
from transformers_mvgpt.server.web_frames import frame_strip
from transformers_mvgpt.server.web_uploads import UploadFolder
from transformers_mvgpt.video.limits import UntrustedInput, shorten
from transformers_mvgpt.viewing.frame_selection import FrameSelection, SampledFrame


FIRST = make_clip(CLIP_SEED, "test").questions[0]


@pytest.fixture(scope="module")
def small():
    return load_model(str(CHECKPOINT), {})


@dataclass
class Visitors:
    """All of a page without its drawing."""

    answers: PageAnswers

    def bring(self, content: bytes, name: str = "clip.mp4") -> str:
        path = self.answers.uploads.path / f"digest-{hash(content)}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    async def look(self, name: str, path: str) -> FrameSelection:
        *_, selection = [step async for step in self.answers.look(name, path)]
        return selection

    async def ask(self, name: str, question: str, remembers: bool = False) -> str:
        *_, last = [step async for step in self.answers.ask(name, question, remembers)]
        return last.text


@contextlib.contextmanager
def visitors_of(loaded, max_video_seconds=60.0, **settings):
    service = ChatService(loaded.model.eval(), loaded.processor, ServerSettings("small", **settings))
    with UploadFolder(10**7) as uploads:
        yield Visitors(PageAnswers(service, uploads, max_video_seconds))
    service.close()
    service.queue.join(20)


@pytest.fixture
def visitors(small):
    with visitors_of(small) as visitors:
        yield visitors


def test_two_visitors(visitors):
    async def visit():
        path = visitors.bring(CLIP.read_bytes())
        await asyncio.gather(visitors.look("one", path), visitors.look("other", path))
        questions = make_clip(CLIP_SEED, "test").questions[:2]
        asked = [visitors.ask(name, question.text) for name in ("one", "other") for question in questions[:1]]
        assert await asyncio.gather(*asked) == [questions[0].answer] * 2
        visitors.answers.reset("one")
        assert visitors.answers.messages("one") == []
        assert [message["content"] for message in visitors.answers.messages("other")] == [FIRST.text, FIRST.answer]
        assert visitors.answers.service.metrics.encoded._value.get() == 1

    asyncio.run(visit())


def test_what_made_room_is_encoded_again(small):
    async def visit(visitors):
        for name, seed in (("one", CLIP.read_bytes()), ("other", CLIP.read_bytes() + b"0")):
            await visitors.look(name, visitors.bring(seed))
        assert visitors.answers.service.cache.num_visuals <= 1
        assert await visitors.ask("one", FIRST.text) == FIRST.answer
        # and says so where the file is gone too
        visitors.answers.service.cache.clear()
        visitors.answers._visitors["one"].file.unlink()
        with pytest.raises(RequestError, match="The file is not here any more: choose it again."):
            await visitors.ask("one", FIRST.text)

    for number in (0, 1):
        with visitors_of(small, max_cached_visuals=number) as visitors:
            asyncio.run(visit(visitors))


def test_refusals(small):
    async def visit(visitors):
        long = visitors.bring(CLIP.read_bytes(), "<b>long.mp4")
        with pytest.raises(
            RequestError, match="The video has 10 seconds, and at most 5 are taken: cut it shorter, or raise"
        ):
            await visitors.look("one", long)
        with pytest.raises(RequestError, match="The file is not here any more"):
            await visitors.look("one", "/etc/passwd")
        with pytest.raises(RequestError, match="There is nothing to ask about yet: choose a video first."):
            await visitors.ask("one", "What?")

    with visitors_of(small, max_video_seconds=5) as visitors:
        asyncio.run(visit(visitors))


def test_errors_name_no_path_of_the_server(visitors):
    """Also where a name is so long, or has such letters, that messages change it."""

    async def visit():
        for name in ("clip.mp4", f"{'a' * 250}.mp4", "\u202eevil.mp4"):
            with pytest.raises(RequestError, match="could not be read") as caught:
                await visitors.look("one", visitors.bring(b"no video at all", name))
            message = caught.value.message
            assert "mvgpt-web-" not in message and "digest" not in message, message
            assert shorten(name) in message

    asyncio.run(visit())


def test_questions_at_once(visitors):
    async def visit():
        await visitors.look("one", visitors.bring(CLIP.read_bytes()))
        asked = [visitors.ask("one", FIRST.text) for _ in range(2)]
        first, second = await asyncio.gather(*asked, return_exceptions=True)
        assert first == FIRST.answer
        assert isinstance(second, RequestError) and second.code == BUSY
        # and then the next
        assert await visitors.ask("one", FIRST.text) == FIRST.answer

    asyncio.run(visit())


def test_who_makes_room_for_others(visitors, monkeypatch):
    """Not who has sent a video, for sessions that somebody has invented."""
    monkeypatch.setattr("transformers_mvgpt.server.web_answers.MAX_VISITORS", 3)

    async def visit():
        path = visitors.bring(CLIP.read_bytes())
        await visitors.look("one", path)
        for number in range(5):
            with pytest.raises(RequestError, match="There is nothing to ask about yet"):
                await visitors.ask(f"invented {number}", "")
            with pytest.raises(RequestError, match="The file is not here any more"):
                await visitors.look(f"invented {number}", "nothing")
        example = visitors.answers.uploads.examples / "clip.mp4"
        example.write_bytes(CLIP.read_bytes())
        for number in range(5):
            await visitors.look(f"invented {number}", str(example))
        assert await visitors.ask("one", FIRST.text) == FIRST.answer
        # of those who sent something, who has asked nothing; and nobody who is being answered
        await visitors.look("other", path)
        answers = visitors.answers
        for name in ("two", "three"):
            await visitors.look(name, path)
        assert list(answers._visitors) == ["one", "two", "three"]
        for visitor in answers._visitors.values():
            visitor.is_asking = True
        with pytest.raises(RequestError, match="Too many others are here: try again in a few minutes."):
            await visitors.look("four", path)

    asyncio.run(visit())


def test_a_folder_that_somebody_else_has_deleted(visitors):
    async def visit():
        path = Path(visitors.bring(CLIP.read_bytes()))
        await visitors.look("one", str(path))
        shutil.rmtree(path.parent)
        visitors.answers.forget("one")

    asyncio.run(visit())


def test_limits_hold_for_uploads(small):
    async def visit(visitors):
        with pytest.raises(RequestError, match=r"is 192x108, 20,736 pixels; at most 100 are taken") as caught:
            await visitors.look("one", visitors.bring(CLIP.read_bytes()))
        assert str(visitors.answers.uploads.path) not in caught.value.message
        assert "`--limit max_pixels_per_frame=...`" in caught.value.message

    with visitors_of(small, limits=UntrustedInput(max_pixels_per_frame=100)) as visitors:
        asyncio.run(visit(visitors))


def test_a_conversation_that_is_too_long(visitors):
    async def visit():
        await visitors.look("one", visitors.bring(CLIP.read_bytes()))
        with pytest.raises(RequestError, match="than the model's 1,024 tokens: ask less, or start a new conversation"):
            await visitors.ask("one", "circle " * 4000)
        assert await visitors.ask("one", FIRST.text) == FIRST.answer

    asyncio.run(visit())


def test_an_error_in_the_thread_of_the_model(visitors, monkeypatch):
    """Whatever it is: the visitor is told, and the next question is answered."""

    async def visit():
        await visitors.look("one", visitors.bring(CLIP.read_bytes()))

        def fail(*_):
            raise KeyError("a fault")

        with monkeypatch.context() as patch:
            patch.setattr(visitors.answers.service.answerer, "answer", fail)
            with pytest.raises(RequestError, match="The server failed on this request. Its log says why"):
                await asyncio.wait_for(visitors.ask("one", FIRST.text), 20)
        assert visitors.answers.service.queue.num_in_server == 0
        assert await visitors.ask("one", FIRST.text) == FIRST.answer

    asyncio.run(visit())


def test_who_leaves_frees_his_place(visitors, monkeypatch):
    """While his answer is written, and while it waits."""

    async def visit():
        queue = visitors.answers.service.queue
        path = visitors.bring(CLIP.read_bytes())
        for name in ("one", "other"):
            await visitors.look(name, path)
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def never_ends(prepared, visuals, on_text, is_cancelled):
            on_text("the")
            loop.call_soon_threadsafe(begun.set)
            while not is_cancelled():
                pass

        with monkeypatch.context() as patch:
            patch.setattr(visitors.answers.service.answerer, "answer", never_ends)
            tasks = [asyncio.create_task(visitors.ask("one", "What?"))]
            await asyncio.wait_for(begun.wait(), 20)
            steps = visitors.answers.ask("other", "What?", False)
            assert (await anext(steps)).num_before == 1
            with pytest.raises(RequestError, match="Your last question is still being answered"):
                await anext(visitors.answers.ask("other", "And what?", False))
            visitors.answers.forget("other")
            assert [step async for step in steps] == []
            # what there is of an answer stays
            visitors.answers.stop("one")
            assert await asyncio.wait_for(asyncio.gather(*tasks), 20) == ["the"]
        assert [message["content"] for message in visitors.answers.messages("one")] == ["What?", "the"]
        assert queue.num_in_server == 0
        assert path in map(str, visitors.answers.uploads._visitors)
        visitors.answers.forget("one")
        assert not visitors.answers.uploads._visitors

    asyncio.run(visit())


def test_the_queue_is_bounded(small):
    async def visit(visitors):
        await visitors.look("one", visitors.bring(CLIP.read_bytes()))
        place = visitors.answers.service.queue.enter()
        with pytest.raises(RequestError, match="1 requests are in the server, which is all that it takes"):
            await visitors.ask("one", "What?")
        place.give_back()
        assert await visitors.ask("one", FIRST.text) == FIRST.answer

    with visitors_of(small, max_waiting=0) as visitors:
        asyncio.run(visit(visitors))


def test_images_of_mobilevlm(tmp_path):
    async def visit(visitors):
        picture(PICTURE_SEEDS[0]).save(tmp_path / "picture.png")
        selection = await visitors.look("one", visitors.bring((tmp_path / "picture.png").read_bytes(), "picture.png"))
        assert "The image as the model sees it." in frame_strip(selection)
        for question in picture_questions(PICTURE_SEEDS[0]):
            assert await visitors.ask("one", question.text) == question.answer
        with pytest.raises(RequestError, match="clip.mp4"):
            await visitors.look("one", visitors.bring(CLIP.read_bytes()))

    loaded = load_model(str(MOBILEVLM), {})
    with visitors_of(loaded) as visitors:
        asyncio.run(visit(visitors))
        examples = write_examples(visitors.answers.uploads.examples, of_videos=False)
        assert all(example.file.suffix == ".png" and example.questions for example in examples)
        app = create_web_app(
            loaded.model,
            loaded.processor,
            ServerSettings("small", is_local=True),
            visitors.answers.uploads,
            max_video_seconds=60,
        )
        components = [block.__class__.__name__ for block in app.routes[-1].app.get_blocks().blocks.values()]
        assert "Image" in components and "Video" not in components
        app.state.service.close()


def test_videos_of_tinyllava(tmp_path):
    async def visit(visitors):
        clip = write_drawn_clip(tmp_path / "clip.mp4")
        with open(clip, "rb") as file:
            selection = await visitors.look("one", visitors.bring(file.read()))
        strip = frame_strip(selection)
        assert f"The model sees these <b>{len(selection.frames)} frames</b>." in strip and "mv-chosen" not in strip
        for question in clip_questions():
            assert await visitors.ask("one", question.text) == question.answer

    with visitors_of(load_model(str(TINYLLAVA), {})) as visitors:
        asyncio.run(visit(visitors))


def test_one_frame_is_not_several():
    frame = SampledFrame(picture(PICTURE_SEEDS[0]), index=0, seconds=0.0, score=None, is_selected=True)
    for frames_per_chunk, words in (
        (None, "The model sees this <b>one frame</b>.<"),
        (4, "The model sees this <b>one frame</b>, and its video encoder looks closer at it.<"),
    ):
        assert words in frame_strip(FrameSelection((frame,), frames_per_chunk, None))
