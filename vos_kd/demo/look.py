"""What frames the tabs: theme, header, and the little CSS that is not a tab's own. No font is fetched."""

from __future__ import annotations

import gradio as gr

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]
_MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]

HEADER = """
<header class="vk-header">
  <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="#2369ad"/>
    <circle cx="13" cy="16" r="8" fill="none" stroke="#fff" stroke-width="2.4"/>
    <circle cx="20" cy="16" r="5" fill="#f0a04b" stroke="#2369ad" stroke-width="2"/>
  </svg>
  <h1>vos-kd</h1><p>video object segmentation, light</p>
</header>
"""

CSS = """
.gradio-container { width: 100% !important; max-width: none !important; margin: 0 !important; padding: 0 !important; }
.gradio-container > .main { max-width: 1216px !important; margin: 0 auto; padding: 14px 24px 32px !important; }
:is(#page-header, #compare, #leaderboard) > .html-container { padding: 0; }
.dark { --color-accent: #6fb1ee; }
.vk-header { display: flex; align-items: center; gap: 11px; font-family: system-ui, sans-serif; }
.vk-header h1 { font-size: 21px; font-weight: 700; letter-spacing: -0.02em; margin: 0; color: var(--body-text-color); }
.vk-header p { margin: 3px 0 0; color: var(--body-text-color-subdued); font-size: 14px; }
#tabs > .tab-wrapper { margin-bottom: 20px; padding-bottom: 0; height: auto; }
#tabs > .tab-wrapper button[role="tab"]:first-child { margin-left: -16px; }
#tabs .column { gap: 0; }
.gradio-container :is(.vk, .lb) select {
  background-image: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 6'%3E%3Cpath \
d='M1 1l4 4 4-4' fill='none' stroke='%237b8798' stroke-width='1.6'/%3E%3C/svg%3E");
  background-repeat: no-repeat; background-position: right 11px center; background-size: 10px 6px;
}
#about { max-width: 720px; font-size: 15.5px; line-height: 1.65; }
@media (max-width: 640px) {
  .gradio-container > .main { padding: 8px 14px 24px !important; }
  .vk-header p { display: none; }
}
"""


def theme() -> gr.themes.Base:
    """Calm greys and one blue, on light and on dark."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.blue, neutral_hue=gr.themes.colors.slate, font=_FONTS, font_mono=_MONO
    ).set(
        body_background_fill="#f6f8fa",
        body_background_fill_dark="#0f141b",
        body_text_color="#18202b",
        body_text_color_dark="#e7ebf1",
        body_text_color_subdued="#586374",
        body_text_color_subdued_dark="#a0abba",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        border_color_primary="#dde3ea",
        border_color_primary_dark="#2c3542",
        color_accent="#2369ad",
    )
