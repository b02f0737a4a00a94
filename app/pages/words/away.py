"""The tab that is in front while the other one is hidden."""

TITLE = "Away"
HEADING = "The other tab is hidden now"
COUNTDOWN = "Back in"
EXPLANATION = (
    "It keeps recording when its timer ticks and when messages arrive. This tab closes by itself; "
    "the other one then shows the result."
)
BACK = "Go back now"
