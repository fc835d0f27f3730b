# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`mvgpt web` as visitors use it: a process, and Chromium. The tests share both, and the last one ends the server.

`make web-images` keeps its pictures: SCREENSHOT_FOLDER says where.
"""

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import httpx
import pytest
import torch

from browsers import find_chromium
from server_processes import ServerProcess, run_server
from transformers_mvgpt import VideoChat
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.demo import CHECKPOINT, CLIP, CLIP_SEED, make_clip, write_clip
from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.server.web_examples import DRAWN_SEEDS


MILLISECONDS = 20_000
KEY = "a key of some length"
LAPTOP, PHONE = {"width": 1366, "height": 720}, {"width": 390, "height": 844}
# Of clips that nobody was trained on, some about which the small model answers everything.
FRESH_SEED, OTHER_SEED = 1_000_007, 1_000_003
# A name that is a tag, if it is shown as it is.
RUDE_NAME = "<img src=x onerror=document.title='taken'>.mp4"
# With what was said made ever more likely, it does not come to an end by itself.
ENDLESS = {"frequency_penalty": -2, "presence_penalty": -2, "max_tokens": 900, "model": "the package's small model"}


class Visit:
    """
    The page in a tab, as a visitor sees it.

    Args:
        page (`playwright.sync_api.Page`): The tab.
        url (`str`): Of the page.
    """

    def __init__(self, page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(MILLISECONDS)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(url)
        page.fill("#key", "a wrong key")
        page.press("#key", "Enter")
        page.wait_for_selector("text=That is not the key.")
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.fill("#key", KEY)
        page.press("#key", "Enter")
        page.wait_for_selector("#mv-question textarea")

    def _hear(self, message) -> None:
        # what Gradio says of each upload, and of one that is refused
        if message.text in ("Method not implemented.", "Response") or "upload_progress" in message.location["url"]:
            return
        # a video that was just replaced, and is deleted, while the browser still loads it
        if "404" in message.text and re.search("file=.*mvgpt-web-", message.location["url"]):
            return
        self.complaints.append(f"{message.text} {message.location['url']}")

    def choose(self, file: str | Path | dict) -> None:
        """Until its frames are there, or a message."""
        if not self.page.locator("#mv-visual input[type=file]").count():
            self.clear()
        self.page.set_input_files("#mv-visual input[type=file]", file)
        self.page.wait_for_selector("#mv-strip .mv-frames, #mv-strip [role=alert]")

    def clear(self) -> None:
        # of a video that cannot be played, there are two above each other
        self.page.locator("#mv-visual [aria-label=Clear]").last.click()
        self.page.wait_for_selector(".mv-empty:not(.mv-busy)")

    def ask(self, question: str) -> str:
        number = self.page.locator("#mv-chat .bot").count() + 1
        self.page.fill("#mv-question textarea", question)
        self.page.press("#mv-question textarea", "Enter")
        return self.answer(number)

    def answer(self, number: int) -> str:
        """The answer of this number, when it is whole: there is no stop button any more."""
        self.page.wait_for_function(
            """number => document.querySelectorAll("#mv-chat .bot").length >= number
                && [...document.querySelectorAll("#mv-question button")].some((button) => button.textContent.includes("Ask"))""",
            arg=number,
        )
        return self.answers()[-1]

    def answers(self) -> list[str]:
        return [text.strip() for text in self.page.locator("#mv-chat .bot .message-content").all_inner_texts()]

    def chosen_frames(self) -> list[int]:
        words = [image.get_attribute("alt") for image in self.page.locator(".mv-frames img").all()]
        return [index for index, text in enumerate(words) if text.endswith("chosen for the video encoder")]

    def alert(self) -> str:
        return "".join(self.page.locator("[role=alert]").all_inner_texts())

    def is_wider_than_its_window(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    find_chromium(needs_web_packages=False)
    with run_server(["--max-upload-mb", "1", "--device", "cpu"], KEY, command_name="web") as server:
        yield server


@pytest.fixture(scope="module")
def visit(server, tmp_path_factory) -> Iterator[Callable[[], Visit]]:
    """Opens the page in a browser profile of its own."""
    from playwright.sync_api import sync_playwright

    camera = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    write_camera(camera)
    options = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(needs_web_packages=False),
            args=[*options, f"--use-file-for-fake-video-capture={camera}"],
        )
        visits = []

        def open_page() -> Visit:
            visits.append(
                Visit(browser.new_context(viewport=LAPTOP, reduced_motion="reduce").new_page(), server.url + "/")
            )
            return visits[-1]

        yield open_page
        browser.close()
    for visited in visits:
        assert all(url.startswith((visited.url, "blob:", "data:")) for url in visited.requests)


@pytest.fixture(scope="module")
def shared_visit(visit) -> Visit:
    return visit()


@pytest.fixture(scope="module")
def other(visit) -> Visit:
    """Who comes beside the first visitor."""
    return visit()


@pytest.fixture
def visitor(shared_visit) -> Iterator[Visit]:
    """One tab for most tests: loading the page again would take most of their time."""
    yield shared_visit
    assert shared_visit.complaints == []
    assert shared_visit.page.title() == "Ask about a video"


@pytest.fixture(scope="module")
def chat_about() -> Callable[[Path], VideoChat]:
    loaded = load_model(str(CHECKPOINT), {}, dtype=torch.float32)
    return lambda video: VideoChat(loaded.model.eval(), loaded.processor, str(video))


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("clips")
    for seed in (FRESH_SEED, OTHER_SEED):
        write_clip(make_clip(seed, "test"), folder / f"{seed}.mp4")
    return {seed: folder / f"{seed}.mp4" for seed in (FRESH_SEED, OTHER_SEED)}


def write_camera(path: Path) -> None:
    """What Chromium's camera for tests shows, again and again."""
    clip = make_clip(FRESH_SEED, "test")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
        for index in range(20):
            picture = draw_frame(clip.scene, 0.2 + index / 100, 640, 480)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def uploads(server: ServerProcess) -> list[Path]:
    """Files of visitors that the server holds."""
    return [path for path in upload_folder(server).glob("*/*") if path.parent.name != "examples"]


def upload_folder(server: ServerProcess) -> Path:
    with httpx.Client(follow_redirects=True) as client:
        page = client.post(f"{server.url}/login", data={"key": KEY}).text
    return Path(re.search(r"file=([^\"]*mvgpt-web-[^/\"]*)/examples", page)[1])


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def keep(visitor: Visit, name: str, **options: bool) -> None:
    if folder := os.environ.get("SCREENSHOT_FOLDER"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        visitor.page.screenshot(path=Path(folder, name), **options)


def test_an_upload_and_questions_about_it(visitor, chat_about, clips):
    empty = visitor.page.locator(".mv-empty").inner_text()
    assert empty.startswith("The frames that the model sees will be here. Choose a video")
    clip, chat = make_clip(FRESH_SEED, "test"), chat_about(clips[FRESH_SEED])
    visitor.choose({"name": RUDE_NAME, "mimeType": "video/mp4", "buffer": clips[FRESH_SEED].read_bytes()})
    assert visitor.page.locator(".mv-frames img").count() == 16
    assert visitor.chosen_frames() == sorted(chat.video.selected_frames[0].tolist())
    times = visitor.page.locator(".mv-frames figcaption").all_inner_texts()
    assert times[0] == "0.0 s" and times == sorted(times, key=lambda time: float(time.split()[0]))
    for question in clip.questions[:2]:
        assert visitor.ask(question.text) == chat.ask(question.text) == question.answer
    assert visitor.page.locator("#mv-chat .user").count() == 2


def test_an_answer_is_streamed(visitor):
    visitor.page.evaluate("""() => {
        window.seen = new Set();
        const look = () => window.seen.add([...document.querySelectorAll("#mv-chat .bot")].at(-1)?.textContent.trim());
        window.observer = new MutationObserver(look);
        window.observer.observe(document.getElementById("mv-chat"), {subtree: true, childList: true, characterData: true});
    }""")
    answer = visitor.ask("Describe the video.")
    seen = visitor.page.evaluate("window.observer.disconnect(), [...window.seen]")
    [truth] = [asked.answer for asked in make_clip(FRESH_SEED, "test").questions if asked.type == "description"]
    assert answer == truth
    assert len({text for text in seen if text and truth.startswith(text)}) >= 3, seen
    # as it was asked, whatever is in it
    rude = "Is 3<b and c>d? <img src=x> &lt; [a](/b) *c*"
    visitor.ask(rude)
    assert visitor.page.locator("#mv-chat .user .message-content").last.inner_text().strip() == rude


def test_a_question_that_refers_to_the_answer_before(visitor, chat_about):
    """The example of the package; the model has learned single questions, but knows what was just said."""
    visitor.page.click(".mv-example >> nth=0")
    visitor.page.wait_for_function("document.querySelectorAll('#mv-chat .bot').length === 0")
    first, second = "What is seen only for a moment?", "What colour is it?"
    visitor.page.wait_for_selector(".mv-frames")
    visitor.page.check("#mv-settings input[type=checkbox]")
    assert visitor.ask(first) == "the red cross"
    chat = chat_about(CLIP)
    turns = [
        {"role": "user", "content": first},
        {"role": "assistant", "content": "the red cross"},
        {"role": "user", "content": second},
    ]
    # alone, it means something else
    assert visitor.ask(second) == chat.ask(turns) != chat.ask(second)
    visitor.page.click("#mv-reset")
    visitor.page.wait_for_function("document.querySelectorAll('#mv-chat .bot').length === 0")
    assert visitor.ask(second) == chat.ask(second)
    visitor.page.uncheck("#mv-settings input[type=checkbox]")


def test_the_examples_are_answered_right(visitor):
    """Every question that the page proposes."""
    seeds = (CLIP_SEED, *DRAWN_SEEDS)
    # of which the first is there already
    for number in (2, 1, 0):
        seed = seeds[number]
        visitor.page.click(f".mv-example >> nth={number}")
        truths = {question.text: question.answer for question in make_clip(seed, "test").questions}
        buttons = visitor.page.locator(".mv-suggestion")
        visitor.page.wait_for_function(
            "text => [...document.querySelectorAll('.mv-suggestion')].some((button) => button.textContent.includes(text))",
            arg=make_clip(seed, "test").questions[0].text,
        )
        for index in range(4):
            text = buttons.nth(index).inner_text().strip()
            buttons.nth(index).click()
            assert visitor.answer(index + 1) == truths[text], text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (CLIP.read_bytes()[:2000], "could not be read"),
        (b"no video at all", "could not be read: it is a text, not a video"),
    ],
    ids=["cut off", "no video"],
)
def test_a_damaged_file(visitor, content, sentence):
    visitor.choose({"name": RUDE_NAME, "mimeType": "video/mp4", "buffer": content})
    assert sentence in visitor.alert()
    assert "mvgpt-web-" not in visitor.alert()
    # the next one can
    visitor.choose(CLIP)
    assert visitor.alert() == ""
    assert visitor.ask("What colour is the circle?") == "blue"


def test_questions_that_are_refused(visitor):
    visitor.page.fill("#mv-question textarea", "   ")
    visitor.page.press("#mv-question textarea", "Enter")
    visitor.page.wait_for_selector("#mv-status [role=alert]")
    assert visitor.alert() == "The question is empty: write what you want to know."
    visitor.clear()
    visitor.page.fill("#mv-question textarea", "What is it?")
    visitor.page.press("#mv-question textarea", "Enter")
    visitor.page.wait_for_function("document.querySelector('#mv-status')?.textContent.includes('choose')")
    assert visitor.alert() == "There is nothing to ask about yet: choose a video first."


def test_a_file_that_is_too_large(visitor, server):
    before = uploads(server)
    visitor.page.set_input_files(
        "#mv-visual input[type=file]", {"name": "large.mp4", "mimeType": "video/mp4", "buffer": b"0" * (3 * 1024**2)}
    )
    visitor.page.wait_for_selector("[data-testid=toast-body]")
    toast = visitor.page.locator("[data-testid=toast-body]").inner_text()
    assert toast.endswith('File(s) exceed the maximum allowed size of 1.0 Mb: "large.mp4"')
    # whoever does not ask the page: it is refused by what it says of itself, before it is read
    [cookie] = visitor.page.context.cookies()
    answer = httpx.post(
        f"{server.url}/gradio_api/upload",
        files={"files": ("large.mp4", b"0" * (3 * 1024**2))},
        cookies={cookie["name"]: cookie["value"]},
    )
    assert answer.status_code == 413
    assert answer.text == (
        "The file has 3 MB, and at most 1 MB are taken: cut it shorter, or raise `--max-upload-mb` of `mvgpt web`."
    )
    assert uploads(server) == before


def test_two_visitors_at_once(visitor, other, clips):
    other.choose(clips[OTHER_SEED])
    visitor.choose(clips[FRESH_SEED])
    for seed, each in ((FRESH_SEED, visitor), (OTHER_SEED, other)):
        [each.question] = [q for q in make_clip(seed, "test").questions if q.type == "description"]
        each.page.fill("#mv-question textarea", each.question.text)
    for each in (visitor, other):
        each.page.press("#mv-question textarea", "Enter")
    assert [each.answer(1) for each in (visitor, other)] == [each.question.answer for each in (visitor, other)]
    assert other.complaints == []


def test_waiting_and_stopping(visitor, server):
    """While the model is busy with requests to the API, which has the same queue."""
    body = json.dumps({**ENDLESS, "messages": [{"role": "user", "content": "Go on."}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
    head = f"{head}Content-Length: {len(body)}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for number in range(1, 9):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(head + body)
            server.wait_for("requests_in_server", number)
        visitor.page.fill("#mv-question textarea", "What colour is the circle?")
        visitor.page.press("#mv-question textarea", "Enter")
        visitor.page.wait_for_function("/ questions? (is|are) answered first/.test(document.body.textContent)")
        visitor.page.click("#mv-question button:has-text('Stop')")
        assert visitor.answer(2) == "(stopped)"
    # who has left is not answered
    server.wait_for("requests_in_server", 0)
    assert visitor.ask("How many objects are there?") == "two"


def test_with_the_keyboard_alone(visitor):
    keys = visitor.page.keyboard
    visitor.page.evaluate("document.activeElement.blur()")
    visitor.page.locator("h1").click()
    order = []
    while len(order) < 30 and "New conversation" not in order:
        keys.press("Tab")
        order.append(
            visitor.page.evaluate(
                "((it) => it.placeholder || it.ariaLabel || it.textContent.trim() || it.type)(document.activeElement)"
            )
        )
        # where it is can be seen
        assert visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", order
    wanted = [
        "Capture from camera",
        "Cross and circle",
        "Ask a question, and press Enter",
        "checkbox",
        "New conversation",
    ]
    assert [name for name in order if name in wanted] == wanted
    while visitor.page.evaluate("document.activeElement.textContent").strip() != "Cross and circle":
        keys.press("Shift+Tab")
    keys.press("Enter")
    visitor.page.wait_for_function(
        "document.querySelector('.mv-suggestion')?.textContent.includes('What colour is the circle?')"
    )
    while visitor.page.evaluate("document.activeElement.tagName") != "TEXTAREA":
        keys.press("Tab")
    keys.type("What colour is the circle?")
    keys.press("Enter")
    assert visitor.answer(1) == "blue"
    # and on with the next
    assert visitor.page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    unnamed = """[...document.querySelectorAll("button, input, select, textarea, [role=button]")]
        .filter((it) => it.checkVisibility() && !it.labels?.length && !it.ariaLabel && !it.textContent.trim())
        .map((it) => it.outerHTML)"""
    assert visitor.page.evaluate(unnamed) == []
    assert all(image.get_attribute("alt") for image in visitor.page.locator("img").all())


def test_screenshots_wide_and_narrow_light_and_dark(visitor):
    for question in ("Does the orange ring vanish or appear?", "What is seen only for a moment?"):
        visitor.ask(question)
    visitor.page.evaluate("document.activeElement.blur()")
    # all of it is seen at once
    last = visitor.page.locator(".mv-frames li").last.bounding_box()
    assert last["y"] + last["height"] <= LAPTOP["height"]
    assert visitor.page.locator("#mv-reset").bounding_box()["y"] < LAPTOP["height"] - 20
    assert not visitor.is_wider_than_its_window()
    keep(visitor, "web_app.png")
    background = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(background)
    visitor.page.set_viewport_size(PHONE)
    visitor.page.emulate_media(color_scheme="dark")
    visitor.page.wait_for_function(f"{background} !== {light!r}")
    assert not visitor.is_wider_than_its_window()
    keep(visitor, "web_app_phone.png", full_page=True)
    visitor.page.set_viewport_size(LAPTOP)
    visitor.page.emulate_media(color_scheme="light")


def test_the_camera(visitor):
    visitor.clear()
    visitor.page.click("[aria-label='Capture from camera']")
    visitor.page.click("text=Click to Access Webcam")
    # the same button starts and stops
    visitor.page.click("[aria-label='start recording']")
    time.sleep(1.5)
    visitor.page.click("[aria-label='start recording']")
    visitor.page.wait_for_selector("#mv-strip .mv-frames, #mv-strip [role=alert]")
    assert visitor.alert() == ""
    assert visitor.ask("What colour is the circle?") == "blue"
    visitor.page.click("#mv-visual [aria-label='Upload file']")


def test_what_visitors_leave_is_deleted(server, shared_visit, other):
    for each in (other, shared_visit):
        each.choose(CLIP)
    # the same file, of both
    wait_until(lambda: len(uploads(server)) == 1)
    shared_visit.page.context.close()
    assert other.ask("What colour is the circle?") == "blue"
    assert len(uploads(server)) == 1
    other.clear()
    wait_until(lambda: uploads(server) == [])


def test_the_end(server, other, clips):
    """An upload is gone, and the log has no errors."""
    other.choose(clips[FRESH_SEED])
    folder = upload_folder(server)
    assert len(uploads(server)) == 1
    assert server.stop() == 143
    assert not folder.exists()
    assert f"The page is at {server.url}. Ctrl+C ends it.\n" in server.log()
    # beyond its time to end, which a busy machine may need for open pages, they are cancelled
    assert "Traceback" not in server.log().partition("timeout graceful shutdown exceeded")[0]
