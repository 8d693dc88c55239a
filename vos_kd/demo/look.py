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
.gradio-container {
  width: 100% !important; max-width: 1240px !important; margin: 0 auto !important; padding: 10px 22px 28px !important;
}
.vk-header { display: flex; align-items: center; gap: 11px; padding: 8px 0 2px; font-family: system-ui, sans-serif; }
.vk-header h1 { font-size: 21px; font-weight: 700; letter-spacing: -0.02em; margin: 0; color: var(--body-text-color); }
.vk-header p { margin: 3px 0 0; color: var(--body-text-color-subdued); font-size: 14px; }
#about { max-width: 720px; font-size: 15.5px; line-height: 1.65; padding-top: 8px; }
@media (max-width: 640px) { .gradio-container { padding: 6px 12px 20px !important; } .vk-header p { display: none; } }
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
    )
