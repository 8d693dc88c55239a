"""The Compare tab: a clip goes in, two models follow what was marked, and both can be looked at and taken away.

    limits      what a visitor may ask for, and the words for it
    upload      a file from anywhere to a clip that is known to be sound
    session     what the server keeps of one visitor, and when it forgets it
    prompting   what was drawn in the browser to prompts, and back to pictures
    engine      one thread that owns the models; runs wait in line for it
    running     one model through a clip, into files
    outcome     what both found, as the page shows it
    desk        the questions that the page asks, one function each
    tab         the gradio part
    page/       the browser's side: plain JavaScript and CSS, no library

Nothing of torch is imported before a model is wanted.
"""

from __future__ import annotations
