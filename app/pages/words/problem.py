"""When there is no page to show."""

TITLES = {400: "Bad request", 404: "Not found"}

PAGES_TITLE = "Pages"
PAGES = {
    "/": ("Home", "What this is, and where to start."),
    "/race": ("Race", "All transports side by side, with the same messages."),
    "/chat": ("Chat", "Talk to each other, each over a transport of your choice."),
    "/crowd": ("Crowd", "One message for 200 readers: when does the last one have it?"),
    "/limits": ("Limits", "What a browser limits: connections per host, timers in hidden tabs, identical requests."),
    "/claims": ("Claims", "What a note of 2016 claims, and what was measured."),
}
TRANSPORTS_TITLE = "Transports, live on the wire"


def no_such_page(path: str) -> str:
    return f"There is nothing at {path}."


def sentence(error: str) -> str:
    """An error message, as a sentence."""
    return f"{error[:1].upper()}{error[1:]}."
