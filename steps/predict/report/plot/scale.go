package plot

import (
	"math"
	"strconv"
	"time"
)

// scale maps numbers to coordinates, evenly or by their logarithm.
type scale struct {
	low, high float64 // numbers
	from, to  float64 // coordinates
	log       bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, s.low))
	}
	if high <= low {
		return (s.from + s.to) / 2
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks are round numbers within the scale, some n of them.
func (s scale) ticks(n int) []float64 {
	if s.log {
		return s.logTicks(n)
	}
	span := s.high - s.low
	if !(span > 0) || math.IsInf(span, 0) {
		return []float64{s.low}
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if span/(step*factor) <= float64(n) {
			step *= factor
			break
		}
	}
	var out []float64
	for i := math.Ceil(s.low / step); i*step <= s.high+step/1e6 && len(out) < 2*n+2; i++ {
		out = append(out, i*step)
	}
	return out
}

// logTicks are 1, 2 and 5 times the powers of ten, or as few of them as fit.
func (s scale) logTicks(n int) []float64 {
	for _, factors := range [][]float64{{1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}} {
		var out []float64
		for power := math.Floor(math.Log10(s.low)); power <= math.Log10(s.high); power++ {
			for _, factor := range factors {
				if v := factor * math.Pow(10, power); v >= s.low && v <= s.high {
					out = append(out, v)
				}
			}
		}
		if len(out) <= n {
			return out
		}
	}
	return nil
}

func number(f float64) string {
	if math.Abs(f) >= 1000 && math.Abs(f) < 1e7 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}

// duration writes nanoseconds as people do.
func duration(nanoseconds float64) string {
	d := time.Duration(nanoseconds)
	switch {
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return number(nanoseconds/1e3) + " µs"
	case d < time.Second:
		return number(nanoseconds/1e6) + " ms"
	}
	return number(nanoseconds/1e9) + " s"
}
