"""Names that the font of the figures does not have are shown by fonts that are installed, else by their code points."""

from matplotlib.text import Text

from colonnade.report import glyphs, style


def test_code_points_where_no_font_has_a_glyph(monkeypatch, caplog):
    monkeypatch.setattr(glyphs, "_installed", lambda: ())
    for kept in (glyphs._known, glyphs._tell):
        kept.cache_clear()
    assert style.shorten("größe µ Ω Ж") == "größe µ Ω Ж"
    assert style.shorten("\u5e74\u9f62 x") == r"\u5e74\u9f62 x"
    style.shorten("\u5e74\u9f62")
    assert len(caplog.records) == 1, "told once"
    glyphs._known.cache_clear()


def test_an_installed_font_is_taken(monkeypatch):
    monkeypatch.setattr(glyphs, "_installed", lambda: ("DejaVu Serif",))
    fig, (ax,) = style.figure("größe", height=2)
    style.label(ax, x="plain")
    glyphs.fit_fonts(fig)
    families = {text.get_text(): text.get_fontfamily() for text in fig.findobj(Text)}
    assert families["größe"] == ["DejaVu Sans", "DejaVu Serif"]
    assert families["plain"] != families["größe"]
