package plot

import (
	"fmt"
	"math"
)

// Points draws pairs of numbers that ought to be equal, with the line on which
// they are. Empty when there are none that are finite.
func Points(points [][2]float64, across, up string) string {
	low, high := math.Inf(1), math.Inf(-1)
	var finite [][2]float64
	for _, p := range points {
		if math.IsNaN(p[0]+p[1]) || math.IsInf(p[0]+p[1], 0) {
			continue
		}
		finite = append(finite, p)
		low, high = min(low, p[0], p[1]), max(high, p[0], p[1])
	}
	if len(finite) == 0 {
		return ""
	}
	if margin := (high - low) * 0.04; margin > 0 {
		low, high = low-margin, high+margin
	} else {
		low, high = low-0.5, high+0.5
	}
	const size, left, top = 360.0, 64.0, 12.0
	x := scale{low: low, high: high, from: left, to: left + size}
	y := scale{low: low, high: high, from: top + size, to: top}
	c := open(left+size+16, top+size+44, up+" against "+across)
	for _, v := range x.ticks(6) {
		c.line("grid", x.at(v), top, x.at(v), top+size)
		c.line("grid", left, y.at(v), left+size, y.at(v))
		c.text("tick", "middle", x.at(v), top+size+18, number(v))
		c.text("tick", "end", left-6, y.at(v)+4, number(v))
	}
	c.line("ideal", x.at(low), y.at(low), x.at(high), y.at(high))
	for _, p := range finite {
		c.circle("point", x.at(p[0]), y.at(p[1]), 3, fmt.Sprintf("%s %s, %s %s", across, number(p[0]), up, number(p[1])))
	}
	c.text("label", "middle", left+size/2, top+size+38, across)
	c.turned("label", "middle", 12, top+size/2, -90, up)
	return c.close()
}

// Confusion draws how often a class was taken for another:
// counts[expected][predicted], a row in proportion to its sum. Empty without
// classes.
func Confusion(names []string, counts [][]int) string {
	n := len(names)
	if n == 0 || len(counts) != n {
		return ""
	}
	letters := 0
	for _, name := range names {
		letters = max(letters, min(len([]rune(name)), 18))
	}
	size := max(16, min(52, 520/float64(n)))
	left := 40 + 6.6*float64(letters)
	top := 30 + 5*float64(letters)
	c := open(left+size*float64(n)+30+3*float64(letters), top+size*float64(n)+16, "which class was taken for which")
	c.turned("label", "middle", 12, top+size*float64(n)/2, -90, "expected")
	c.text("label", "middle", left+size*float64(n)/2, 12, "predicted")
	for i, name := range names {
		at := (float64(i) + 0.5) * size
		c.text("tick", "end", left-6, top+at+4, shorten(name, 18))
		c.turned("tick", "start", left+at+3, top-6, -40, shorten(name, 18))
		sum := 0
		for _, count := range counts[i] {
			sum += count
		}
		for j, count := range counts[i] {
			c.cell(left+float64(j)*size, top+float64(i)*size, size, count, sum, i == j, names[i], names[j])
		}
	}
	return c.close()
}

func (c *canvas) cell(x, y, size float64, count, sum int, right bool, expected, predicted string) {
	class, share := "wrong", 0.0
	if right {
		class = "right"
	}
	if sum > 0 {
		share = float64(count) / float64(sum)
	}
	title := fmt.Sprintf("%s taken for %s: %d of %d", expected, predicted, count, sum)
	c.rect("empty", x+0.5, y+0.5, size-1, size-1, 1, title)
	if count == 0 {
		return
	}
	// Few of many are still to be seen.
	opacity := 0.18 + 0.82*share
	c.rect(class, x+0.5, y+0.5, size-1, size-1, opacity, title)
	if size >= 22 {
		text := "count"
		if opacity > 0.6 {
			text = "count strong"
		}
		c.text(text, "middle", x+size/2, y+size/2+4, fmt.Sprint(count))
	}
}
