// Package metrics measures how good and how fast answers are, one at a time and
// in bounded memory.
package metrics

import (
	"fmt"
	"math"
	"slices"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// MaxClasses bounds how many classes are told apart.
const MaxClasses = 10_000

// Classes counts right and wrong classifications.
type Classes struct {
	counts map[[2]string]int // expected, predicted
	seen   map[string]*class
	total  int
	right  int
}

type class struct{ support, predicted, right int }

// Add counts one row. The error says that there are too many classes.
func (c *Classes) Add(expected, predicted string) error {
	if c.counts == nil {
		c.counts, c.seen = map[[2]string]int{}, map[string]*class{}
	}
	for _, name := range []string{expected, predicted} {
		if c.seen[name] == nil {
			if len(c.seen) >= MaxClasses {
				return fmt.Errorf("there are more than %d classes; is this a regression, to be judged by mae or rmse?", MaxClasses)
			}
			c.seen[name] = &class{}
		}
	}
	c.counts[[2]string{expected, predicted}]++
	c.total++
	c.seen[expected].support++
	c.seen[predicted].predicted++
	if expected == predicted {
		c.right++
		c.seen[expected].right++
	}
	return nil
}

// Total is how many rows were counted.
func (c *Classes) Total() int { return c.total }

// Wrong is how many rows were classified wrongly.
func (c *Classes) Wrong() int { return c.total - c.right }

// Accuracy is the share of rows classified rightly.
func (c *Classes) Accuracy() float64 { return ratio(c.right, c.total) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// ClassScore is how well one class is told from the others.
type ClassScore struct {
	Class     string  `json:"class"`
	Support   int     `json:"support"`   // rows of this class
	Predicted int     `json:"predicted"` // rows taken for this class
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

// Scores are those of every class, sorted by name. A class that nothing was
// taken for has precision 0, one without rows recall 0.
func (c *Classes) Scores() []ClassScore {
	out := make([]ClassScore, 0, len(c.seen))
	for _, name := range c.Names() {
		n := c.seen[name]
		s := ClassScore{Class: name, Support: n.support, Predicted: n.predicted, Precision: ratio(n.right, n.predicted), Recall: ratio(n.right, n.support)}
		if s.Precision+s.Recall > 0 {
			s.F1 = 2 * s.Precision * s.Recall / (s.Precision + s.Recall)
		}
		out = append(out, s)
	}
	return out
}

// Names are the classes seen, whole numbers first and in their order.
func (c *Classes) Names() []string {
	names := make([]string, 0, len(c.seen))
	for name := range c.seen {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	return names
}

// Confusion is how often a class was taken for another, by the classes' order
// in names; nil when there are more than limit classes.
func (c *Classes) Confusion(limit int) (names []string, counts [][]int) {
	names = c.Names()
	if len(names) > limit {
		return nil, nil
	}
	counts = make([][]int, len(names))
	for i, expected := range names {
		counts[i] = make([]int, len(names))
		for j, predicted := range names {
			counts[i][j] = c.counts[[2]string{expected, predicted}]
		}
	}
	return names, counts
}

// Average is one of precision, recall and f1 over all classes: macro weighs
// classes alike, weighted by their rows, micro counts rows.
func (c *Classes) Average(metric, how string) float64 {
	if how == "micro" {
		return c.Accuracy() // each row has one expected and one predicted class
	}
	sum, weight := 0.0, 0.0
	for _, s := range c.Scores() {
		w := 1.0
		if how == "weighted" {
			w = float64(s.Support)
		}
		sum += w * s.Get(metric)
		weight += w
	}
	if weight == 0 {
		return 0
	}
	return sum / weight
}

// Get returns precision, recall or f1.
func (s ClassScore) Get(metric string) float64 {
	switch metric {
	case "precision":
		return s.Precision
	case "recall":
		return s.Recall
	case "f1":
		return s.F1
	}
	return math.NaN()
}

func compareNames(a, b string) int {
	if na, nb := isWhole(a), isWhole(b); na && nb {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
	} else if na != nb {
		if na {
			return -1
		}
		return 1
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func isWhole(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Regression measures how far predicted numbers are from expected ones.
type Regression struct {
	n                         int
	absolute, squared         float64
	mean, spread              float64 // of the expected numbers, by Welford
	largest                   float64
	Points                    [][2]float64 // a sample of those that are finite: expected, predicted
	every, skipped, notFinite int
}

// maxPoints bounds the sample that is kept for a plot.
const maxPoints = 400

// Add counts one row.
func (r *Regression) Add(expected, predicted float64) {
	delta := predicted - expected
	r.n++
	r.absolute += math.Abs(delta)
	r.squared += delta * delta
	r.largest = math.Max(r.largest, math.Abs(delta))
	before := expected - r.mean
	r.mean += before / float64(r.n)
	r.spread += before * (expected - r.mean)
	if value.IsFinite(expected) && value.IsFinite(predicted) {
		r.sample(expected, predicted)
	} else {
		r.notFinite++
	}
}

// sample keeps evenly spaced rows, however many come.
func (r *Regression) sample(expected, predicted float64) {
	r.every = max(r.every, 1)
	if r.skipped++; r.skipped < r.every {
		return
	}
	r.skipped = 0
	r.Points = append(r.Points, [2]float64{expected, predicted})
	if len(r.Points) == 2*maxPoints {
		for i := range maxPoints {
			r.Points[i] = r.Points[2*i]
		}
		r.Points = r.Points[:maxPoints]
		r.every *= 2
	}
}

// Total is how many rows were counted.
func (r *Regression) Total() int { return r.n }

// NotFinite is how many of them have NaN or an infinity on either side.
func (r *Regression) NotFinite() int { return r.notFinite }

// Largest is the largest error.
func (r *Regression) Largest() float64 { return r.largest }

// MAE is the mean absolute error.
func (r *Regression) MAE() float64 { return r.absolute / float64(max(r.n, 1)) }

// RMSE is the root of the mean squared error.
func (r *Regression) RMSE() float64 { return math.Sqrt(r.squared / float64(max(r.n, 1))) }

// R2 is the coefficient of determination; NaN where there is none, since not all
// numbers are finite.
func (r *Regression) R2() float64 {
	if r.notFinite > 0 {
		return math.NaN()
	}
	if r.spread == 0 {
		if r.squared == 0 {
			return 1
		}
		return 0
	}
	return 1 - r.squared/r.spread
}
