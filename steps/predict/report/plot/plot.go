// Package plot draws the plots of a report as SVG, in the colours of the page
// that they stand in: it styles them by classes alone.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// canvas gathers the elements of an SVG.
type canvas struct {
	b             strings.Builder
	width, height float64
}

// open begins a plot; label says what it shows to those who cannot see it.
func open(width, height float64, label string) *canvas {
	c := &canvas{width: width, height: height}
	fmt.Fprintf(&c.b, `<svg class="plot" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-label="%s">`,
		num(width), num(height), num(width), num(height), escape(label))
	return c
}

func (c *canvas) close() string {
	c.b.WriteString("</svg>")
	return c.b.String()
}

// num writes a coordinate.
func num(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0"
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", f), "0"), ".")
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

// rect draws a rectangle; title, where there is one, is shown by a pointer over it.
func (c *canvas) rect(class string, x, y, w, h, opacity float64, title string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, num(x), num(y), num(w), num(h))
	if opacity < 1 {
		fmt.Fprintf(&c.b, ` fill-opacity="%.3f"`, opacity)
	}
	c.end("rect", title)
}

func (c *canvas) circle(class string, x, y, r float64, title string) {
	fmt.Fprintf(&c.b, `<circle class="%s" cx="%s" cy="%s" r="%s"`, class, num(x), num(y), num(r))
	c.end("circle", title)
}

func (c *canvas) end(element, title string) {
	if title == "" {
		c.b.WriteString("/>")
		return
	}
	fmt.Fprintf(&c.b, "><title>%s</title></%s>", escape(title), element)
}

// text writes at a point; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&c.b, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, num(x), num(y), escape(text))
}

// turned writes upwards, at an angle in degrees.
func (c *canvas) turned(class, anchor string, x, y, angle float64, text string) {
	fmt.Fprintf(&c.b, `<text class="%s" text-anchor="%s" transform="translate(%s %s) rotate(%s)">%s</text>`, class, anchor, num(x), num(y), num(angle), escape(text))
}

// escape makes text fit for XML, which has no control characters.
func escape(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}

// shorten cuts a label to n letters.
func shorten(text string, n int) string {
	letters := []rune(text)
	if len(letters) <= n {
		return text
	}
	return string(letters[:n-1]) + "…"
}
